"""The uploads of a run, with what is true of each."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.moderation.texts import captions, edited, registered_works, work

IMAGES = Path(__file__).parent / "image" / "held_out.txt"
FORBIDDEN = "8"
UPLOADERS = ("ana", "ben", "chi", "dev", "eli", "fay", "gus", "hao")

COPIES, HEAVY_EDITS, FORBIDDEN_IMAGES, BROKEN_IMAGES = 0.12, 0.25, 0.12, 0.04
"""Shares: of copied texts, of those the heavily edited, of forbidden images, and of images that
cannot be read, so that their check never answers."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload.

    Attributes:
        upload_id: Its id.
        uploader: Who uploaded it.
        text: A text.
        caption: What the uploader says of it.
        image: 64 pixels.
        breaks: Which checks' rules it really breaks.
    """

    upload_id: str
    uploader: str
    text: str
    caption: str
    image: str
    breaks: tuple[str, ...]

    def event(self) -> dict[str, Any]:
        """Return the event that is put on the stream."""
        return {
            "event_type": "uploaded",
            "upload_id": self.upload_id,
            "uploader": self.uploader,
            "text": self.text,
            "caption": self.caption,
            "image": self.image,
        }


def drawn_uploads(count: int, draw: random.Random) -> list[Upload]:
    """Draw uploads; no check was trained on their captions and images."""
    lines = [line.split() for line in IMAGES.read_text().splitlines()]
    forbidden = [image for label, image in lines if label == FORBIDDEN]
    allowed = [image for label, image in lines if label != FORBIDDEN]
    works = list(registered_works().values())
    uploads = []
    for number, caption in enumerate(captions(count, draw, held_out=True), 1):
        is_copy, is_forbidden = draw.random() < COPIES, draw.random() < FORBIDDEN_IMAGES
        share = 0.3 if draw.random() < HEAVY_EDITS else 0.05
        image = draw.choice(forbidden if is_forbidden else allowed)
        if draw.random() < BROKEN_IMAGES:
            image = image[:50]
        broken = (("copyright", is_copy), ("language", caption.abusive), ("image", is_forbidden))
        uploads.append(
            Upload(
                f"u{number}",
                draw.choice(UPLOADERS),
                edited(draw.choice(works), share, draw) if is_copy else work(draw),
                caption.text,
                image,
                tuple(check for check, breaks in broken if breaks),
            )
        )
    return uploads
