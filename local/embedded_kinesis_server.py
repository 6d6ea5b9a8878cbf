"""The embedded Kinesis's own process: moto's server on a socket that is listening already.

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
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for every request
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
    """Let one request at a time into an application.

    moto gives two records of one shard the same sequence number, and loses one of them, when two
    requests put at the same moment.
    """
    turn = threading.Lock()

    def in_turn(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        with turn:
            return application(environment, start)

    return in_turn


def last_sequence_number(shard: Shard) -> int:
    """Give the number of the record that was put last, 0 if there is none.

    moto's own way is to list all of the shard's records, at every put: the more a shard holds, the
    slower it becomes.
    """
    return next(reversed(shard.records), 0)


if __name__ == "__main__":
    main()
