from __future__ import annotations

from typing import Any

import pytest

from streaming.arns import stream_of_arn

ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/ride_events"


@pytest.mark.parametrize(
    "arn",
    [
        ARN,
        ARN.replace("arn:aws:", "arn:aws-cn:"),
        f"{ARN}/consumer/c:1",
        f"{ARN}/consumer/tip_predictions.v-2:1700000000",
        f"{ARN}/consumer/tips",
    ],
)
def test_an_arn_of_a_stream_or_of_its_consumer_names_the_stream(arn: str) -> None:
    assert stream_of_arn(arn) == "ride_events"


@pytest.mark.parametrize(
    "arn",
    [
        None,
        5,
        "",
        "ride_events",
        f"{ARN}/",
        f"{ARN}/consumer",
        f"{ARN}/consumer/",
        f"{ARN}/consumer/c:1/more",
        f"{ARN}\n",
        f"{ARN}/consumer/c:1\n",
        "arn:aws:sqs:us-east-1:123456789012:rides",
        "arn:aws:kinesis:r:1:stream/..",
        "arn:aws:kinesis:r:1:stream/../../etc",
        "arn:aws:kinesis:r:1:stream/" + "x" * 129,
    ],
)
def test_any_other_text_names_no_stream(arn: Any) -> None:
    assert stream_of_arn(arn) is None
