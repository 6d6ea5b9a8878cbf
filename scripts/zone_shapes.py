"""Make the page's map: the TLC's taxi zones, simplified, as SVG paths.

It made `page/static/zones.json` from the TLC's files (see `docs/page.md`). The simplification is
mapshaper's, which keeps shared borders shared; it is fetched with npx and needs Node.js.
"""

import csv
import math
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from cli.arguments import Parser
from cli.program import FAILED, program

MAPSHAPER = "mapshaper@0.7.70"
KEPT = "6%"
"""Of the removable vertices; below it, small zones of Manhattan lose their corners."""

OUTPUT = Path(__file__).parent.parent / "page" / "static" / "zones.json"
WIDTH = 1000
"""Of the map's coordinates: about 50 m each."""

SOURCE = "NYC Taxi and Limousine Commission, taxi zones; simplified"

Point = tuple[float, float]


class ShapesUnavailable(Exception):
    """The shapes cannot be simplified or read."""


@program(ShapesUnavailable, OSError)
def main(argv: list[str] | None = None) -> int:
    """Write the map and print its size."""
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("shapes", type=Path, help="taxi_zones.geojson: the zones' polygons")
    parser.add_argument("lookup", type=Path, help="taxi_zone_lookup.csv: every zone's name")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default: %(default)s")
    options = parser.parse_args(argv)
    with options.lookup.open(newline="") as lookup:
        names = {int(row["LocationID"]): row for row in csv.DictReader(lookup)}
    if not names:
        print(f"error: {options.lookup} names no zones")
        return FAILED
    zones = zone_map(simplified(options.shapes), names)
    options.output.write_bytes(msgspec.json.encode(zones) + b"\n")
    print(f"{options.output}: {len(names)} zones, {options.output.stat().st_size:,} bytes")
    return 0


def simplified(shapes: Path) -> dict[str, Any]:
    """Return a GeoJSON file's features, simplified by mapshaper."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "zones.json"
        command = ["npx", "--yes", MAPSHAPER, str(shapes), "-simplify", KEPT, "keep-shapes"]
        command += ["-clean", "-o", str(output), "format=geojson"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ShapesUnavailable(f"{MAPSHAPER} cannot simplify {shapes}: {reason}")
        found: dict[str, Any] = msgspec.json.decode(output.read_bytes())
        return found


def zone_map(collection: dict[str, Any], names: dict[int, dict[str, str]]) -> dict[str, Any]:
    """Return what the page needs: the view box, and each zone's borough, name and path.

    Args:
        collection: GeoJSON features with a `LocationID`; longitude and latitude.
        names: By zone: its row of the lookup table. A zone without a shape has an empty path.
    """
    rings: dict[int, list[Sequence[Point]]] = {zone: [] for zone in names}
    for feature in collection["features"]:
        rings[feature["properties"]["LocationID"]] += _rings(feature["geometry"])
    points = [point for found in rings.values() for ring in found for point in ring]
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    # A degree of longitude is shorter than one of latitude; at the scale of a city that is all.
    narrower = math.cos(math.radians((south + north) / 2))
    scale = WIDTH / ((east - west) * narrower)

    def placed(point: Point) -> tuple[int, int]:
        x, y = point
        return round((x - west) * narrower * scale), round((north - y) * scale)

    return {
        "source": SOURCE,
        "viewBox": f"0 0 {WIDTH} {round((north - south) * scale)}",
        "zones": {
            str(zone): [
                names[zone]["Borough"],
                names[zone]["Zone"],
                "".join(svg_path([placed(point) for point in ring]) for ring in found),
            ]
            for zone, found in rings.items()
        },
    }


def svg_path(ring: Sequence[tuple[int, int]]) -> str:
    """Return a closed ring as a path of relative lines, without points that changed nothing."""
    kept = [ring[0]]
    kept += [point for before, point in pairwise(ring) if point != before]
    if len(kept) > 1 and kept[-1] == kept[0]:
        kept.pop()
    steps = (f"{x - before_x},{y - before_y}" for (before_x, before_y), (x, y) in pairwise(kept))
    return f"M{kept[0][0]},{kept[0][1]}l{' '.join(steps)}z" if len(kept) > 1 else ""


def _rings(geometry: dict[str, Any] | None) -> Iterator[Sequence[Point]]:
    if geometry is None:
        return
    single = geometry["type"] == "Polygon"
    for polygon in [geometry["coordinates"]] if single else geometry["coordinates"]:
        yield from polygon
