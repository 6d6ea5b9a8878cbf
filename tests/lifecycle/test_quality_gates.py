"""Bounds on the errors of predictions."""

from __future__ import annotations

import pytest

from lifecycle.prediction_quality import Figures, Gates

COMPLETE = Figures("m", "one", "at least 60 min", 100, 80, 50, 4.5, 3.0, -1.5)


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        (Gates(), None),
        (Gates(max_rmse=4.5, max_bias=1.5, min_labelled=0.8), None),
        (Gates(max_rmse=4.4), "the RMSE is 4.500, above 4.4, of version one, on 50 rides"),
        (Gates(max_bias=1.4), "the bias is -1.500, beyond 1.4, of version one, on 50 rides"),
        (Gates(min_labelled=0.81), "only 80.0% have a label, not 81.0%, of version one"),
    ],
)
def test_gates_look_at_complete_cohorts(gates: Gates, said: str | None) -> None:
    flattering = Figures("m", "one", "all ages", 900, 80, 50, 0.1, 0.1, 0.0)

    failures = gates.failures([flattering, COMPLETE])

    assert len(failures) == (said is not None)
    assert not said or failures[0].startswith(said)


def test_gates_fail_if_nothing_can_be_said() -> None:
    unlabelled = Figures("m", "two", "at least 60 min", 10, 0, 0, None, None, None)

    assert Gates(max_rmse=9).failures([]) == [
        "no prediction is at least 60 minutes old: nothing can be decided"
    ]
    assert Gates(max_bias=9).failures([COMPLETE, unlabelled]) == [
        "no ride is scored: nothing can be decided of version two, on 0 rides"
    ]
