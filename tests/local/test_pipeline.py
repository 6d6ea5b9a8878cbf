from pathlib import Path

import pytest

from local.errors import StartError
from local.pipeline import PipelineSettings, function_environment, open_pipeline
from streaming.errors import SettingsError


def test_an_endpoint_that_does_not_answer_is_a_clear_error(tmp_path: Path) -> None:
    settings = PipelineSettings(folder=tmp_path, endpoint_url="http://127.0.0.1:1")
    with (
        pytest.raises(StartError, match=r"cannot use the stream ride_events: .*127\.0\.0\.1:1"),
        open_pipeline(settings, print),
    ):
        pass


def test_an_on_failure_destination_of_another_kind_is_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    settings = PipelineSettings(folder=tmp_path / "run", on_failure="sqs://queue")
    allowed = "s3://bucket/prefix or file:///folder"
    with (
        pytest.raises(SettingsError, match=f"OnFailure is 'sqs://queue'; allowed: {allowed}"),
        open_pipeline(settings, print),
    ):
        pass
    assert not settings.folder.exists()


def test_a_function_beside_an_embedded_kinesis_meets_neither_a_profile_nor_a_proxy() -> None:
    chosen = function_environment(
        {"AWS_PROFILE": "expired", "no_proxy": "10.0.0.1", "MODELS": "tip"}
    )

    assert "AWS_PROFILE" not in chosen
    assert chosen["no_proxy"] == chosen["NO_PROXY"] == "10.0.0.1,127.0.0.1"
    assert chosen["MODELS"] == "tip"


def test_a_function_whose_model_is_on_s3_keeps_the_profile_that_reads_it() -> None:
    chosen = function_environment({"AWS_PROFILE": "mine", "MODEL_LOCATION": "s3://bucket/models"})

    assert chosen["AWS_PROFILE"] == "mine"
    assert chosen["NO_PROXY"] == "127.0.0.1"
