"""The embedded Kinesis's process: moto's server on a socket that is listening already.

Run as `python -m local.embedded_kinesis_server <file descriptor>` by `local.embedded_kinesis`.
"""

import logging
import sys
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.kinesis.models import Shard
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.processes import exit_with_parent


def main() -> None:
    """Serve until the parent process ends."""
    exit_with_parent()
    Shard.get_max_sequence_number = last_sequence_number
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line per request
    application = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server(
        "127.0.0.1",
        0,
        application,
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=int(sys.argv[1]),
    )
    server.serve_forever()


def one_at_a_time(application: WSGIApplication) -> WSGIApplication:
    """Serve one request at a time.

    When two requests put at the same time, moto gives two records of a shard the same sequence
    number, and loses one of them.
    """
    lock = threading.Lock()

    def serve(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        with lock:
            return application(environment, start)

    return serve


def last_sequence_number(shard: Shard) -> int:
    """Return the sequence number of the last record put, or 0 if there is none.

    moto's own method lists all of the shard's records at every put: the more records, the slower.
    """
    return next(reversed(shard.records), 0)


if __name__ == "__main__":
    main()
