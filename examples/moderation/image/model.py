"""Does an upload's image show what is forbidden? A small neural network on 8 by 8 pixels."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from streaming import DECODE_ERRORS, WHOLE_EVENT, Prediction, invalid_event

EVENT_TYPE = "uploaded"
LEVELS = "0123456789abcdefg"
"""A character for each of the 17 levels of a pixel."""

ALLOWED = {
    WHOLE_EVENT: "a JSON object",
    "upload_id": "a string of 1 to 128 characters",
    "uploader": "a string of 1 to 128 characters",
    "image": f"64 pixels, each one of {LEVELS}",
}
EXAMPLES = (
    b'{"event_type": "uploaded", "upload_id": "u1", "uploader": "ana", "image": "%s"}'
    % (64 * b"0"),
)

WEIGHTS = Path(__file__).with_name("weights.npz")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Matrix = npt.NDArray[np.float32]


class Upload(msgspec.Struct):
    """What this check needs of an upload."""

    upload_id: Name
    uploader: Name
    image: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-g]{64}\Z")]


class Header(msgspec.Struct):
    """Says whether a record is an upload."""

    event_type: Any = EVENT_TYPE


class Image:
    """Gives each image a probability of being forbidden."""

    name, event_type = "image_model", "upload_checked"
    output_stream, metrics_namespace = "upload_checks", "Moderation"

    def __init__(self, weights: Path = WEIGHTS) -> None:
        with np.load(weights) as found:
            self._layers = [(found[f"weights{n}"], found[f"biases{n}"]) for n in (1, 2)]
        self.version = f"{zlib.crc32(weights.read_bytes()):08x}"

    def decode(self, content: bytes, _arrived_at: float) -> Upload | None:
        """See `streaming.Model`."""
        try:
            if msgspec.json.decode(content, type=Header).event_type != EVENT_TYPE:
                return None
            return msgspec.json.decode(content, type=Upload)
        except DECODE_ERRORS as error:
            raise invalid_event(content, error, ALLOWED) from error

    def predict(self, events: Sequence[Upload]) -> list[Prediction]:
        """See `streaming.Model`."""
        found = self.probabilities(pixels([upload.image for upload in events]))
        return [
            Prediction(
                upload.upload_id,
                {
                    "upload_id": upload.upload_id,
                    "uploader": upload.uploader,
                    "forbidden": round(float(probability), 3),
                },
            )
            for upload, probability in zip(events, found, strict=True)
        ]

    def probabilities(self, images: Matrix) -> Matrix:
        """Return the probability that each row of pixels shows what is forbidden."""
        (inner, inner_bias), (outer, outer_bias) = self._layers
        hidden = np.maximum(images @ inner + inner_bias, 0)
        scores = (hidden @ outer + outer_bias)[:, 0]
        return np.asarray(1 / (1 + np.exp(-scores)), dtype=np.float32)


def pixels(images: Sequence[str]) -> Matrix:
    """Return a row of 64 numbers from 0 to 1 for each image."""
    rows = [[LEVELS.index(level) for level in image] for image in images]
    return np.asarray(rows, dtype=np.float32) / np.float32(len(LEVELS) - 1)


def load_model(_environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> Image:
    """Load the model."""
    return Image()
