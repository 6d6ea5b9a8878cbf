"""What `make doctor` checks of a deployment: streams, functions, mappings, aliases."""

from collections.abc import Callable, Iterator
from typing import Any

from deployment.errors import DeploymentError
from deployment.findings import Finding, Level, looked_up, ok, wrong
from deployment.image_architecture import download, image_architecture
from deployment.live_alias import LiveAlias
from deployment.stack import DeployedConsumer, Stack, Stream
from deployment.target import Clients

APPLY = "set it in infrastructure/terraform.tfvars, and run `make deploy`"
REAPPLY = "somebody has changed it by hand; run `make deploy`"


def check_stream(client: Any, stream: Stream) -> Iterator[Finding]:
    """Check a stream's status, mode and encryption.

    Args:
        client: A boto3 Kinesis client.
        stream: The stream.
    """
    subject = f"stream {stream.name}"

    def findings(response: dict[str, Any]) -> Iterator[Finding]:
        summary = response["StreamDescriptionSummary"]
        mode = summary.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
        hours, shards = summary["RetentionPeriodHours"], summary["OpenShardCount"]
        if (status := summary["StreamStatus"]) not in {"ACTIVE", "UPDATING"}:
            yield wrong(subject, status, "ACTIVE", "wait, then run `make doctor` again")
        if (encryption := summary.get("EncryptionType", "NONE")) != "KMS":
            yield wrong(f"{subject}, encryption", encryption, "KMS", REAPPLY)
        yield ok(subject, f"{mode}, {shards} shards, {hours} hours, encryption {encryption}")

    yield from looked_up(
        subject, lambda: client.describe_stream_summary(StreamName=stream.name), findings
    )


def open_shards(client: Any, stream: Stream) -> int:
    """Return how many shards a stream has."""
    response = client.describe_stream_summary(StreamName=stream.name)
    return int(response["StreamDescriptionSummary"]["OpenShardCount"])


def check_mapping(client: Any, name: str, consumer: DeployedConsumer) -> Iterator[Finding]:
    """Check an event source mapping's settings against the recommended ones.

    Args:
        client: A boto3 Lambda client.
        name: The consumer.
        consumer: Its function and mapping.
    """
    subject = f"mapping {name}"

    def findings(mapping: dict[str, Any]) -> Iterator[Finding]:
        destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        found = [
            *_expected(
                subject,
                mapping,
                {
                    "State": ("Enabled", "enable it: no record is read while it is not"),
                    "BisectBatchOnFunctionError": (True, REAPPLY),
                    "FunctionResponseTypes": (["ReportBatchItemFailures"], REAPPLY),
                },
            )
        ]
        found += [
            wrong(f"{subject}, {field}", -1, "bounded: a record blocks its shard", APPLY)
            for field in ("MaximumRetryAttempts", "MaximumRecordAgeInSeconds")
            if mapping.get(field, -1) == -1
        ]
        if not destination:
            found.append(wrong(f"{subject}, on-failure destination", "none", "a bucket", REAPPLY))
        if not str(mapping.get("FunctionArn", "")).endswith(f":{consumer.alias}"):
            target = mapping.get("FunctionArn")
            found.append(wrong(f"{subject}, function", target, consumer.alias_arn, REAPPLY))
        if str(result := mapping.get("LastProcessingResult", "")).startswith("PROBLEM"):
            found.append(
                wrong(f"{subject}, last result", result, "OK", f"read {consumer.log_group}")
            )
        yield from found or [
            ok(
                subject,
                f"batches of {mapping.get('BatchSize')}, "
                f"{mapping.get('ParallelizationFactor', 1)} at a time for each shard, "
                f"{mapping.get('MaximumRetryAttempts')} retries, failures to {destination}",
            )
        ]

    yield from looked_up(
        subject,
        lambda: client.get_event_source_mapping(UUID=consumer.mapping_uuid),
        findings,
    )


