"""The page's state as named cells, each with the version at which it changed last.

A browser that knows a version is sent the cells that are newer, each once with its newest value,
however long it was away. So nothing is queued for anybody: what a slow browser costs is a number.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

VERSION = re.compile(r"[0-9]{1,15}")


class Board:
    """Cells of JSON; used by one thread.

    Args:
        epoch: Tells this board from those of other processes, whose versions mean other states.

    Attributes:
        version: How often the board has changed.
    """

    def __init__(self, epoch: str | None = None) -> None:
        self.version = 0
        self._epoch = epoch or secrets.token_hex(4)
        self._cells: dict[str, tuple[int, bytes]] = {}
        self._messages: dict[int, bytes] = {}

    def update(self, cells: Mapping[str, Any]) -> bool:
        """Set cells; return whether any has changed."""
        encoded = {name: msgspec.json.encode(value) for name, value in cells.items()}
        changed = {
            name: content
            for name, content in encoded.items()
            if name not in self._cells or self._cells[name][1] != content
        }
        if changed:
            self.version += 1
            self._messages.clear()
            self._cells |= {name: (self.version, content) for name, content in changed.items()}
        return bool(changed)

    def event_id(self) -> str:
        """Return what names the present state."""
        return f"{self._epoch}-{self.version}"

    def version_of(self, event_id: str | None) -> int:
        """Return the version that an event id names; 0, the empty board's, if it is not ours."""
        epoch, _, text = (event_id or "").partition("-")
        if epoch != self._epoch or not VERSION.fullmatch(text):
            return 0
        return int(text) if int(text) <= self.version else 0

    def since(self, version: int) -> bytes:
        """Return the cells that are newer than a version, as one JSON object.

        Clients that kept up share the bytes, and so do those that begin.
        """
        message = self._messages.get(version)
        if message is None:
            cells = {
                name: msgspec.Raw(content)
                for name, (changed, content) in self._cells.items()
                if changed > version
            }
            message = msgspec.json.encode(cells)
            if version in (0, self.version - 1):
                self._messages[version] = message
        return message
