"""Predict the rides of an interval over Spark, into a folder of Parquet files.

The rows are those of `score`, to the last bit; what Spark writes has no order and no runs.
"""

import os
import sys
from pathlib import Path

from pyspark.errors import PySparkException

from batch.errors import BatchError
from batch.interval import Interval
from batch.rides_table import RidesTable
from batch.spark import read_rides, score_frame, session_on_this_machine, write_frame
from cli.arguments import Parser, names, whole_number
from cli.program import program
from streaming import StreamingError


@program(BatchError, StreamingError, PySparkException)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=names, required=True, metavar="FILES", help="Parquet files")
    parser.add_argument("--since", required=True, metavar="TIME", help="the first moment scored")
    parser.add_argument("--until", required=True, metavar="TIME", help="the first one after it")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--key", metavar="COLUMN", help="names a row; default: its file and number")
    parser.add_argument("--cores", type=whole_number, default=2, metavar="N", help="default: 2")
    options = parser.parse_args(arguments)
    table = RidesTable.named([Path(name) for name in options.data])
    interval = Interval.parse(options.since, options.until)
    # The workers are Python processes of their own, which import `batch` from the same places.
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, sys.path)))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = session_on_this_machine(options.cores)
    try:
        frame, mapping = read_rides(session, table, interval, options.key)
        write_frame(score_frame(frame, mapping), options.output)
        written = session.read.parquet(str(options.output))
        rejected = written.where("error_type IS NOT NULL").count()
        read, rows = frame.count(), written.count()
    finally:
        session.stop()
    print(
        f"read {read:,} = predicted {rows - rejected:,} + rejected {rejected:,} + skipped "
        f"{read - rows:,}"
    )
    print(f"into {options.output}")
    return 0
