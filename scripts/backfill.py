"""Score every day, week or month of a range that has no predictions of this model yet.

It is one Prefect flow run. An interval that fails because the database is in use or away is tried
again; another error fails that interval only. The next backfill scores what is missing then.
"""

from importlib import import_module

from batch.errors import BatchError
from batch.interval import Interval
from batch.missed_intervals import Every, missing, split
from batch.predictions_database import shown_location
from batch.prefect_environment import prefect_server, prepare_environment
from cli.arguments import Parser
from cli.printable import printable
from cli.program import program
from scripts.scoring_options import PREFECT_HOME, add_job_options, job_of
from streaming import StreamingError


@program(BatchError, StreamingError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status is 0 only if every interval has its predictions."""
    parser = Parser(description=__doc__.partition("\n")[0])
    add_job_options(parser)
    parser.add_argument("--since", required=True, metavar="DATE", help="the first interval's start")
    parser.add_argument("--until", required=True, metavar="DATE", help="the last interval's end")
    parser.add_argument(
        "--again", action="store_true", help="also those that are scored: for rides that came late"
    )
    options = parser.parse_args(arguments)
    job = job_of(options)
    wanted = split(Interval.parse(options.since, options.until), Every(options.every))
    missed = missing(wanted, job.complete(any_version=False))
    print(f"{len(wanted)} intervals, {len(wanted) - len(missed)} of them scored before")
    left = wanted if options.again else missed
    if not left:
        return 0
    home = PREFECT_HOME / "backfill"
    prepare_environment(home, "CRITICAL")  # what fails is said below
    with prefect_server(home, 0):
        # Prefect reads its settings when it is imported.
        flows = import_module("batch.prefect_flows")
        outcomes = flows.score_intervals(job, left, options.at_most)
    for outcome in outcomes:
        print(printable(outcome.line))
    failed = sum(outcome.failed for outcome in outcomes)
    scored = f"{len(left) - failed} intervals scored, {failed} failed"
    print(f"{scored}; into {printable(shown_location(job.database))}")
    return 1 if failed else 0