def check_alias(client: Any, name: str, consumer: DeployedConsumer) -> Iterator[Finding]:
    """Check whether an alias was left between two versions.

    Args:
        client: A boto3 Lambda client.
        name: The consumer.
        consumer: Its function and alias.
    """
    subject = f"alias {name}"
    try:
        state = LiveAlias(client, consumer.function_name, consumer.alias).read()
    except DeploymentError as error:
        yield Finding(Level.WRONG, subject, f"{error}; run `make deploy`")
        return
    if state.weights:
        yield wrong(
            subject,
            f"between two versions ({state})",
            "at one, unless a deployment is running",
            "`make rollback` goes back to the older",
        )
        return
    newest = "" if state.version == consumer.version else f", and {consumer.version} is the newest"
    yield ok(subject, f"{state}{newest}")


def check_function(
    clients: Clients,
    name: str,
    consumer: DeployedConsumer,
    download: Callable[[str], bytes] = download,
) -> Iterator[Finding]:
    """Check a function's state, and its architecture against its image's.

    Args:
        clients: For Lambda and ECR.
        name: The consumer.
        consumer: Its function.
        download: Reads a URL.
    """
    subject = f"function {name}"

    def findings(function: dict[str, Any]) -> Iterator[Finding]:
        configuration, code = function["Configuration"], function["Code"]
        if (state := configuration.get("State", "Active")) not in {"Active", "Inactive"}:
            reason = configuration.get("StateReason", "no reason given")
            yield wrong(subject, f"{state} ({reason})", "Active", "run `make deploy` again")
        (own,) = configuration.get("Architectures") or ["x86_64"]
        named = str(code.get("ImageUri"))
        image = named if "@" in named else code.get("ResolvedImageUri", named)
        try:
            built = image_architecture(clients("ecr"), image, download)
        except DeploymentError as error:
            yield Finding(Level.UNKNOWN, f"{subject}, image", f"{error}; pull it and inspect it")
            return
        if built != own:
            yield wrong(
                f"{subject}, image", f"built for {built}", own, "make deploy ARCHITECTURE=" + own
            )
        else:
            yield ok(subject, f"{own}, as its image is, {configuration.get('MemorySize')} MB")

    yield from looked_up(
        subject,
        lambda: clients("lambda").get_function(
            FunctionName=consumer.function_name, Qualifier=consumer.alias
        ),
        findings,
    )


def check_stack(
    clients: Clients, stack: Stack, download: Callable[[str], bytes] = download
) -> Iterator[Finding]:
    """Check everything that is deployed.

    Args:
        clients: Clients for its account and region.
        stack: The deployment.
        download: Reads a URL.
    """
    for stream in (stack.event_stream, stack.prediction_stream):
        yield from check_stream(clients("kinesis"), stream)
    for name, consumer in sorted(stack.consumers.items()):
        yield from check_function(clients, name, consumer, download)
        yield from check_alias(clients("lambda"), name, consumer)
        yield from check_mapping(clients("lambda"), name, consumer)


def needed_concurrency(clients: Clients, stack: Stack) -> int:
    """Return the concurrent invocations of all mappings whose function has none reserved.

    Args:
        clients: Clients for Kinesis and Lambda.
        stack: The deployment.
    """
    shards = open_shards(clients("kinesis"), stack.event_stream)
    client = clients("lambda")
    needed = 0
    for each in stack.consumers.values():
        reserved = client.get_function_concurrency(FunctionName=each.function_name)
        if reserved.get("ReservedConcurrentExecutions") is None:
            mapping = client.get_event_source_mapping(UUID=each.mapping_uuid)
            needed += shards * int(mapping.get("ParallelizationFactor", 1))
    return needed


def _expected(
    subject: str, mapping: dict[str, Any], recommended: dict[str, tuple[object, str]]
) -> Iterator[Finding]:
    for field, (value, remedy) in recommended.items():
        if (found := mapping.get(field)) != value:
            yield wrong(f"{subject}, {field}", found, str(value), remedy)
