from pathlib import Path
from typing import Any

import pytest

from local.errors import StartError
from local.event_source_mapping import EventSourceMappingConfiguration
from local.function import FunctionConfiguration
from local.pipeline import PipelineConfig, isolated_environment, open_pipeline
from streaming.errors import SettingsError


def pipeline(folder: Path, **settings: Any) -> PipelineConfig:
    return PipelineConfig(
        folder=folder,
        input_stream="orders",
        output_stream="prices",
        function=FunctionConfiguration(),
        mapping=EventSourceMappingConfiguration(),
        **settings,
    )


def test_an_endpoint_that_does_not_respond_is_a_clear_error(tmp_path: Path) -> None:
    config = pipeline(tmp_path, endpoint_url="http://127.0.0.1:1")
    with (
        pytest.raises(StartError, match=r"cannot use the stream orders: .*127\.0\.0\.1:1"),
        open_pipeline(config, print),
    ):
        pass


def test_an_unknown_kind_of_on_failure_destination_is_rejected_before_anything_starts(
    tmp_path: Path,
) -> None:
    config = pipeline(tmp_path / "run", on_failure="sqs://queue")
    allowed = "s3://bucket/prefix or file:///folder"
    with (
        pytest.raises(SettingsError, match=f"OnFailure is 'sqs://queue'; allowed: {allowed}"),
        open_pipeline(config, print),
    ):
        pass
    assert not config.folder.exists()


def test_a_fifo_queue_is_refused_as_on_failure_destination_before_anything_starts(
    tmp_path: Path,
) -> None:
    config = pipeline(tmp_path / "run", on_failure="arn:aws:sqs:us-east-1:123456789012:q.fifo")
    with (
        pytest.raises(SettingsError, match="the ARN of a standard queue or topic"),
        open_pipeline(config, print),
    ):
        pass


def test_a_function_next_to_an_embedded_kinesis_inherits_neither_profile_nor_proxy() -> None:
    inherited = isolated_environment(
        {"AWS_PROFILE": "expired", "no_proxy": "10.0.0.1", "MODELS": "tip"}
    )

    assert "AWS_PROFILE" not in inherited
    assert inherited["no_proxy"] == inherited["NO_PROXY"] == "10.0.0.1,127.0.0.1"
    assert inherited["MODELS"] == "tip"


def test_a_function_whose_model_is_on_s3_keeps_the_profile_that_reads_it() -> None:
    inherited = isolated_environment(
        {"AWS_PROFILE": "mine", "MODEL_LOCATION": "s3://bucket/models"}
    )

    assert inherited["AWS_PROFILE"] == "mine"
    assert inherited["NO_PROXY"] == "127.0.0.1"
