"""AWS clients, for AWS itself or for an emulator."""

import logging
import os
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    InvalidRegionError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.utils import is_valid_endpoint_url

from streaming.call_deadline import install_call_deadline
from streaming.errors import SettingsError
from streaming.fast_put_records import install_fast_put_records
from streaming.locations import split_url, without_credentials

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

# Seconds. A response to GetRecords may hold 10 MiB; no other response is large.
TIMEOUTS: dict[str, Any] = {"connect_timeout": 5, "read_timeout": 20, "tcp_keepalive": True}
CALL_SECONDS = 120.0
"""What one request may take, however its bytes trickle in."""

NO_RETRIES: dict[str, Any] = {"total_max_attempts": 1, "mode": "standard"}
"""`retries` of a client whose caller retries: the publisher resends only what was refused."""

ISOLATED: dict[str, Any] = {"proxies": {}, "use_fips_endpoint": False}
EMULATOR_KEY = "local"
"""The dummy credentials for an emulator: access key and secret key."""

EMULATOR_REGION = "us-east-1"


def kinesis_client(
    endpoint_url: str | None = None,
    *,
    isolated: bool = False,
    call_seconds: float = CALL_SECONDS,
    **config: Any,
) -> "KinesisClient":
    """Create a Kinesis client.

    Args:
        endpoint_url: By default the environment variable KINESIS_ENDPOINT_URL, then as for
            `aws_client`.
        isolated: As for `aws_client`.
        call_seconds: As for `aws_client`.
        config: As for `aws_client`.

    Raises:
        SettingsError: As for `aws_client`.
    """
    endpoint_url = endpoint_url or os.environ.get("KINESIS_ENDPOINT_URL")
    client = aws_client(
        "kinesis", endpoint_url, isolated=isolated, call_seconds=call_seconds, **config
    )
    install_fast_put_records(client)
    return cast("KinesisClient", client)


def aws_client(
    service: str,
    endpoint_url: str | None = None,
    *,
    isolated: bool = False,
    call_seconds: float = CALL_SECONDS,
    **config: Any,
) -> Any:
    """Create a botocore client; it has the same methods as boto3's.

    An emulator (any endpoint outside AWS's domains) needs neither credentials nor a region: if none
    are configured, dummy ones are used. Dummy credentials are never sent to AWS.

    Args:
        service: The service's name, such as `kinesis`.
        endpoint_url: By default the environment variable AWS_ENDPOINT_URL_<SERVICE> or
            AWS_ENDPOINT_URL, then AWS.
        isolated: For an emulator on this machine: always use the dummy credentials, and no profile
            or proxy.
        call_seconds: The longest that a request may take; see `install_call_deadline`.
        config: Fields of botocore's `Config`; they override `TIMEOUTS`.

    Raises:
        SettingsError: The endpoint is not a URL; the region is missing or malformed; the
            credentials for AWS are missing; the profile does not exist; or half of a key pair is
            missing.
    """
    _hold_debug_logs()
    session = _isolated_session() if isolated else botocore.session.get_session()
    try:
        endpoint = endpoint_url or _configured_endpoint(session, service)
        is_emulator = endpoint is not None and not is_aws(endpoint, session)
        region = session.get_config_variable("region") or os.environ.get("AWS_REGION")
        key = EMULATOR_KEY if isolated else _emulator_key(session) if is_emulator else None
        client = session.create_client(
            service,
            region_name=EMULATOR_REGION if is_emulator and not region else region,
            endpoint_url=endpoint_url,
            config=Config(
                user_agent=_user_agent(session),
                **{**TIMEOUTS, **(ISOLATED if isolated else {}), **config},
            ),
            aws_access_key_id=key,
            aws_secret_access_key=key,
        )
        unsigned = key is None and session.get_credentials() is None
    except BotoCoreError as error:
        raise _settings_error(error) from error
    if unsigned:
        raise SettingsError(
            "AWS_ACCESS_KEY_ID", None, "a key, or a profile or role that provides one"
        )
    install_call_deadline(client, call_seconds)
    return client


def _user_agent(session: botocore.session.Session) -> str:
    """Return a constant user agent; botocore builds its own twice in each call, a tenth of it."""
    application = session.get_config_variable("user_agent_appid")
    return session.user_agent() + (f" app/{application}" if application else "")


def _hold_debug_logs() -> None:
    """Keep session tokens and payloads, which botocore logs at DEBUG, out of the root's DEBUG log.

    Lambda sets the root logger's level to the function's application log level.
    """
    for name in ("botocore", "urllib3"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))


def _isolated_session() -> botocore.session.Session:
    # For each variable: name in a file, name in the environment, value, conversion.
    return botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            "region": (None, None, EMULATOR_REGION, None),
        }
    )


def _configured_endpoint(session: botocore.session.Session, service: str) -> str | None:
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    name = service.upper().replace("-", "_")
    return os.environ.get(f"AWS_ENDPOINT_URL_{name}") or os.environ.get("AWS_ENDPOINT_URL") or None


def is_aws(endpoint_url: str, session: botocore.session.Session | None = None) -> bool:
    """Return whether an endpoint is in a domain of AWS, in any of its partitions.

    Args:
        endpoint_url: The endpoint.
        session: Has botocore's data of the partitions, if it is loaded already.

    Raises:
        SettingsError: The endpoint is not a URL.
    """
    url = split_url(endpoint_url)
    is_url = url.scheme in {"http", "https"} and url.port != 0
    if not (is_url and is_valid_endpoint_url(endpoint_url)):
        raise SettingsError(
            "endpoint URL",
            without_credentials(endpoint_url),
            "http:// or https:// and a host, such as http://127.0.0.1:4566",
        )
    partitions = (session or _isolated_session()).get_data("partitions")["partitions"]
    domains = {
        f".{outputs[name]}"
        for outputs in (partition["outputs"] for partition in partitions)
        for name in ("dnsSuffix", "dualStackDnsSuffix")
    }
    return str(url.hostname).rstrip(".").endswith(tuple(domains))


def _emulator_key(session: botocore.session.Session) -> str | None:
    # EC2's metadata service does not exist elsewhere, and finding that out takes seconds.
    session.get_component("credential_provider").remove("iam-role")
    return None if session.get_credentials() else EMULATOR_KEY


def _settings_error(error: BotoCoreError) -> SettingsError:
    details = error.kwargs
    match error:
        case NoRegionError() | InvalidRegionError():
            name, value = "AWS_REGION", details.get("region_name")
            allowed = "a region, such as us-east-1"
        case ProfileNotFound():
            name, value, allowed = "AWS_PROFILE", details["profile"], "a profile in ~/.aws/config"
        case PartialCredentialsError():
            name, value, allowed = details["cred_var"], None, "the other half of the key pair"
        case _:
            profile = os.environ.get("AWS_PROFILE")
            name, value, allowed = "AWS_PROFILE", profile, f"a profile that can be used ({error})"
    return SettingsError(name, value, allowed)
