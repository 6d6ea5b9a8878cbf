"""PutRecords without botocore's validation and serialization of every entry.

They take longer than the prediction. botocore still resolves the endpoint, signs, sends and parses
errors. Only the JSON of the request and of a successful response is encoded and decoded in one
step, not field by field against the service model. The hooks are botocore's own events (boto3,
Extensibility guide).
"""

from typing import Any

import msgspec

BODY = "put_records_body"
OK = 200
NOTHING = b"{}"
"""A body in which botocore finds no field: it adds the metadata only."""

_decode_response = msgspec.json.Decoder(dict[str, Any]).decode


def install_fast_put_records(client: Any) -> None:
    """Speed up `put_records` of a botocore Kinesis client; its arguments and results stay the same.

    Entries whose data is not bytes are left to botocore, which converts or rejects them.

    Args:
        client: The client; it is modified.
    """
    events = client.meta.events
    events.register("provide-client-params.kinesis.PutRecords", _encode_body)
    events.register("before-call.kinesis.PutRecords", _replace_body)
    events.register("before-parse.kinesis.PutRecords", _read_response)


def _encode_body(
    params: dict[str, Any], context: dict[str, Any], **_: Any
) -> dict[str, Any] | None:
    records = params.get("Records")
    if not isinstance(records, list):
        return None
    if not all(
        isinstance(entry, dict) and isinstance(entry.get("Data"), bytes) for entry in records
    ):
        return None
    context[BODY] = msgspec.json.encode(params)  # encodes bytes as base64, as the API requires
    return {**params, "Records": records[:1]}  # botocore validates and serializes only the first


def _replace_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if BODY in context:
        params["body"] = context.pop(BODY)


def _read_response(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    if response_dict["status_code"] != OK:
        return
    try:
        customized_response_dict.update(_decode_response(response_dict["body"]))
    except msgspec.MsgspecError:
        return  # botocore raises the error
    response_dict["body"] = NOTHING
