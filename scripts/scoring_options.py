"""The options that programs of batch scoring share; nothing here imports DuckDB or the model."""

from argparse import Namespace
from pathlib import Path

from batch.errors import SourceError
from batch.missed_intervals import Every
from batch.scoring_job import ScoringJob, check_at_most
from cli.arguments import Parser, names, whole_number

DATABASE = "build/predictions.duckdb"
PREFECT_HOME = Path("build/prefect")


def add_table_options(parser: Parser, data: str) -> None:
    """Add the options that say how a table is scored; `data` is the help of its files."""
    parser.add_argument("--data", type=names, required=True, metavar="FILES", help=data)
    parser.add_argument("--table", metavar="NAME", help="the table of the DuckDB file")
    parser.add_argument(
        "--database",
        default=DATABASE,
        metavar="URL",
        help="a DuckDB file or postgresql://host/name; default: %(default)s",
    )
    parser.add_argument(
        "--workers",
        type=whole_number,
        default=1,
        metavar="N",
        help="processes of an interval; default: 1",
    )
    parser.add_argument("--key", metavar="COLUMN", help="names a row; default: its file and number")
    parser.add_argument("--time", metavar="COLUMN", help="default: a trip record's pickup")
    parser.add_argument("--event", metavar="SQL", help="default: a trip record's, else the row")
    parser.add_argument("--staging", metavar="FOLDER", help="for unfinished results")


def add_job_options(parser: Parser) -> None:
    """Add what `job_of` reads, and how long an interval is."""
    add_table_options(parser, "Parquet files or a DuckDB file; a pattern is looked up at each run")
    parser.add_argument(
        "--every",
        choices=[every.value for every in Every],
        default=Every.MONTH.value,
        metavar="|".join(Every),
        help="how long an interval is; default: %(default)s",
    )
    parser.add_argument(
        "--at-most",
        type=whole_number,
        default=1,
        metavar="N",
        help="intervals at once; a DuckDB file takes one; default: 1",
    )


def staging_of(options: Namespace) -> str:
    """Return the folder of unfinished results: beside a DuckDB file, else in the build folder."""
    beside = "build/scoring" if "://" in options.database else f"{options.database}.scoring"
    return str(options.staging or beside)


def job_of(options: Namespace) -> ScoringJob:
    """Return what to score.

    Raises:
        InvalidRequest: An option is not allowed.
        SourceError: No file is named.
    """
    if not any(options.data):
        raise SourceError("DATA is not set; allowed: Parquet files, or one DuckDB file")
    database: str = options.database
    job = ScoringJob(
        tuple(options.data),
        database,
        staging_of(options),
        options.table,
        options.workers,
        options.key,
        options.time,
        options.event,
    )
    check_at_most(options.at_most, database)
    return job
