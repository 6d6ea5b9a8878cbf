from pathlib import Path

from demo.ride_pipeline import ride_pipeline


def test_the_function_publishes_predictions_and_writes_dead_letter_records(tmp_path: Path) -> None:
    assert ride_pipeline(tmp_path).function.environment == {
        "DEAD_LETTERS": f"file://{tmp_path}/dead-letters",
        "PREDICTIONS_STREAM_NAME": "ride_predictions",
        "TEST_RUN": "False",
    }
