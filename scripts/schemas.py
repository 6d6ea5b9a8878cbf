"""Write the JSON Schemas of the events and of the dead-letter records to docs/schemas/."""

import inspect
import re
from pathlib import Path
from typing import Any

import msgspec

from cli.program import program
from lifecycle.ride_ended import RideEnded
from model import RideStarted
from streaming import DeadLetterRecord, PredictionRecord

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)
"""An attribute in a docstring, with its continuation lines."""


class RidePrediction(msgspec.Struct, frozen=True):
    """What is predicted for a ride.

    Attributes:
        ride_id: The event's, of the same type.
        ride_duration: Minutes, not negative; absent from a function that predicts only the tip.
        ride_duration_low: Minutes, not negative and at most ride_duration; about a tenth of the
            rides take less. Absent if the model has no range.
        ride_duration_high: Minutes, at least ride_duration; about a tenth of the rides take more.
            Absent if the model has no range.
        ride_tip: US dollars, not negative; absent from a function that predicts only the duration.
    """

    ride_id: int | str
    ride_duration: float | msgspec.UnsetType = msgspec.UNSET
    ride_duration_low: float | msgspec.UnsetType = msgspec.UNSET
    ride_duration_high: float | msgspec.UnsetType = msgspec.UNSET
    ride_tip: float | msgspec.UnsetType = msgspec.UNSET


RidePredicted = msgspec.defstruct(
    "RidePredicted",
    [("prediction", RidePrediction)],
    bases=(PredictionRecord,),
    namespace={"__doc__": PredictionRecord.__doc__},
    frozen=True,
    kw_only=True,  # prediction is required, although it follows the optional fields of the base
)

VERSIONS: dict[str, tuple[int, type[msgspec.Struct]]] = {
    "ride_started": (1, RideStarted),
    "ride_ended": (1, RideEnded),
    "ride_predicted": (1, RidePredicted),
    "dead_letter_record": (1, DeadLetterRecord),
}
"""By name: the version, raised by a change that breaks the promise in docs/schemas/README.md."""


@program(OSError)
def main(folder: Path = FOLDER) -> int:
    """Write every schema; return the exit status."""
    for name, (version, struct) in VERSIONS.items():
        content = msgspec.json.format(msgspec.json.encode(schema(name, version, struct)), indent=2)
        (folder / f"{name}.v{version}.json").write_bytes(content + b"\n")
    return 0


def schema(name: str, version: int, struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a struct, described by its docstrings."""
    (root,), definitions = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    for definition in definitions.values():
        summary, _, attributes = inspect.cleandoc(definition["description"]).partition("\n")
        definition["description"] = summary
        for attribute, text in ATTRIBUTE.findall(attributes):
            if attribute in definition["properties"]:
                definition["properties"][attribute]["description"] = " ".join(text.split())
    return {
        "$schema": DIALECT,
        "$id": f"urn:kinesis-lambda-predictions:{name}:{version}",
        **definitions.pop(root["$ref"].rpartition("/")[2]),
        "$defs": definitions,
    }
