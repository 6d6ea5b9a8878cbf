"""Pointers to model bundles, as publishing writes them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from streaming.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def pointer_to(bundle: Path, root: Path, **changes: Any) -> bytes:
    """Return a pointer to a bundle; `root` is the pointer's folder."""
    content = (bundle / "manifest.json").read_bytes()
    pointer = {
        "format": 1,
        "version": json.loads(content)["version"],
        "bundle": bundle.relative_to(root).as_posix(),
        "manifest_sha256": hashlib.sha256(content).hexdigest(),
        **changes,
    }
    return json.dumps(pointer).encode()


def write_pointer(path: Path, bundle: Path) -> Path:
    """Point to a bundle below the pointer's folder; return the pointer's path."""
    write_atomically(path, pointer_to(bundle, path.parent))
    return path
