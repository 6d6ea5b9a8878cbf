"""Does an upload's caption abuse somebody? Logistic regression on hashed pieces of words."""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from streaming import DECODE_ERRORS, WHOLE_EVENT, Prediction, invalid_event

EVENT_TYPE = "uploaded"
ALLOWED = {
    WHOLE_EVENT: "a JSON object",
    "upload_id": "a string of 1 to 128 characters",
    "uploader": "a string of 1 to 128 characters",
    "caption": "a string of at most 1,000 characters",
}
EXAMPLES = (
    b'{"event_type": "uploaded", "upload_id": "u1", "uploader": "ana", "caption": "my dog"}',
)

WEIGHTS = Path(__file__).with_name("weights.npz")
FEATURES = 2**13
LONGEST_PIECE = 4
WORD = re.compile(r"[^\s.,!?]+")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Vector = npt.NDArray[np.float32]


class Upload(msgspec.Struct):
    """What this check needs of an upload."""

    upload_id: Name
    uploader: Name
    caption: Annotated[str, msgspec.Meta(max_length=1_000)] = ""


class Header(msgspec.Struct):
    """Says whether a record is an upload."""

    event_type: Any = EVENT_TYPE


class Language:
    """Gives each caption a probability of being abusive."""

    name, event_type = "language_model", "upload_checked"
    output_stream, metrics_namespace = "upload_checks", "Moderation"

    def __init__(self, weights: Path = WEIGHTS) -> None:
        with np.load(weights) as found:
            self._weights, self._intercept = found["weights"], float(found["intercept"])
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
        found = self.probabilities([upload.caption for upload in events])
        return [
            Prediction(
                upload.upload_id,
                {
                    "upload_id": upload.upload_id,
                    "uploader": upload.uploader,
                    "abusive": round(float(probability), 3),
                },
            )
            for upload, probability in zip(events, found, strict=True)
        ]

    def probabilities(self, captions: Sequence[str]) -> Vector:
        """Return the probability that each caption is abusive."""
        scores = features(captions) @ self._weights + self._intercept
        return np.asarray(1 / (1 + np.exp(-scores)), dtype=np.float32)


def features(captions: Sequence[str]) -> Vector:
    """Return each caption's words, pairs of words and pieces of words, hashed; unit length."""
    rows = np.zeros((len(captions), FEATURES), dtype=np.float32)
    for number, caption in enumerate(captions):
        words = [f"<{word}>" for word in WORD.findall(caption.lower())]
        pieces = [*words, *map("".join, pairwise(words))]
        pieces += [
            word[at : at + length]
            for word in words
            for length in range(2, LONGEST_PIECE + 1)
            for at in range(len(word) - length + 1)
        ]
        for piece in set(pieces):
            rows[number, zlib.crc32(piece.encode()) % FEATURES] = 1
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1), dtype=np.float32)


def load_model(_environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> Language:
    """Load the model."""
    return Language()
