"""A map of the taxi zones for each month, coloured by how much slower rides were than predicted."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from batch.actuals import ZoneMonth

SHAPES = Path(__file__).parent.parent / "page" / "static" / "zones.json"
"""What `scripts/zone_shapes.py` made: a borough, a name and an SVG path for each zone."""

SCALE = (
    (-0.30, "#542788", "over 30% faster"),
    (-0.15, "#998ec3", "15 to 30% faster"),
    (-0.05, "#d8daeb", "5 to 15% faster"),
    (0.05, "#f7f7f7", "as predicted, within 5%"),
    (0.15, "#fee0b6", "5 to 15% slower"),
    (0.30, "#f1a340", "15 to 30% slower"),
    (float("inf"), "#b35806", "over 30% slower"),
)
"""ColorBrewer's PuOr, which colour-blind readers can tell apart: the upper bound, its colour."""

TOO_FEW = "#d0d0d0"
PANEL = 480
HEAD, LEGEND, LINE = 40, 110, 22
MAP_SIDE = 1000
"""Of the shapes' coordinates."""


def zone_names() -> dict[int, str]:
    """Return each zone's name with its borough."""
    return {zone: f"{name}, {borough}" for zone, (borough, name, _) in _shapes().items()}


def zone_map(zones: Sequence[ZoneMonth], least: int) -> str:
    """Return an SVG picture with a map for each month.

    Args:
        zones: What to show.
        least: Zones with fewer rides are grey: a mean of few says nothing.
    """
    shapes = _shapes()
    months = sorted({each.month for each in zones})
    width, height = PANEL * max(1, len(months)), HEAD + PANEL + LEGEND
    paths = "".join(f'<path id="z{zone}" d="{path}"/>' for zone, (_, _, path) in shapes.items())
    panels = "".join(
        _panel(number * PANEL, f"{month:%B %Y}", shapes, {z.zone: z for z in found}, least)
        for number, month in enumerate(months)
        for found in [[each for each in zones if each.month == month]]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="sans-serif" font-size="15"><title>Rides slower than predicted, by pickup '
        f'zone</title><rect width="100%" height="100%" fill="#fff"/><defs>{paths}</defs>'
        f"{panels}{_legend(HEAD + PANEL + 20, least)}</svg>\n"
    )


def colour(slower: float) -> str:
    """Return the colour of a share; bounds belong to the class below them."""
    return next(found for bound, found, _ in SCALE if slower <= bound)


def _panel(
    left: int,
    title: str,
    shapes: dict[int, Any],
    found: dict[int, ZoneMonth],
    least: int,
) -> str:
    scale = (PANEL - 20) / MAP_SIDE
    drawn = []
    for zone, (borough, name, path) in shapes.items():
        if not path:
            continue
        said, fill = f"{name}, {borough}: fewer than {least} rides", TOO_FEW
        if zone in found and found[zone].rides >= least:
            each = found[zone]
            said = f"{name}, {borough}: {each.slower:+.0%}, {each.rides:,} rides"
            fill = colour(each.slower)
        drawn.append(f'<use href="#z{zone}" fill="{fill}"><title>{escape(said)}</title></use>')
    return (
        f'<text x="{left + 14}" y="26" font-size="20" fill="#222">{escape(title)}</text>'
        f'<g transform="translate({left + 10},{HEAD}) scale({scale})" stroke="#888" '
        f'stroke-width="1">{"".join(drawn)}</g>'
    )


def _legend(top: int, least: int) -> str:
    entries = [(found, words) for _, found, words in reversed(SCALE)]
    entries.append((TOO_FEW, f"fewer than {least} rides"))
    drawn = []
    for number, (found, words) in enumerate(entries):
        x, y = 14 + number // 4 * 230, top + number % 4 * LINE
        drawn.append(
            f'<rect x="{x}" y="{y}" width="26" height="16" fill="{found}" stroke="#888"/>'
            f'<text x="{x + 34}" y="{y + 13}" fill="#222">{escape(words)}</text>'
        )
    return "".join(drawn)


def _shapes() -> dict[int, tuple[str, str, str]]:
    found = msgspec.json.decode(SHAPES.read_bytes())["zones"]
    return {int(zone): (borough, name, path) for zone, (borough, name, path) in found.items()}
