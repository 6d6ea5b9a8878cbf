from collections import Counter

from tests.soak.wire_faults import MIXES, SPARED_CALLS, Fault, FaultPlan

CALLS = 8000


def faults(plan: FaultPlan, operation: str) -> list[Fault | None]:
    return [plan.draw(operation, number, elapsed=0.0).fault for number in range(CALLS)]


def test_the_same_seed_gives_every_call_the_same_fault() -> None:
    assert faults(FaultPlan(1), "PutRecords") == faults(FaultPlan(1), "PutRecords")
    assert faults(FaultPlan(1), "PutRecords") != faults(FaultPlan(2), "PutRecords")


def test_every_fault_of_a_mix_comes_about_as_often_as_it_says() -> None:
    for operation, mix in MIXES.items():
        counts = Counter(faults(FaultPlan(1), operation))
        for fault, share in mix.items():
            assert 0.4 < counts[fault] / (share * CALLS) < 2, (operation, fault)


def test_the_first_calls_are_spared() -> None:
    assert faults(FaultPlan(1), "PutRecords")[:SPARED_CALLS] == [None] * SPARED_CALLS


def test_an_operation_without_a_mix_meets_no_fault() -> None:
    assert set(faults(FaultPlan(1), "CreateStream")) == {None}


def test_the_dead_letter_store_is_out_of_service_for_five_seconds_of_thirty() -> None:
    plan = FaultPlan(1)
    down = [
        tick for tick in range(600)
        if plan.draw("PutObject", 0, elapsed=tick / 10).fault is Fault.OUTAGE
    ]  # fmt: skip
    assert 90 < len(down) < 110
