from pathlib import Path

import pytest

from local.errors import StartError
from local.pipeline import PipelineSettings, open_pipeline


def test_an_endpoint_that_does_not_answer_is_a_clear_error(tmp_path: Path) -> None:
    settings = PipelineSettings(folder=tmp_path, endpoint_url="http://127.0.0.1:1")
    with (
        pytest.raises(StartError, match=r"cannot use the stream ride_events: .*127\.0\.0\.1:1"),
        open_pipeline(settings, print),
    ):
        pass
