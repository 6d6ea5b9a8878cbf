import json

import pytest

from deployment.teardown import count_objects, image_in, kept_resources
from tests.deployment.emulated_account import BUCKET, Account
from tests.deployment.fake_commands import APPLIED, KEY, resource, terraform_state


def test_the_bucket_its_settings_and_its_key_stay_and_nothing_else() -> None:
    kept = kept_resources(json.loads(terraform_state(*APPLIED)))

    assert kept.addresses == sorted(each["address"] for each in APPLIED[:5])
    assert (kept.buckets, kept.keys) == ([BUCKET], [KEY])
    # The module encryption stays in part, so what does not is named by itself.
    assert kept.targets == [
        "module.consumer",
        "module.encryption.aws_kms_key.other",
        "module.event_stream",
    ]


def test_a_key_is_found_by_its_id_too() -> None:
    (encryption,) = (each for each in APPLIED if "encryption_configuration" in each["type"])
    rule = [{"apply_server_side_encryption_by_default": [{"kms_master_key_id": "1234"}]}]
    by_id = resource(encryption["address"], bucket=BUCKET, rule=rule)
    others = [each for each in APPLIED if each is not encryption]

    kept = kept_resources(json.loads(terraform_state(by_id, *others)))

    assert kept.keys == [KEY]


@pytest.mark.parametrize("state", [{}, {"values": {}}, {"values": {"root_module": {}}}])
def test_of_nothing_nothing_stays(state: dict[str, object]) -> None:
    kept = kept_resources(state)
    assert (kept.addresses, kept.targets, kept.buckets, kept.keys) == ([], [], [], [])


def test_the_image_is_the_one_that_is_deployed() -> None:
    assert image_in(json.loads(terraform_state(*APPLIED))) == "r@sha256:1"
    assert image_in({}) is None


def test_objects_are_counted_over_all_pages(account: Account) -> None:
    s3 = account("s3")
    s3.create_bucket(Bucket=BUCKET)
    assert count_objects(s3, BUCKET) == 0
    for number in range(3):
        s3.put_object(Bucket=BUCKET, Key=str(number), Body=b"{}")
    assert count_objects(s3, BUCKET) == 3
