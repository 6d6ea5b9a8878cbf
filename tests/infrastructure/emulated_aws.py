"""moto's server with what it lacks of AWS, so that a plan after an apply is empty as it is there.

It has no subscribers and tags of a budget either: the budget is only in the tests with a mocked
provider.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.kinesis.responses import KinesisResponse
from moto.s3.models import FakeBucket
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT = "123456789012"
"""moto's."""


@contextmanager
def emulated_aws() -> Iterator[str]:
    """Serve AWS on a free port of this machine, in this process; yields the endpoint."""
    with ExitStack() as corrections:
        for owner, name, correct in CORRECTIONS:
            corrected = correct(getattr(owner, name, None))
            corrections.enter_context(patch.object(owner, name, corrected, create=True))
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        try:
            yield "http://{}:{}".format(*server.get_host_and_port())
        finally:
            server.stop()


def over_tls(method: Callable[..., Any]) -> Callable[..., Any]:
    """Read a policy as if calls came by TLS: moto applies a Deny whatever its condition."""

    def get_permission(bucket: Any, *arguments: Any, **named: Any) -> Any:
        policy = bucket.policy
        bucket.policy = None if policy and b"aws:SecureTransport" in policy else policy
        try:
            return method(bucket, *arguments, **named)
        finally:
            bucket.policy = policy

    return get_permission


def keep_logging(method: Callable[..., Any]) -> Callable[..., Any]:
    """CreateFunction and UpdateFunctionConfiguration: keep the LoggingConfig."""

    def keep(function: Any, *given: Any, **named: Any) -> Any:
        spec = named.get("spec") or given[-1]
        function.logging_config = spec.get("LoggingConfig") or function.logging_config
        return method(function, *given, **named)

    return keep


def show_logging(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the LoggingConfig with a function's configuration."""

    def show(function: Any, *arguments: Any, **named: Any) -> Any:
        found = method(function, *arguments, **named)
        logging = {"LoggingConfig": function.logging_config} if function.logging_config else {}
        return {**found, **logging}

    return show


def name_the_source(method: Callable[..., Any]) -> Callable[..., Any]:
    """CreateEventSourceMapping: know a stream's consumers, and keep the alias in the ARN."""

    def create(backend: Any, spec: dict[str, Any]) -> Any:
        source, function = spec["EventSourceArn"], spec["FunctionName"]
        mapping = method(backend, {**spec, "EventSourceArn": source.partition("/consumer/")[0]})
        mapping.event_source_arn, mapping.function_arn = source, function
        return mapping

    return create


def keep_tags(method: Callable[..., Any]) -> Callable[..., Any]:
    """CreateStream: keep the tags."""

    def create(response: Any) -> Any:
        created = method(response)
        name, tags = response._get_param("StreamName"), response._get_param("Tags") or {}
        response.kinesis_backend.add_tags_to_stream(None, name, tags)
        return created

    return create


def invoke_nothing(_method: Callable[..., Any]) -> Callable[..., Any]:
    """PutRecords: leave the stream's mappings alone, since the emulator has no image to run."""
    return lambda *_arguments, **_named: None


CORRECTIONS: list[tuple[Any, str, Callable[..., Any]]] = [
    (KinesisResponse, "create_stream", keep_tags),
    (FakeBucket, "get_permission", over_tls),
    (LambdaFunction, "logging_config", lambda _: None),
    (LambdaFunction, "__init__", keep_logging),
    (LambdaFunction, "update_configuration", keep_logging),
    (LambdaFunction, "get_configuration", show_logging),
    (LambdaBackend, "create_event_source_mapping", name_the_source),
    (LambdaBackend, "send_kinesis_message", invoke_nothing),
]
