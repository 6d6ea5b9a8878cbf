"""Is an upload's text a near duplicate of a registered work? MinHash over shingles of words."""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
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
    "text": "a string of at most 10,000 characters",
}
EXAMPLES = (
    b'{"event_type": "uploaded", "upload_id": "u1", "uploader": "ana", "text": "la la la"}',
)

WORKS = Path(__file__).with_name("works.npz")
SHINGLE = 3
"""Words in a shingle: one changed word changes three shingles."""

HASHES = 128
"""Hash functions: a similarity is accurate to 0.04 (one standard error, at 0.5)."""

PRIME = np.uint64(2**31 - 1)
WORD = re.compile(r"\w+")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Signature = npt.NDArray[np.uint64]

_draw = np.random.default_rng(20250301)
_factors = _draw.integers(1, int(PRIME), HASHES, dtype=np.uint64)
_offsets = _draw.integers(0, int(PRIME), HASHES, dtype=np.uint64)


class Upload(msgspec.Struct):
    """What this check needs of an upload."""

    upload_id: Name
    uploader: Name
    text: Annotated[str, msgspec.Meta(max_length=10_000)] = ""


class Header(msgspec.Struct):
    """Says whether a record is an upload."""

    event_type: Any = EVENT_TYPE


class Copyright:
    """Compares texts with the registered works."""

    name, event_type = "copyright_model", "upload_checked"
    output_stream, metrics_namespace = "upload_checks", "Moderation"

    def __init__(self, works: Path = WORKS) -> None:
        with np.load(works) as found:
            self._signatures, self._names = found["signatures"], found["names"].tolist()
        self.version = f"{zlib.crc32(works.read_bytes()):08x}"

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
        return [self._checked(upload) for upload in events]

    def similarity(self, text: str) -> tuple[float, str]:
        """Return how similar a text is to the work that is the most similar, and that work.

        The similarity estimates Jaccard's, the share of shingles that both have: 0 to 1.
        """
        own = signature(text)
        if own is None:
            return 0.0, ""
        shares = (self._signatures == own).mean(axis=1)
        best = int(shares.argmax())
        return float(shares[best]), self._names[best]

    def _checked(self, upload: Upload) -> Prediction:
        similarity, work = self.similarity(upload.text)
        value = {
            "upload_id": upload.upload_id,
            "uploader": upload.uploader,
            "similarity": round(similarity, 3),
            "work": work if similarity else None,
        }
        return Prediction(upload.upload_id, value)


def signature(text: str) -> Signature | None:
    """Return a text's MinHash signature; None if it has fewer words than a shingle."""
    words = WORD.findall(text.lower())
    shingles = {
        zlib.crc32(" ".join(words[at : at + SHINGLE]).encode()) % int(PRIME)
        for at in range(len(words) - SHINGLE + 1)
    }
    if not shingles:
        return None
    values = np.fromiter(shingles, dtype=np.uint64)
    hashed = (np.outer(values, _factors) + _offsets) % PRIME
    lowest: Signature = hashed.min(axis=0)
    return lowest


def load_model(_environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> Copyright:
    """Load the model."""
    return Copyright()
