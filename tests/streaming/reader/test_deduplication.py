import json
import tracemalloc
from itertools import product

from streaming.reader.deduplication import RecentEvents


def test_event_id_model_and_stream_together_are_the_event() -> None:
    recent = RecentEvents(100)
    values = ("a", "b", 'a","b', "")
    events = [
        json.dumps({"event_id": event_id, "model": model, "stream": stream}).encode()
        for event_id, model, stream in product(values, (*values, None), (*values, None))
    ]
    assert all(recent.add(event) for event in events)
    assert not any(recent.add(event) for event in events)


def test_an_event_is_recognised_however_its_json_is_written() -> None:
    recent = RecentEvents(10)
    assert recent.add(b'{"event_id": "a", "model": "m"}')
    assert not recent.add(b'{"stream":null,"model":"\\u006d","other":[1],"event_id":"a"}')


def test_memory_does_not_depend_on_the_size_of_the_ids() -> None:
    recent = RecentEvents(1_000)
    tracemalloc.start()
    try:
        for number in range(1_000):
            assert recent.add(b'{"event_id": "%d%s"}' % (number, b"x" * 100_000))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 300_000


def test_nothing_is_recognised_after_clear() -> None:
    recent = RecentEvents(10)
    assert recent.add(b'{"event_id": "a"}')
    recent.clear()
    assert recent.add(b'{"event_id": "a"}')
