"""Run MLflow's tracking server and registry on this machine until Ctrl-C."""

from pathlib import Path

from cli.arguments import Parser, not_allowed
from cli.program import FAILED, program
from lifecycle.errors import LifecycleError
from lifecycle.tracking_server import tracking_server

_LAST_PORT = 65_535


@program(LifecycleError, OSError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program; its exit status is 0 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        print("Starting MLflow ...", flush=True)
        with tracking_server(Path(), options.artifacts, options.port, options.log) as server:
            print(f"{server.url}: the runs and models of mlflow.db; artifacts: {options.artifacts}")
            print(f"In another terminal: export MLFLOW_TRACKING_URI={server.url}")
            print("Ctrl-C stops it", flush=True)
            status = server.process.wait()
    except KeyboardInterrupt:
        return 0
    print(f"error: the server ended with status {status}; {options.log} says why")
    return FAILED


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LAST_PORT:
        raise not_allowed(text, f"1 to {_LAST_PORT}")
    return int(text)


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument("--port", type=_port, default=5000, help="default: %(default)s")
    parser.add_argument(
        "--artifacts",
        default="mlartifacts",
        metavar="FOLDER|s3://BUCKET/PREFIX",
        help="where the server keeps models and figures (default: %(default)s)",
    )
    parser.add_argument(
        "--log",
        type=Path,
        default=Path("build/mlflow.log"),
        help="what the server prints (default: %(default)s)",
    )
    return parser
