from moto.kinesis.models import Shard

from local.embedded_kinesis_server import last_sequence_number


def test_the_last_sequence_number_is_what_moto_itself_finds() -> None:
    shard = Shard(0, 0, 2**128 - 1)
    assert last_sequence_number(shard) == shard.get_max_sequence_number() == 0
    for _ in range(3):
        shard.put_record("key", "cmlkZQ==", "")
        assert last_sequence_number(shard) == shard.get_max_sequence_number()
