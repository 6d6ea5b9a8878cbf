"""A Kinesis that takes everything and keeps nothing, in a process of its own.

It answers PutRecords and PutRecord as quickly as Python can, so that what is measured is the
client. Run as `python -m benchmarks.null_kinesis <file descriptor>`.
"""

import os
import socketserver
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from local.processes import exit_with_parent, start_process, stop_process

ROOT = Path(__file__).resolve().parent.parent
RESULT = (
    b'{"SequenceNumber":"49630081666084879290581185630324770398608704880802529282",'
    b'"ShardId":"shardId-000000000000"}'
)
EACH_ENTRY = b'"PartitionKey"'


@contextmanager
def null_kinesis(log: Path) -> Iterator[str]:
    """Run the server; gives its URL.

    Args:
        log: The file that gets what it prints.
    """
    ours, theirs = Pipe()
    with theirs:
        process = start_process(
            [sys.executable, "-m", "benchmarks.null_kinesis", str(theirs.fileno())],
            log=log,
            environment=os.environ,
            directory=ROOT,
            keep_open=[theirs.fileno()],
        )
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.close()
        stop_process(process)


class Handler(socketserver.StreamRequestHandler):
    """Answers the requests of one connection, which stays open."""

    disable_nagle_algorithm = True  # else an answer may wait for the client's acknowledgement

    def handle(self) -> None:
        """Answer until the client closes the connection."""
        while self.rfile.readline():
            target, length = self._headers()
            body = self.rfile.read(length)
            count = body.count(EACH_ENTRY)
            self.wfile.write(one_answer() if target.endswith(b".PutRecord") else answers(count))

    def _headers(self) -> tuple[bytes, int]:
        headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        return headers[b"x-amz-target"], int(headers[b"content-length"])


@lru_cache
def answers(count: int) -> bytes:
    """Write the answer to PutRecords of so many entries."""
    results = b",".join([RESULT] * count)
    return _response(b'{"FailedRecordCount":0,"Records":[%b]}' % results)


@lru_cache
def one_answer() -> bytes:
    """Write the answer to PutRecord."""
    return _response(RESULT)


def _response(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n"
    return head % len(body) + b"\r\n" + body


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    daemon_threads = True


def main() -> None:
    """Serve until the parent process ends."""
    exit_with_parent()
    with Server(("127.0.0.1", 0), Handler) as server:
        Connection(int(sys.argv[1])).send(server.server_address[1])
        server.serve_forever()


if __name__ == "__main__":
    main()
