import io
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.utils import InstanceMetadataFetcher
from urllib3 import HTTPResponse

from streaming.clients import aws_client, is_aws, kinesis_client
from streaming.errors import SettingsError

LOCAL = "http://127.0.0.1:4566"


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # botocore reads the environment itself; it cannot be passed in.
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_KINESIS",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "KINESIS_ENDPOINT_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))


def access_key(client: Any) -> str | None:
    credentials = client._request_signer._credentials  # botocore has no public access
    return credentials.access_key if credentials else None


def test_an_emulator_needs_neither_credentials_nor_region() -> None:
    client = kinesis_client(LOCAL)
    assert client.meta.endpoint_url == LOCAL
    assert client.meta.region_name == "us-east-1"
    assert access_key(client) == "local"


@pytest.mark.parametrize(
    "variable", ["KINESIS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL"]
)
def test_the_environment_can_set_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, LOCAL)
    client = kinesis_client()
    assert client.meta.endpoint_url == LOCAL
    assert access_key(client) == "local"


def test_an_argument_takes_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINESIS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert kinesis_client(LOCAL).meta.endpoint_url == LOCAL


def test_configured_credentials_and_region_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    client = kinesis_client(LOCAL)
    assert access_key(client) == "mine"
    assert client.meta.region_name == "eu-central-1"


def test_dummy_credentials_are_never_sent_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # no network in tests
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    private = "https://vpce-1.kinesis.us-east-1.vpce.amazonaws.com"
    for endpoint in (None, private):
        with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID is not set; allowed: a key"):
            kinesis_client(endpoint)


@pytest.mark.parametrize(
    "host",
    [
        "kinesis.us-east-1.amazonaws.com",
        "kinesis.us-east-1.amazonaws.com.",
        "KINESIS.US-EAST-1.AMAZONAWS.COM",
        "kinesis.us-east-1.api.aws",
        "kinesis-fips.us-gov-west-1.amazonaws.com",
        "kinesis.cn-north-1.amazonaws.com.cn",
        "kinesis.cn-north-1.api.amazonwebservices.com.cn",
        "kinesis.eusc-de-east-1.amazonaws.eu",
        "kinesis.us-iso-east-1.c2s.ic.gov",
        "kinesis.us-isob-east-1.sc2s.sgov.gov",
        "kinesis.eu-isoe-west-1.cloud.adc-e.uk",
        "kinesis.us-isof-south-1.csp.hci.ic.gov",
        "vpce-1.kinesis.us-east-1.vpce.amazonaws.com",
    ],
)
def test_hosts_of_every_partition_are_aws(host: str) -> None:
    assert is_aws(f"https://{host}")
    assert is_aws(f"https://{host}:443/path")


@pytest.mark.parametrize(
    "host", ["localhost", "notamazonaws.com", "amazonaws.com.example.org", "kinesis:4566"]
)
def test_other_hosts_are_emulators(host: str) -> None:
    assert not is_aws(f"http://{host}")


def test_hosts_are_known_whatever_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "not-there")

    assert is_aws("https://kinesis.us-east-1.amazonaws.com")


def test_an_endpoint_that_is_not_a_url_is_shown_without_its_password() -> None:
    with pytest.raises(SettingsError, match=r"endpoint URL is 'ftp://\*\*\*@host'; allowed"):
        kinesis_client("ftp://me:secret@host")


def test_dummy_credentials_are_not_sent_to_aws_if_the_configured_endpoint_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", LOCAL)
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID is not set; allowed: a key"):
        kinesis_client()


def test_an_isolated_client_ignores_the_configuration_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "AWS_PROFILE": "not-there",
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_REGION": "eu-central-1",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    client: Any = kinesis_client(LOCAL, isolated=True)
    assert access_key(client) == "local"
    assert client.meta.region_name == "us-east-1"
    assert client.meta.config.proxies == {}


