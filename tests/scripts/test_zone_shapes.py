from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts.zone_shapes import OUTPUT, svg_path, zone_map

NAMES = {
    zone: {"Borough": "Queens", "Zone": name} for zone, name in [(1, "West"), (2, "East"), (3, "-")]
}


def square(zone: int, west: float) -> dict[str, object]:
    ring = [[west, 0.0], [west, 1.0], [west + 1, 1.0], [west + 1, 0.0], [west, 0.0]]
    return {
        "properties": {"LocationID": zone},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def test_neighbours_share_their_border_and_north_is_up() -> None:
    found = zone_map({"features": [square(1, 0.0), square(2, 1.0)]}, NAMES)

    assert found["viewBox"] == "0 0 1000 500"
    assert found["zones"]["1"] == ["Queens", "West", "M0,500l0,-500 500,0 0,500z"]
    assert found["zones"]["2"][2] == "M500,500l0,-500 500,0 0,500z"
    assert found["zones"]["3"][2] == ""


def test_the_parts_of_a_zone_are_one_path() -> None:
    parts = {**square(1, 0.0)}
    rings = [square(1, west)["geometry"]["coordinates"] for west in (0.0, 2.0)]  # type: ignore[index]
    parts["geometry"] = {"type": "MultiPolygon", "coordinates": rings}

    path = zone_map({"features": [parts]}, NAMES)["zones"]["1"][2]
    assert path.count("M") == path.count("z") == 2


@pytest.mark.parametrize(
    ("ring", "path"),
    [
        ([(0, 0), (0, 0), (3, 0), (3, 4), (0, 0)], "M0,0l3,0 0,4z"),
        ([(5, 5), (5, 5)], ""),
    ],
)
def test_a_point_that_rounding_moved_onto_another_is_left_out(
    ring: list[tuple[int, int]], path: str
) -> None:
    assert svg_path(ring) == path


def test_the_map_that_ships_has_every_zone_and_is_small() -> None:
    shipped = json.loads(Path(OUTPUT).read_bytes())

    assert list(map(int, shipped["zones"])) == list(range(1, 266))
    assert sum(bool(path) for _, _, path in shipped["zones"].values()) >= 260
    assert all(
        re.fullmatch(r"(M\d+,\d+l-?\d+,-?\d+( -?\d+,-?\d+)*z)*", path)
        for _, _, path in shipped["zones"].values()
    )
    assert OUTPUT.stat().st_size < 80_000
