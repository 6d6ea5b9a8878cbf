"""What drivers' apps have got: each driver's feed, in order, each recommendation once."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from examples.recommender.model import LAST_PLACE, LONGEST_WAIT


@dataclass(slots=True)
class Feeds:
    """What came of a run.

    Attributes:
        put: When each ride's end was put, by ride; ends that are to be skipped are not among them.
        due: The rides of each driver, in the order in which their ends were put.
        skipped: Ends in a zone without a place.
        feeds: The recommendations of each driver, as they came.
        repeated: Recommendations that came twice, and were dropped.
        last: When the last one came.
    """

    put: dict[int, float] = field(default_factory=dict)
    due: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    skipped: int = 0
    feeds: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    repeated: int = 0
    last: float = field(default_factory=time.monotonic)

    def ended(self, end: dict[str, Any]) -> None:
        """Take note of the end of a ride, before it is put."""
        self.last = time.monotonic()
        if end["DOLocationID"] > LAST_PLACE:
            self.skipped += 1
        else:
            self.put[end["ride_id"]] = self.last
            self.due[end["driver_id"]].append(end["ride_id"])

    def add(self, found: dict[str, Any]) -> bool:
        """Add a recommendation to its driver's feed; return whether it is new."""
        self.last = time.monotonic()
        feed = self.feeds[found["driver_id"]]
        if any(found["ride_id"] == each["ride_id"] for each in feed):
            self.repeated += 1
            return False
        feed.append(found)
        return True

    @property
    def missing(self) -> int:
        """How many rides have ended without a recommendation."""
        return len(self.put) - sum(map(len, self.feeds.values()))

    @property
    def in_order(self) -> bool:
        """Whether each feed has exactly its driver's rides, in the order of their ends."""
        found = {driver: [each["ride_id"] for each in feed] for driver, feed in self.feeds.items()}
        return found == self.due

    def summary(self) -> list[str]:
        """Return the sums, a line each."""
        found = [each for feed in self.feeds.values() for each in feed]
        staying = sum(each["advice"] == "stay" for each in found)
        ended = f"{len(self.put) + self.skipped} rides ended, {self.skipped} of them in no zone"
        advice = f"go {len(found) - staying}, stay {staying}"
        order = "each feed is complete and in order"
        return [
            f"{ended}; {len(found)} recommendations to {len(self.feeds)} drivers: {advice}",
            f"{self.missing} missing, {self.repeated} came twice and were dropped",
            order if self.in_order else f"NOT {order}",
        ]


def feed_line(found: dict[str, Any]) -> str:
    """Return a recommendation as a line: minutes of driving + of waiting."""
    best = found["zones"][0]
    if found["advice"] == "stay":
        advice = f"stay, {best['minutes_waiting']:.0f} min"
    else:
        staying = found["minutes_if_staying"]
        advice = (
            f"go to {best['name']}, {best['minutes_there']:.0f} + "
            f"{best['minutes_waiting']:.0f} min "
            f"(stay: {staying:.0f}{'+' if staying >= LONGEST_WAIT else ''})"
        )
    at = datetime.fromisoformat(found["free_at"])
    return f"{found['driver_id']:>4} {at:%a %H:%M} {found['name']}: {advice}"
