import itertools
from collections import Counter
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from demo.errors import RidesUnavailable
from demo.ride_generator import (
    PairStatistics,
    RideEvent,
    RideStatistics,
    generate_rides,
    last_week,
    read_statistics,
)

MONDAY = datetime(2025, 3, 3)  # noqa: DTZ001  rides carry local time
FRIDAY_17H = 4 * 24 + 17

STATISTICS = RideStatistics(
    zones={74: ("Manhattan", "East Harlem North"), 75: ("Manhattan", "East Harlem South")},
    pairs=[PairStatistics(74, 75, 300, 0.8, 1.2, 2.0), PairStatistics(75, 74, 100, 0.9, 1.3, 2.1)],
    hour_of_week=[400 if hour == FRIDAY_17H else 0 for hour in range(168)],
    passenger_count={1: 0.9, 5: 0.1},
    payment_type={1: 0.7, 2: 0.3},
    distance_quantiles=[0.0, 1.0, 60.0],
)


def rides(count: int, *, seed: int = 1, statistics: RideStatistics = STATISTICS) -> list[RideEvent]:
    drawn = generate_rides(statistics, Random(seed), first_ride_id=1000, week=MONDAY)
    return list(itertools.islice(drawn, count))


def test_ride_ids_count_up_from_the_first() -> None:
    assert [ride["ride_id"] for ride in rides(3)] == [1000, 1001, 1002]


def test_the_same_seed_gives_the_same_rides() -> None:
    assert rides(50, seed=7) == rides(50, seed=7)
    assert rides(50, seed=7) != rides(50, seed=8)


def test_zone_pairs_are_as_frequent_as_the_statistics_say() -> None:
    pairs = Counter((r["ride"]["PULocationID"], r["ride"]["DOLocationID"]) for r in rides(4000))
    assert set(pairs) == {(74, 75), (75, 74)}
    assert 0.7 < pairs[74, 75] / 4000 < 0.8


def test_one_ride_in_ten_is_longer_than_the_pairs_ninth_decile() -> None:
    miles = [r["ride"]["trip_distance"] for r in rides(4000) if r["ride"]["PULocationID"] == 74]
    assert 0.08 < sum(m > 2.0 for m in miles) / len(miles) < 0.12
    assert 0.45 < sum(m > 1.2 for m in miles) / len(miles) < 0.55
    assert min(miles) >= 0.1


def test_pickup_times_follow_the_hours_of_the_week() -> None:
    starts = [datetime.fromisoformat(ride["ride"]["pickup_datetime"]) for ride in rides(100)]
    assert {(start.weekday(), start.hour) for start in starts} == {(4, 17)}


def test_rides_that_the_pair_table_lacks_get_independent_zones() -> None:
    # 4,000 rides were counted and the pairs hold 400 of them: nine in ten are rare.
    rare = RideStatistics(
        zones={},
        pairs=STATISTICS.pairs,
        hour_of_week=[4000.0] + [0.0] * 167,
        passenger_count={1: 1.0},
        payment_type={1: 1.0},
        distance_quantiles=[50.0, 60.0],
    )
    far = sum(ride["ride"]["trip_distance"] >= 50 for ride in rides(1000, statistics=rare))
    assert 850 < far < 950


def test_the_last_week_is_over() -> None:
    wednesday = datetime(2025, 3, 12, 9, 30)  # noqa: DTZ001  rides carry local time
    assert last_week(wednesday) == MONDAY


def test_statistics_of_a_wrong_shape_are_rejected_and_the_wrong_part_is_named(
    tmp_path: Path,
) -> None:
    path = tmp_path / "statistics.json"
    path.write_text('{"zones": {}, "pairs": []}')
    with pytest.raises(RidesUnavailable, match=r"statistics\.json.*pairs"):
        read_statistics(path)


@pytest.mark.parametrize("content", [b"not JSON", b'{"zones": {"1": ["\xff"]}}', b"[" * 100_000])
def test_damaged_statistics_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "statistics.json"
    path.write_bytes(content)
    with pytest.raises(RidesUnavailable, match=r"cannot read .*statistics\.json: "):
        read_statistics(path)


def test_missing_statistics_are_named(tmp_path: Path) -> None:
    with pytest.raises(RidesUnavailable, match=r"nowhere\.json"):
        read_statistics(tmp_path / "nowhere.json")


def test_the_shipped_statistics_name_every_zone() -> None:
    statistics = read_statistics()
    assert set(statistics.zones) == set(range(1, 266))
    assert all(pair.pickup in statistics.zones for pair in statistics.pairs)
