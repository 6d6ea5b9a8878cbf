from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.soak.fault_injection import is_outage
from tests.soak.model_faults import (
    BLIP_EVERY,
    CALLS_BETWEEN_BLIPS,
    LOG_PREFIX,
    ModelFault,
    UnreliableModel,
    injected_faults,
    plan,
)

CALLS = 2_000
SEED = 1


class Model:
    name = "rides"

    def predict(self, events: Any) -> Any:
        return events


def quiet_time(seed: int) -> float:
    """Return a time without an outage."""
    return next(time for time in range(60) if not is_outage(seed, "model", time))


def test_the_model_has_an_outage_of_five_seconds_in_thirty() -> None:
    down = [t for t in range(600) if plan(SEED, 0, t / 10) is ModelFault.OUTAGE]
    assert 90 < len(down) < 110


@pytest.mark.parametrize("seed", range(5))
def test_one_call_of_twenty_fails_and_never_two_close_together(seed: int) -> None:
    elapsed = quiet_time(seed)
    blips = [number for number in range(CALLS) if plan(seed, number, elapsed)]
    gaps = [after - before for before, after in pairwise(blips)]
    assert len(blips) == CALLS / BLIP_EVERY
    assert min(gaps) >= CALLS_BETWEEN_BLIPS


def test_a_call_without_a_fault_is_the_models_and_so_are_its_members() -> None:
    now = quiet_time(SEED)
    model: Any = UnreliableModel(Model(), SEED, 0.0, lambda: now)  # type: ignore[arg-type]
    first = next(number for number in range(BLIP_EVERY) if plan(SEED, number, now))
    assert [model.predict([number]) for number in range(first)] == [[n] for n in range(first)]
    with pytest.raises(ConnectionError):
        model.predict(["during a blip"])
    assert model.name == "rides"


def test_the_faults_are_counted_in_the_functions_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    down = next(time for time in range(60) if is_outage(SEED, "model", time))
    model = UnreliableModel(Model(), SEED, 0.0, lambda: down)  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(ConnectionError):
            model.predict(["ride"])
    log = tmp_path / "function.log"
    log.write_text(f"Traceback\n{capsys.readouterr().out}{LOG_PREFIX[:4]}")
    assert injected_faults(log) == {"model calls during an outage": 3}
