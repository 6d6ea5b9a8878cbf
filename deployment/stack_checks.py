"""What `make doctor` finds of a deployment: streams, functions, mappings, aliases."""

from collections.abc import Callable, Iterator
from typing import Any

from cli.printable import counted
from deployment.checks import Finding, check, ok, wrong
from deployment.errors import DeploymentError
from deployment.image_architecture import download, image_architecture
from deployment.live_alias import LiveAlias
from deployment.stack import DeployedConsumer, Stack
from deployment.target import Clients

APPLY = "set it in infrastructure/terraform.tfvars, and run `make deploy`"
REAPPLY = "somebody has changed it by hand; run `make deploy`"


@check
def check_stream(subject: str, client: Any, name: str) -> Iterator[Finding]:
    """Check a stream's status, mode and encryption."""
    summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    mode = summary.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
    hours, shards = summary["RetentionPeriodHours"], summary["OpenShardCount"]
    if (status := summary["StreamStatus"]) not in {"ACTIVE", "UPDATING"}:
        yield wrong(subject, status, "ACTIVE", "wait, then run `make doctor` again")
    if (encryption := summary.get("EncryptionType", "NONE")) != "KMS":
        yield wrong(f"{subject}, encryption", encryption, "KMS", REAPPLY)
    size = f"{counted(shards, 'shard')}, {hours} hours"
    yield ok(subject, f"{mode}, {size}, encryption {encryption}")


@check
def check_mapping(
    subject: str, client: Any, consumer: DeployedConsumer, uuid: str | None = None
) -> Iterator[Finding]:
    """Check an event source mapping's settings against the recommended ones.

    Args:
        subject: What the lines are about.
        client: For Lambda.
        consumer: The function that it invokes.
        uuid: The mapping; None: the function's first.
    """
    mapping = client.get_event_source_mapping(UUID=uuid or consumer.mapping_uuid)
    get = mapping.get
    destination = get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    result, function = str(get("LastProcessingResult", "")), str(get("FunctionArn", ""))
    retries, age = get("MaximumRetryAttempts", -1), get("MaximumRecordAgeInSeconds", -1)
    bisect, types = get("BisectBatchOnFunctionError"), get("FunctionResponseTypes")
    report, bounded = ["ReportBatchItemFailures"], "bounded: a record blocks its shard"
    enable = "enable it: no record is read while it is not"
    problems = [
        wrong(f"{subject}, {field}", found, allowed, remedy)
        for as_recommended, field, found, allowed, remedy in (
            (get("State") == "Enabled", "State", get("State"), "Enabled", enable),
            (bisect is True, "BisectBatchOnFunctionError", bisect, True, REAPPLY),
            (types == report, "FunctionResponseTypes", types, report, REAPPLY),
            (retries != -1, "MaximumRetryAttempts", retries, bounded, APPLY),
            (age != -1, "MaximumRecordAgeInSeconds", age, bounded, APPLY),
            (destination, "on-failure destination", "none", "a bucket", REAPPLY),
            (
                function.endswith(f":{consumer.alias}"),
                "function", function, consumer.alias_arn, REAPPLY,
            ),
            (
                not result.startswith("PROBLEM"),
                "last result", result, "OK", f"read {consumer.log_group}",
            ),
        )
        if not as_recommended
    ]  # fmt: skip
    yield from problems or [
        ok(
            subject,
            f"batches of {get('BatchSize')}, {get('ParallelizationFactor', 1)} at a time for each "
            f"shard, {retries} retries, failures to {destination}",
        )
    ]


@check
def check_alias(subject: str, client: Any, consumer: DeployedConsumer) -> Iterator[Finding]:
    """Check whether an alias was left between two versions."""
    try:
        state = LiveAlias(client, consumer.function_name, consumer.alias).read()
    except DeploymentError as error:
        yield Finding("wrong", subject, f"{error}; run `make deploy`")
        return
    if state.weights:
        remedy = "`make rollback` goes back to the older"
        allowed = "at one, unless a deployment is running"
        yield wrong(subject, f"between two versions ({state})", allowed, remedy)
        return
    newest = "" if state.version == consumer.version else f", and {consumer.version} is the newest"
    yield ok(subject, f"{state}{newest}")


@check
def check_function(
    subject: str,
    clients: Clients,
    consumer: DeployedConsumer,
    download: Callable[[str], bytes] = download,
) -> Iterator[Finding]:
    """Check a function's state, and its architecture against its image's."""
    function = clients("lambda").get_function(
        FunctionName=consumer.function_name, Qualifier=consumer.alias
    )
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
        yield Finding("unknown", f"{subject}, image", f"{error}; pull it and inspect it")
        return
    if built != own:
        remedy = f"make deploy ARCHITECTURE={own}"
        yield wrong(f"{subject}, image", f"built for {built}", own, remedy)
    else:
        yield ok(subject, f"{own}, as its image is, {configuration.get('MemorySize')} MB")


def check_stack(
    clients: Clients, stack: Stack, download: Callable[[str], bytes] = download
) -> Iterator[Finding]:
    """Check everything that is deployed."""
    streams = (stack.event_stream, stack.prediction_stream, stack.decision_stream)
    for stream in filter(None, streams):
        yield from check_stream(f"stream {stream.name}", clients("kinesis"), stream.name)
    for name, consumer in sorted(stack.functions.items()):
        yield from check_function(f"function {name}", clients, consumer, download)
        yield from check_alias(f"alias {name}", clients("lambda"), consumer)
        for uuid, stream in stack.mappings(consumer).items():
            of = name if uuid == consumer.mapping_uuid else f"{name} of {stream.name}"
            yield from check_mapping(f"mapping {of}", clients("lambda"), consumer, uuid)
