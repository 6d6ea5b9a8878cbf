import numpy as np
import pytest

from training.zones import load_zones


def test_every_zone_has_a_name_and_a_position() -> None:
    zones = load_zones()

    assert sorted(zones.names) == list(range(1, 266))
    assert zones.names[1] == ("EWR", "Newark Airport")
    assert zones.east.shape == zones.north.shape == (266,)
    assert np.isfinite(zones.east).all()
    assert np.isfinite(zones.north).all()


def test_a_zone_without_a_polygon_has_the_position_of_its_namesake() -> None:
    zones = load_zones()

    for zone, namesake in ((57, 56), (104, 103), (105, 103)):
        assert zones.names[zone][1] == zones.names[namesake][1]
        assert zones.east[zone] == zones.east[namesake]
        assert zones.north[zone] == zones.north[namesake]


def test_a_zone_outside_the_map_has_the_position_of_the_city_s_centre() -> None:
    zones = load_zones()

    assert zones.east[[264, 265]].tolist() == [0, 0]
    assert zones.north[[264, 265]].tolist() == [0, 0]


def test_the_airports_are_as_far_apart_as_on_the_map() -> None:
    jfk, la_guardia = 132, 138

    assert load_zones().straight_line()[jfk, la_guardia] == pytest.approx(10, abs=0.5)
