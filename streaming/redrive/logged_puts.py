"""PutRecords, with each call's records in the delivery log before it and its response after it.

The log is written call by call: whatever ends the program, only the records of the call in flight
are in doubt. Kinesis cannot be asked whether it accepted them, so they are sent again: at least
once. (Reading the stream would not tell either: another producer may have put the same bytes under
the same key, and taking that record for this one would lose an event.)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    SSLError,
)

from streaming.publisher import Entry, PutRecordsClient, refused_entries
from streaming.redrive.delivery_log import DeliveryLog
from streaming.retries import SERVER_ERRORS


class LoggedPuts:
    """A client for a `Publisher`.

    Args:
        client: A boto3 Kinesis client without retries of its own.
        log: The delivery log, open.
        advance: Called after each call with the number of records that were accepted.
        records: The id of each record and the entry that will be sent for it, the very object:
            equal entries may be different records.
    """

    def __init__(
        self,
        client: PutRecordsClient,
        log: DeliveryLog,
        advance: Callable[[int], None],
        records: Iterable[tuple[str, Entry]],
    ) -> None:
        self._client = client
        self._log = log
        self._advance = advance
        self._ids = {id(entry): record_id for record_id, entry in records}

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Log the records, call PutRecords, and log its response.

        The records stay in doubt if there is no response, or if it contradicts itself: then the
        publisher does not believe it either, and sends all of them again.

        Raises:
            DeliveryLogError: The log cannot be written.
            ValueError: As for `refused_entries`.
        """
        ids = [self._ids[id(entry)] for entry in Records]
        self._log.sending(ids)
        try:
            response = self._client.put_records(StreamName=StreamName, Records=Records)
            refused_places = refused_entries(response, len(ids))
        except Exception as error:
            if _accepted_nothing(error):
                self._log.sent(refused=ids)
            self._advance(0)
            raise
        refused = [ids[place] for place in refused_places]
        accepted = [each for place, each in enumerate(ids) if place not in refused_places]
        self._log.sent(accepted=accepted, refused=refused)
        self._advance(len(accepted))
        return response


def _accepted_nothing(error: Exception) -> bool:
    """Return whether a failed call certainly put nothing: Kinesis refused it, or never got it."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", SERVER_ERRORS)
        return status < SERVER_ERRORS
    # The connection broke or timed out after the request was sent, as far as one can know.
    after_sending = HTTPClientError | IncompleteReadError | SSLError
    return isinstance(error, BotoCoreError) and not isinstance(error, after_sending)
