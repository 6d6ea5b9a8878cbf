"""Score a table again and again by a schedule, until Ctrl-C or SIGTERM.

Each run scores the last day, week or month that had ended at its scheduled time, however late it
starts, and by --missed what earlier runs have missed.
"""

from datetime import timedelta
from importlib import import_module

from batch.cron import check_cron
from batch.errors import BatchError
from batch.interval import parse_moment
from batch.missed_intervals import Every, Missed, Schedule
from batch.prefect_environment import prefect_server, prepare_environment
from batch.row_mapping import ZONE
from cli.arguments import Parser, port, rate_or_none
from cli.program import program
from scripts.scoring_options import PREFECT_HOME, add_job_options, job_of
from streaming import StreamingError


@program(BatchError, StreamingError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = Parser(description=__doc__.partition("\n")[0])
    add_job_options(parser)
    parser.add_argument(
        "--cron", required=True, metavar="CRON", help=f'such as "0 3 * * *", in {ZONE}'
    )
    parser.add_argument(
        "--missed",
        choices=[missed.value for missed in Missed],
        default=Missed.ALL.value,
        metavar="|".join(Missed),
        help="what becomes of missed intervals; default: %(default)s",
    )
    parser.add_argument(
        "--since", metavar="DATE", help="with all: the first interval; default: the first scored"
    )
    parser.add_argument(
        "--delay",
        type=_hours,
        default=timedelta(0),
        metavar="HOURS",
        help="leave an interval alone so long after its end; default: 0",
    )
    parser.add_argument("--port", type=port, default=4200, help="Prefect's; default: %(default)s")
    options = parser.parse_args(arguments)
    job = job_of(options)
    since = None if options.since is None else parse_moment("SINCE", options.since)
    schedule = Schedule(Every(options.every), Missed(options.missed), since, options.delay)
    home = PREFECT_HOME / "schedule"
    prepare_environment(home, "INFO")
    check_cron(options.cron)
    job.complete(any_version=True)  # a wrong database or model is refused now
    print("Starting Prefect's server ...", flush=True)
    with prefect_server(home, options.port) as url:
        print(f"Prefect's server: {url}; what it stores is in {home}", flush=True)
        # Prefect reads its settings when it is imported.
        flows = import_module("batch.prefect_flows")
        print(f"Scoring when CRON says ({options.cron}, {ZONE}), until Ctrl-C", flush=True)
        flows.serve(job, schedule, options.cron, options.at_most)
    return 0


def _hours(text: str) -> timedelta:
    return timedelta(hours=rate_or_none(text))
