"""PutRecords without botocore's walk over every entry, which costs more than a prediction does.

botocore still finds the endpoint, signs, sends and reads errors. Only a request's JSON is written,
and a good answer's JSON read, in one step each, in place of field by field against the service's
description. The hooks are botocore's own event system (boto3, Extensibility guide).
"""

from typing import Any

import msgspec

BODY = "put_records_body"
OK = 200

_decode_answer = msgspec.json.Decoder(dict[str, Any]).decode


def install_fast_put_records(client: Any) -> None:
    """Make `put_records` of a botocore Kinesis client cheap; what it takes and gives stays.

    Entries whose data is not bytes are left to botocore, which converts or refuses them.

    Args:
        client: The client; it is changed.
    """
    events = client.meta.events
    events.register("provide-client-params.kinesis.PutRecords", _write_body)
    events.register("before-call.kinesis.PutRecords", _place_body)
    events.register("before-parse.kinesis.PutRecords", _read_answer)


def _write_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any] | None:
    records = params.get("Records")
    if not records or not isinstance(records, list):
        return None
    if not all(
        isinstance(entry, dict) and isinstance(entry.get("Data"), bytes) for entry in records
    ):
        return None
    context[BODY] = msgspec.json.encode(params)  # writes bytes as base64, as the API wants them
    return {**params, "Records": records[:1]}  # the first entry stands for all where botocore looks


def _place_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if BODY in context:
        params["body"] = context.pop(BODY)


def _read_answer(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    if response_dict["status_code"] != OK:
        return
    try:
        customized_response_dict.update(_decode_answer(response_dict["body"]))
    except msgspec.MsgspecError:
        return  # botocore says what is wrong with it
    response_dict["body"] = b"{}"
