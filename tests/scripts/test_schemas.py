"""The schemas are what the code says, and what was valid stays valid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from lifecycle.ride_ended import decode_ride_ended
from lifecycle.ride_tables import RideStart
from model import RideStarted, load_model
from scripts.schemas import FOLDER, VERSIONS, RidePredicted, main, schema
from streaming import InvalidDeadLetter, InvalidEvent
from streaming.redrive.formats import read_dead_letter_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = load_model({}, dict)

READERS: dict[str, Callable[[bytes], object]] = {
    "ride_started": lambda content: MODEL.decode(content, 0.0),
    "ride_ended": decode_ride_ended,
    "ride_predicted": msgspec.json.Decoder(RidePredicted).decode,
    "dead_letter_record": read_dead_letter_records,
}
REJECTED = (InvalidEvent, InvalidDeadLetter, msgspec.ValidationError)


def examples(kind: str) -> list[Any]:
    return [
        pytest.param(name, version, line, id=f"{name}.v{version}-{number}")
        for name, (version, _) in VERSIONS.items()
        for number, line in enumerate(
            (FOLDER / "examples" / f"{name}.v{version}.{kind}.jsonl").read_bytes().splitlines()
        )
    ]


def validator(name: str, version: int) -> Draft202012Validator:
    return Draft202012Validator(json.loads((FOLDER / f"{name}.v{version}.json").read_bytes()))


@pytest.mark.parametrize("name", VERSIONS)
def test_the_schema_in_the_documentation_is_the_codes(name: str) -> None:
    version, struct = VERSIONS[name]

    written = json.loads((FOLDER / f"{name}.v{version}.json").read_bytes())

    assert written == schema(name, version, struct), "run `make schemas`"
    Draft202012Validator.check_schema(written)


@pytest.mark.parametrize(("name", "version", "example"), examples("valid"))
def test_what_was_valid_stays_valid(name: str, version: int, example: bytes) -> None:
    validator(name, version).validate(json.loads(example))
    READERS[name](example)


@pytest.mark.parametrize(("name", "version", "example"), examples("invalid"))
def test_what_is_invalid_is_rejected_by_schema_and_code(
    name: str, version: int, example: bytes
) -> None:
    assert not validator(name, version).is_valid(json.loads(example))
    with pytest.raises(REJECTED):
        READERS[name](example)


def test_the_archive_takes_the_starts_that_the_function_takes() -> None:
    def rules(struct: type[msgspec.Struct]) -> Any:
        (root,), definitions = msgspec.json.schema_components([struct])
        found = {name.strip("_"): rule for name, rule in definitions.items()}
        text = json.dumps([root, found]).replace('RideStart"', 'RideStarted"')
        text = text.replace('/_Ride"', '/Ride"').replace('"_Ride"', '"Ride"')
        _, definitions = json.loads(text)
        for definition in definitions.values():
            definition.pop("description", None)
            definition["properties"].pop("event_type", None)
        return definitions

    assert rules(RideStart) == rules(RideStarted)


@pytest.mark.parametrize("name", VERSIONS)
def test_every_field_is_described(name: str) -> None:
    version, struct = VERSIONS[name]
    found = schema(name, version, struct)

    for definition in (found, *found["$defs"].values()):
        for field, rules in definition["properties"].items():
            assert rules.get("description"), field


def test_every_file_is_written(tmp_path: Path) -> None:
    main(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        path.name for path in FOLDER.glob("*.json")
    }
