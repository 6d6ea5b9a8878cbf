"""The locks hold what pyproject.toml's groups declare, and botocore what is expected of it."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
LOCKS = {
    **{path.stem: path for path in (ROOT / "requirements").glob("*.txt")},
    "aws-cli": ROOT / "integration-test" / "aws-cli.txt",
    "lambda-runtime": ROOT / "integration-test" / "offline" / "lambda-python" / "requirements.txt",
    "lambda-emulator": ROOT / "integration-test" / "offline" / "lambda-python" / "emulator.txt",
    "localstack": ROOT / "integration-test" / "offline" / "localstack" / "requirements.txt",
}
PINNED = re.compile(r"([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9, -]+\])?==([^ ;]+)( ; .+)? \\")


def requirements(group: str) -> Iterator[Requirement]:
    for declared in GROUPS[group]:
        if isinstance(declared, str):
            yield Requirement(declared)
        else:
            yield from requirements(declared["include-group"])


def entries(lock: str) -> list[str]:
    """Split a lock into its packages: the pin, its hashes, and what it is for."""
    return re.split(r"\n(?=\S)", LOCKS[lock].read_text().strip())


def test_each_group_has_its_lock() -> None:
    assert LOCKS.keys() == GROUPS.keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_its_group_declares(lock: str) -> None:
    direct: dict[str, list[str]] = {}
    for entry in entries(lock):
        if re.search(rf"# +(via )?[a-z-]+ \(pyproject\.toml:{lock}\)$", entry, re.MULTILINE):
            name, pinned = entry.split(" ", maxsplit=1)[0].split("==")
            direct.setdefault(canonicalize_name(name.partition("[")[0]), []).append(pinned)

    declared = list(requirements(lock))
    assert direct.keys() == {canonicalize_name(requirement.name) for requirement in declared}
    for requirement in declared:
        assert all(map(requirement.specifier.contains, direct[canonicalize_name(requirement.name)]))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_is_pinned_with_its_hashes(lock: str) -> None:
    for entry in entries(lock):
        first, *lines = entry.splitlines()
        assert PINNED.fullmatch(first), first
        assert lines[0].startswith("    --hash=sha256:")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index(lock: str) -> None:
    text = LOCKS[lock].read_text()

    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)


def test_the_pythons_that_the_makefile_names_are_the_projects() -> None:
    named = [text.rpartition(" ")[2] for text in PROJECT["project"]["classifiers"]]
    makefile = (ROOT / "Makefile").read_text()

    assert PROJECT["project"]["requires-python"] == f">={named[0]}"
    assert f"\nOLDEST_PYTHON := {named[0]}\nNEWEST_PYTHON := {named[-1]}\n" in makefile


def test_botocore_is_within_the_range_that_the_function_declares() -> None:
    (declared,) = [r for r in requirements("function") if r.name == "botocore"]

    assert {specifier.operator for specifier in declared.specifier} == {">=", "<"}
    assert declared.specifier.contains(version("botocore"))


def test_botocore_emits_the_events_that_fast_put_records_uses() -> None:
    """If this fails after an upgrade, `streaming.fast_put_records` has to be looked at again."""
    client: Any = botocore.session.Session().create_client(
        "kinesis",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106  nothing is signed for anybody
    )
    bodies: list[Any] = []
    contexts: list[Any] = []

    def provide_client_params(params: dict[str, Any], context: Any, **_: Any) -> dict[str, Any]:
        contexts.append(context)
        return {**params, "StreamName": "replaced"}

    def before_call(params: dict[str, Any], context: Any, **_: Any) -> None:
        contexts.append(context)
        assert b'"StreamName": "replaced"' in params["body"]
        params["body"] = b"{}"

    def before_send(request: Any, **_: Any) -> AWSResponse:
        bodies.append(request.body)
        return AWSResponse(request.url, 200, HTTPHeaders(), Raw())

    def before_parse(
        response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
    ) -> None:
        assert response_dict["status_code"] == 200
        assert response_dict["body"] == Raw.ANSWER
        customized_response_dict["FailedRecordCount"] = 7
        response_dict["body"] = b"{}"

    events = client.meta.events
    events.register("provide-client-params.kinesis.PutRecords", provide_client_params)
    events.register("before-call.kinesis.PutRecords", before_call)
    events.register("before-send.kinesis.PutRecords", before_send)
    events.register("before-parse.kinesis.PutRecords", before_parse)

    answer = client.put_records(
        StreamName="given", Records=[{"Data": b"data", "PartitionKey": "key"}]
    )

    assert bodies == [b"{}"]
    assert contexts[0] is contexts[1]
    assert answer["FailedRecordCount"] == 7
    assert "Records" not in answer


class Raw:
    """The body of an answer, as botocore reads it."""

    ANSWER = b'{"FailedRecordCount": 0, "Records": []}'

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.ANSWER
