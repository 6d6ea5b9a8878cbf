from local.event_source_mapping.checkpoint_tracker import CheckpointTracker


def test_the_checkpoint_is_the_last_record_up_to_which_all_are_finished() -> None:
    tracker = CheckpointTracker()
    tracker.begin(["1", "2", "3"])
    tracker.begin(["4"])

    assert tracker.finish(["2", "4"]) is None
    assert tracker.finish(["1"]) == "2"
    assert tracker.finish([]) is None
    assert tracker.finish(["3"]) == "4"
