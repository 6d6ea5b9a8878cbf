"""What became of the uploads of a run, from what is on the output streams."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cli.printable import counted
from examples.moderation.uploads import Upload

OUTCOMES = ("approve", "review", "reject")


class Moderation:
    """What was put and what came of it; several threads note it.

    Attributes:
        dead_letters: Records that were dead-lettered.
    """

    def __init__(self) -> None:
        self.dead_letters = 0
        self._lock = threading.Lock()
        self._uploads: dict[str, Upload] = {}
        self._put_at: dict[str, float] = {}
        self._last_news = 0.0
        self._decisions: dict[str, dict[int, dict[str, Any]]] = {}
        self._waiting: dict[str, tuple[int, bool]] = {}
        self._seconds: list[float] = []
        self._repeated = 0
        self._contradictions = 0

    def put(self, upload: Upload, now: float) -> None:
        """Note that an upload is put."""
        with self._lock:
            self._uploads[upload.upload_id] = upload
            self._put_at[upload.upload_id] = self._last_news = now

    def notified(self, found: dict[str, Any], now: float) -> str | None:
        """Note a notification; return a line about it, or None if it came before."""
        upload_id, number = found["upload_id"], found["decision"]
        with self._lock:
            self._last_news = now
            decisions = self._decisions.setdefault(upload_id, {})
            if number in decisions:
                self._repeated += 1
                self._contradictions += decisions[number] != found
                return None
            decisions[number] = found
            seconds = now - self._put_at.get(upload_id, now)
            if number == 1:
                self._seconds.append(seconds)
        revised = f" (was: {found['revises']})" if found["revises"] else ""
        verdict = f"{found['outcome']}{revised}"
        return (
            f"{upload_id:>6} {found['uploader']:<4} {verdict:<22} {found['rule']:<9} "
            f"{found['reason']} {seconds:.1f} s"
        )

    def queue(self, found: dict[str, Any]) -> None:
        """Note a change of people's queue; the highest decision of an upload counts."""
        change = (found["decision"], found["waiting"])
        with self._lock:
            before = self._waiting.get(found["upload_id"], change)
            self._waiting[found["upload_id"]] = max(before, change)

    @property
    def undecided(self) -> int:
        """Uploads without a decision."""
        with self._lock:
            return len(self._uploads.keys() - self._decisions.keys())

    def idle(self, now: float) -> float:
        """Return for how many seconds nothing was put or decided."""
        return now - self._last_news

    @property
    def passed(self) -> bool:
        """Whether every upload was decided, and each decision once."""
        return not (self.undecided or self._gaps() or self._contradictions)

    def summary(self) -> Iterator[str]:
        """Yield the sums."""
        last = {upload_id: found[max(found)] for upload_id, found in self._decisions.items()}
        outcomes = Counter(found["outcome"] for found in last.values())
        rules = Counter(found["rule"] for found in last.values())
        total = sum(map(len, self._decisions.values()))
        yield ""
        yield (
            f"{counted(len(self._uploads), 'upload')}: "
            + ", ".join(f"{outcome} {outcomes[outcome]}" for outcome in OUTCOMES)
            + f"; {self.undecided} undecided"
        )
        yield f"by rule: {', '.join(f'{rule} {number}' for rule, number in sorted(rules.items()))}"
        for check in ("copyright", "language", "image", None):
            yield self._truth_line(check, last)
        yield (
            f"{counted(total, 'decision')}, {total - len(last)} of them revisions; "
            f"{self._repeated} came twice and were dropped; {self._gaps()} lost, "
            f"{self._contradictions} made twice"
        )
        waiting = sum(is_waiting for _, is_waiting in self._waiting.values())
        yield f"people's queue: {waiting}; dead-letter records: {self.dead_letters}"
        if self._seconds:
            ordered = sorted(self._seconds)
            p50, p99 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
            yield f"from upload to notification: p50 {p50:.1f} s, p99 {p99:.1f} s"

    def _truth_line(self, check: str | None, last: dict[str, dict[str, Any]]) -> str:
        chosen = [
            upload_id
            for upload_id, upload in self._uploads.items()
            if upload_id in last and (check in upload.breaks if check else not upload.breaks)
        ]
        found = Counter(last[upload_id]["outcome"] for upload_id in chosen)
        what = f"break the rules of {check}" if check else "break no rule"
        parts = ", ".join(f"{outcome} {found[outcome]}" for outcome in OUTCOMES)
        return f"{counted(len(chosen), 'upload')} that really {what}: {parts}"

    def _gaps(self) -> int:
        """Return how many decisions are missing between those that came."""
        return sum(max(found) - len(found) for found in self._decisions.values())
