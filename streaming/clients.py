"""AWS clients, for AWS itself or for an endpoint that stands in for it."""

import os
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import NoRegionError

from streaming.errors import SettingsError
from streaming.put_records import hasten_put_records

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

# Seconds. An answer of GetRecords may hold 10 MiB; nothing else here is large.
TIMEOUTS: dict[str, Any] = {"connect_timeout": 5, "read_timeout": 20, "tcp_keepalive": True}
AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
STAND_IN = "local"
STAND_IN_REGION = "us-east-1"


def kinesis_client(endpoint_url: str | None = None, **config: Any) -> "KinesisClient":
    """Build a Kinesis client.

    Args:
        endpoint_url: Default KINESIS_ENDPOINT_URL of the environment, else as for `aws_client`.
        config: As for `aws_client`.

    Raises:
        SettingsError: As for `aws_client`.
    """
    endpoint_url = endpoint_url or os.environ.get("KINESIS_ENDPOINT_URL")
    client = aws_client("kinesis", endpoint_url, **config)
    hasten_put_records(client)
    return cast("KinesisClient", client)


def aws_client(service: str, endpoint_url: str | None = None, **config: Any) -> Any:
    """Build a botocore client, which has the methods of boto3's.

    An endpoint that is not AWS's own needs neither credentials nor a region: if none are
    configured, stand-ins are used. AWS itself is never asked with stand-ins.

    Args:
        service: Its name, such as `kinesis`.
        endpoint_url: Default AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL of the environment,
            else AWS.
        config: Overrides of `TIMEOUTS`, and other fields of botocore's `Config`.

    Raises:
        SettingsError: The endpoint is not a URL, or AWS is meant and no region or no credentials
            are configured.
    """
    session = botocore.session.get_session()
    region = session.get_config_variable("region") or os.environ.get("AWS_REGION")
    named = endpoint_url or _configured_endpoint(service)
    key = None
    if named and not _is_aws(named):
        region = region or STAND_IN_REGION
        key = _stand_in_key(session)
    try:
        client = session.create_client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            config=Config(**{**TIMEOUTS, **config}),
            aws_access_key_id=key,
            aws_secret_access_key=key,
        )
    except NoRegionError:
        raise SettingsError("AWS_REGION", region, "a region, such as us-east-1") from None
    if key is None and session.get_credentials() is None:
        raise SettingsError("AWS_ACCESS_KEY_ID", None, "a key; a profile or a role gives one too")
    return client


def _configured_endpoint(service: str) -> str | None:
    name = service.upper().replace("-", "_")
    return os.environ.get(f"AWS_ENDPOINT_URL_{name}") or os.environ.get("AWS_ENDPOINT_URL")


def _is_aws(endpoint_url: str) -> bool:
    url = urlsplit(endpoint_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise SettingsError(
            "endpoint URL",
            endpoint_url,
            "http:// or https:// and a host, such as http://127.0.0.1:4566",
        )
    return url.hostname.endswith(AWS_DOMAINS)


def _stand_in_key(session: botocore.session.Session) -> str | None:
    # Outside EC2 its metadata service is not there, and asking it costs seconds.
    session.get_component("credential_provider").remove("iam-role")
    return None if session.get_credentials() else STAND_IN
