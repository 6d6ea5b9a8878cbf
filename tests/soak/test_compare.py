import pytest

from tests.soak.compare import PredictionCounts, count
from tests.soak.reconciliation import Expected, ReceivedPrediction


@pytest.mark.parametrize(
    ("rides", "counts"),
    [
        ([1, 1], PredictionCounts(events=2, unpredicted=0, surplus=0)),
        ([1], PredictionCounts(events=2, unpredicted=1, surplus=0)),
        ([1, 1, 1], PredictionCounts(events=2, unpredicted=0, surplus=1)),
        ([2, 2], PredictionCounts(events=2, unpredicted=2, surplus=2)),
    ],
)
def test_predictions_without_event_ids_are_counted_by_ride(
    rides: list[int], counts: PredictionCounts
) -> None:
    expected = Expected()
    expected.by_ride[1] = ["shard:1", "shard:2"]
    assert count(expected, [ReceivedPrediction(None, ride_id) for ride_id in rides]) == counts
