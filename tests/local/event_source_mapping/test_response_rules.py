"""What follows from a function's response, by AWS's rules."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from tests.local.event_source_mapping.mapping_fixtures import (
    RAISES,
    TIMES_OUT,
    UNREACHABLE,
    ScriptedFunction,
    batch,
    failed,
)
from tests.local.event_source_mapping.processor_run import ALL, BISECT, PARTIAL, Run


@dataclass(frozen=True)
class Rule:
    """One of AWS's rules: the responses to the records 1, 2, 3, 4, and what follows."""

    words: str
    responses: Sequence[Any]
    invocations: Sequence[Sequence[int]]
    discarded: Sequence[Sequence[int]] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


SUCCESS = [
    Rule("an empty batchItemFailures list is complete success", [failed()], [ALL]),
    Rule("a null batchItemFailures list is complete success", [{"batchItemFailures": None}], [ALL]),
    Rule("an empty response is complete success", [{}], [ALL]),
    Rule("a null response is complete success", [None], [ALL]),
    Rule("an empty text is complete success", [""], [ALL]),
]
COMPLETE_FAILURE = [
    Rule("an exception fails the whole batch", [RAISES], [ALL, ALL]),
    Rule("a timeout fails the whole batch", [TIMES_OUT], [ALL, ALL]),
    Rule("an empty itemIdentifier fails the whole batch", [failed("")], [ALL, ALL]),
    Rule("a null itemIdentifier fails the whole batch", [failed(None)], [ALL, ALL]),
    Rule(
        "an identifier under a wrong key fails the whole batch",
        [{"batchItemFailures": [{"sequenceNumber": "3"}]}],
        [ALL, ALL],
    ),
    Rule(
        "one invalid identifier among valid ones fails the whole batch",
        [failed("3", "")],
        [ALL, ALL],
    ),
    Rule("an identifier of another batch fails the whole batch", [failed("99")], [ALL, ALL]),
    Rule("an identifier that is not a string fails the whole batch", [failed(3)], [ALL, ALL]),
    Rule(
        "failures that are not a list fail the whole batch",
        [{"batchItemFailures": "3"}],
        [ALL, ALL],
    ),
    Rule(
        "failures that are not objects fail the whole batch",
        [{"batchItemFailures": ["3"]}],
        [ALL, ALL],
    ),
    Rule("a response that is not an object fails the whole batch", ["done"], [ALL, ALL]),
    Rule("a response that is not JSON fails the whole batch", [float("nan")], [ALL, ALL]),
]
PARTIAL_FAILURE = [
    Rule("the batch is retried from the reported sequence number", [failed("3")], [ALL, [3, 4]]),
    Rule("of several identifiers the lowest counts", [failed("4", "2")], [ALL, [2, 3, 4]]),
    Rule("a failure of the first record retries the whole batch", [failed("1")], [ALL, ALL]),
]
RETRIES = [
    Rule(
        "a failed batch is retried MaximumRetryAttempts times, then discarded",
        [RAISES] * 3,
        [ALL] * 3,
        [ALL],
        {"maximum_retry_attempts": 2},
    ),
    Rule(
        "without retries it is discarded at once",
        [RAISES],
        [ALL],
        [ALL],
        {"maximum_retry_attempts": 0},
    ),
    Rule("-1 retries until it succeeds", [RAISES] * 20, [ALL] * 21, [], {}),
    Rule(
        "when the checkpoint moves, all retries are left to what follows",
        [failed("2"), failed("3"), failed("3"), failed("3")],
        [ALL, [2, 3, 4], [3, 4], [3, 4]],
        [[3, 4]],
        {"maximum_retry_attempts": 1},
    ),
    Rule(
        "without retries, what follows the checkpoint is sent once",
        [failed("2"), failed("2")],
        [ALL, [2, 3, 4]],
        [[2, 3, 4]],
        {"maximum_retry_attempts": 0},
    ),
    Rule(
        "records that fail once each are all done",
        [failed("1"), failed("2"), failed("3"), failed("4")],
        [ALL, ALL, [2, 3, 4], [3, 4], [4]],
        [],
        {"maximum_retry_attempts": 1},
    ),
    Rule(
        "a last record that always fails is sent twice more than there are retries",
        [failed("4")] * 5,
        [ALL, [4], [4], [4], [4]],
        [[4]],
        {"maximum_retry_attempts": 3},
    ),
    Rule(
        "a service error costs no retry and no split",
        [UNREACHABLE, UNREACHABLE, None],
        [ALL, ALL, ALL],
        [],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
]
BISECTION = [
    Rule("an exception halves the batch", [RAISES], [ALL, [1, 2], [3, 4]], [], BISECT),
    Rule("a timeout halves the batch", [TIMES_OUT], [ALL, [1, 2], [3, 4]], [], BISECT),
    Rule(
        "a complete failure by response halves the batch",
        [failed("")],
        [ALL, [1, 2], [3, 4]],
        [],
        BISECT,
    ),
    Rule(
        "the record that fails is isolated, the others are done",
        [RAISES, None, RAISES, RAISES, None],
        [ALL, [1, 2], [3, 4], [3], [4]],
        [[3]],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
    Rule(
        "a split costs no retry",
        [RAISES, RAISES, RAISES, RAISES, None, None, None],
        [ALL, [1, 2], [1], [1], [2], [3, 4]],
        [[1]],
        {"maximum_retry_attempts": 1, **BISECT},
    ),
    Rule(
        "a partial response splits the batch at the reported sequence number",
        [failed("3")],
        [ALL, [3, 4]],
        [],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
    Rule(
        "a partial response with nothing done halves the batch",
        [failed("1"), failed("1"), failed("1")],
        [ALL, [1, 2], [1], [2], [3, 4]],
        [[1]],
        {"maximum_retry_attempts": 0, **BISECT},
    ),
    Rule(
        "a batch of one record is retried",
        [RAISES, RAISES, RAISES, RAISES],
        [ALL, [1, 2], [1], [1], [1], [2], [3, 4]],
        [],
        BISECT,
    ),
]


@pytest.mark.parametrize(
    "rule",
    [*SUCCESS, *COMPLETE_FAILURE, *PARTIAL_FAILURE, *RETRIES, *BISECTION],
    ids=lambda rule: rule.words,
)
def test_with_partial_responses(rule: Rule) -> None:
    run = Run(
        ScriptedFunction(*rule.responses),
        EventSourceMappingConfiguration(**PARTIAL, **rule.parameters),
    )

    assert run.process(batch(*ALL))
    assert run.function.invocations == rule.invocations
    assert run.destination.numbers() == list(rule.discarded)
    assert run.finished == ALL


@pytest.mark.parametrize(
    "response",
    [failed("3"), failed(""), "done"],
    ids=["a failure", "a malformed failure", "a text"],
)
def test_without_partial_responses_any_response_is_success(response: Any) -> None:
    run = Run(ScriptedFunction(response), EventSourceMappingConfiguration())

    run.process(batch(*ALL))

    assert run.function.invocations == [ALL]
    assert run.finished == ALL
