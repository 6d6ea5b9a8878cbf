"""A Kinesis stub that accepts every record and stores none, in a process of its own.

It answers PutRecords and PutRecord as fast as Python can, so that the client is what is measured.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from benchmarks.contenders import open_process

RESULT = (
    b'{"SequenceNumber":"49630081666084879290581185630324770398608704880802529282",'
    b'"ShardId":"shardId-000000000000"}'
)


@contextmanager
def null_kinesis(log: Path) -> Iterator[str]:
    """Run the server and yield its URL.

    Args:
        log: File to which the server's output is appended.
    """
    with open_process(log, {}) as process:
        yield f"http://127.0.0.1:{process.submit(_serve).result()}"


def _serve() -> int:
    """Start serving in this process and return the port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port: int = server.server_address[1]
    return port


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


class _Handler(socketserver.StreamRequestHandler):
    """Answers the requests of one keep-alive connection."""

    disable_nagle_algorithm = True  # else a response may wait for the client's acknowledgement

    def handle(self) -> None:
        while self.rfile.readline():
            headers = {}
            while line := self.rfile.readline().strip():
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers[b"content-length"]))
            one = headers[b"x-amz-target"].endswith(b".PutRecord")
            self.wfile.write(_response(None if one else body.count(b'"PartitionKey"')))


@lru_cache
def _response(entries: int | None) -> bytes:
    """Return the response to PutRecords with that many entries, or (None) to PutRecord."""
    body = RESULT
    if entries is not None:
        body = b'{"FailedRecordCount":0,"Records":[%b]}' % b",".join([RESULT] * entries)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n"
    return head % len(body) + b"\r\n" + body
