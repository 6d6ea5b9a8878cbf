import json
import re
from pathlib import Path

import pytest

from deployment.teardown import KEPT_MODULES, count_objects, kept_resources
from tests.deployment.emulated_account import BUCKET, Account
from tests.deployment.fake_commands import APPLIED, KEY, terraform_state

INFRASTRUCTURE = Path(__file__).resolve().parents[2] / "infrastructure"


def test_the_bucket_its_settings_and_its_key_stay_and_nothing_else() -> None:
    kept = kept_resources(json.loads(terraform_state(*APPLIED)))

    assert (kept.buckets, kept.keys) == ([BUCKET], [KEY])
    assert kept.targets == ["aws_sns_topic.own", "module.consumer", "module.event_stream"]


def test_the_modules_that_stay_have_every_bucket_and_every_key() -> None:
    """Else `make destroy` would delete data, or the key to it."""
    found = {
        path.parent.name
        for path in INFRASTRUCTURE.rglob("*.tf")
        if re.search(r'^resource "aws_(s3_bucket|kms_key)"', path.read_text(), re.MULTILINE)
    }
    called = (INFRASTRUCTURE / "main.tf").read_text()
    modules = {
        f"module.{name}"
        for name, folder in re.findall(r'module "(\w+)" {\s*source\s*= "./modules/(\w+)"', called)
        if folder in found
    }
    assert modules == KEPT_MODULES


@pytest.mark.parametrize("state", [{}, {"values": {}}, {"values": {"root_module": {}}}])
def test_of_nothing_nothing_stays(state: dict[str, object]) -> None:
    kept = kept_resources(state)
    assert (kept.targets, kept.buckets, kept.keys) == ([], [], [])


def test_objects_are_counted_over_all_pages(account: Account) -> None:
    s3 = account("s3")
    s3.create_bucket(Bucket=BUCKET)
    assert count_objects(s3, BUCKET) == 0
    for number in range(3):
        s3.put_object(Bucket=BUCKET, Key=str(number), Body=b"{}")
    assert count_objects(s3, BUCKET) == 3
