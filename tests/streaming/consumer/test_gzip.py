"""Gzipped data is decompressed, up to a limit."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.consumer.records import DECOMPRESSED_LIMIT, gunzip, user_records
from streaming.errors import CorruptRecord
from tests.lambda_events import record
from tests.streaming.consumer.read_records import NOW, decode_error


def test_a_gzipped_user_record_is_decompressed_but_its_data_kept_as_received() -> None:
    packed = gzip.compress(b"hello")

    (user_record,) = user_records([record(packed)], NOW)

    assert user_record.content() == b"hello"
    assert user_record.data == packed


def test_gzip_of_several_members_is_decompressed_as_a_whole() -> None:
    assert gunzip(gzip.compress(b"one, ") + gzip.compress(b"two")) == b"one, two"


def test_gzip_may_be_padded_with_zeros_and_its_members_may_be_empty() -> None:
    one, nothing = gzip.compress(b"one"), gzip.compress(b"")

    assert gunzip(nothing + one + bytes(9) + nothing + bytes(3)) == b"one"


def test_gzip_of_many_members_is_limited_as_a_whole() -> None:
    members = gzip.compress(bytes(DECOMPRESSED_LIMIT // 4)) * 4

    assert len(gunzip(members)) == DECOMPRESSED_LIMIT
    assert "more than" in decode_error(members + gzip.compress(b"x"))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=99), cut=st.integers(0, 120), members=st.integers(1, 3))
def test_gzip_is_read_as_pythons_own_module_reads_it(data: bytes, cut: int, members: int) -> None:
    packed = (gzip.compress(data) * members)[: cut + 2]
    try:
        expected = gzip.decompress(packed)
    except (EOFError, OSError, zlib.error):
        with pytest.raises(CorruptRecord, match="damaged gzip"):
            gunzip(packed)
    else:
        assert gunzip(packed) == expected


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(b"hello" * 99)[:-9],
        gzip.compress(b"hello") + b"more",
        gzip.compress(b"hello")[:-8] + b"\0" * 8,
        b"\x1f\x8b",
        b"\x1f\x8bnot really",
        gzip.compress(b"hello" * 99)[:12] + b"\xff" * 20,
    ],
    ids=[
        "truncated",
        "more behind it",
        "wrong checksum",
        "magic only",
        "not gzip",
        "damaged inside",
    ],
)
def test_damaged_gzip_is_corrupt(damaged: bytes) -> None:
    assert "damaged gzip" in decode_error(damaged)


def test_the_reason_for_damaged_gzip_quotes_nothing() -> None:
    with pytest.raises(CorruptRecord) as raised:
        gunzip(b"\x1f\x8bsecret")

    assert raised.value.reason == "damaged gzip"


def test_gzip_may_decompress_to_the_limit_and_not_to_a_byte_more() -> None:
    assert len(gunzip(gzip.compress(bytes(DECOMPRESSED_LIMIT)))) == DECOMPRESSED_LIMIT
    with pytest.raises(CorruptRecord, match="more than"):
        gunzip(gzip.compress(bytes(DECOMPRESSED_LIMIT + 1)))


def test_a_gzip_bomb_is_corrupt() -> None:
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1024 * 1024)
    bomb = b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()

    assert f"more than {DECOMPRESSED_LIMIT} bytes" in decode_error(bomb)