def test_other_clients_use_the_proxy_and_the_kind_of_endpoint_that_are_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_USE_FIPS_ENDPOINT": "true",
    }.items():
        monkeypatch.setenv(name, value)
    client: Any = kinesis_client()
    assert client.meta.endpoint_url == "https://kinesis-fips.us-east-1.amazonaws.com"
    assert client.meta.config.proxies is None  # botocore then takes those of the environment


def test_a_client_of_an_emulator_does_not_look_for_a_role_of_ec2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there is no EC2, that takes seconds."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setattr(
        InstanceMetadataFetcher,
        "retrieve_iam_role_credentials",
        lambda _: pytest.fail("EC2 was asked"),
    )

    assert access_key(kinesis_client(LOCAL)) == "local"


def test_botocores_debug_lines_are_held_and_the_programs_own_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "urllib3"):
        caplog.set_level(logging.NOTSET, name)

    kinesis_client(LOCAL)

    written = [
        name
        for name in ("botocore.endpoint", "urllib3.connectionpool", "rides")
        if logging.getLogger(name).isEnabledFor(logging.DEBUG)
    ]
    assert written == ["rides"]


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AWS_REGION", "us east", "AWS_REGION is 'us east'; allowed: a region, such as us-east-1"),
        ("AWS_PROFILE", "gone", "AWS_PROFILE is 'gone'; allowed: a profile in ~/.aws/config"),
        ("AWS_ACCESS_KEY_ID", "mine", "AWS_SECRET_ACCESS_KEY is not set; allowed: the other half"),
    ],
)
def test_a_configuration_that_botocore_rejects_fails_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=message):
        kinesis_client(LOCAL)


@pytest.mark.parametrize(("profile", "value"), [(None, "not set"), ("mine", "'mine'")])
def test_an_unreadable_configuration_file_fails_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str | None, value: str
) -> None:
    (tmp_path / "AWS_CONFIG_FILE").write_text("[default")
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(
        SettingsError, match=rf"AWS_PROFILE is {value}; .*Unable to parse config file"
    ):
        kinesis_client(LOCAL)


def test_aws_without_a_region_fails_with_the_variable_to_set() -> None:
    with pytest.raises(SettingsError, match="AWS_REGION is not set; allowed: a region"):
        kinesis_client()


@pytest.mark.parametrize(
    "endpoint",
    [
        "127.0.0.1:4566",
        "localhost",
        "ftp://127.0.0.1",
        "http://",
        "http://[::1",
        "http://localhost:0",
        "http://localhost:99999",
    ],
)
def test_an_endpoint_that_is_not_a_url_fails_with_what_is_allowed(endpoint: str) -> None:
    with pytest.raises(SettingsError, match=r"endpoint URL is .*; allowed: http"):
        kinesis_client(endpoint)


def test_a_client_has_short_timeouts_by_default() -> None:
    config = aws_client("kinesis", LOCAL).meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 20)
    config = aws_client("s3", LOCAL, read_timeout=1, retries={"total_max_attempts": 1}).meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 1)
    assert config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize("application", ["rides", None])
def test_the_user_agent_is_constant_and_names_the_application(
    monkeypatch: pytest.MonkeyPatch, application: str | None
) -> None:
    if application:
        monkeypatch.setenv("AWS_SDK_UA_APP_ID", application)
    client: Any = kinesis_client(LOCAL)
    agents: list[str] = []

    def before_send(request: Any, **_: Any) -> AWSResponse:
        agents.append(request.headers["User-Agent"].decode())
        return AWSResponse(
            request.url, 200, HTTPHeaders(), HTTPResponse(io.BytesIO(b"{}"), preload_content=False)
        )

    client.meta.events.register("before-send.kinesis", before_send)
    client.list_streams()

    (agent,) = agents
    assert agent.startswith("Botocore/")
    assert re.findall(r" app/(\S+)", agent) == ([application] if application else [])
