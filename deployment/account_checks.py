"""What `make doctor` checks of the account: the quotas that a stream's functions meet first."""

from collections.abc import Iterator
from typing import Any

from deployment.findings import Finding, Level, looked_up, ok, wrong

SPARE_CONCURRENCY = 100
"""What Lambda keeps unreserved in an account (Lambda developer guide, Reserved concurrency)."""

QUOTAS_PAGE = "https://console.aws.amazon.com/servicequotas"


def check_concurrency(client: Any, needed: int | None) -> Iterator[Finding]:
    """Check Lambda's quota of concurrent executions; a new account's may be 10.

    Args:
        client: A boto3 Lambda client.
        needed: Concurrent invocations of the mappings: shards times parallelization factor, of all
            consumers; None: nothing is deployed yet.
    """
    subject = "Lambda concurrency"

    def findings(settings: dict[str, Any]) -> Iterator[Finding]:
        limit = settings["AccountLimit"]
        total, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
        least = max(needed or 1, 1)
        if free < least:
            yield wrong(
                subject,
                f"{free} unreserved of {total}",
                f"at least {least}, one for each shard and parallelization factor",
                f"raise the quota at {QUOTAS_PAGE} (Lambda, Concurrent executions)",
            )
            return
        yield ok(subject, f"{free} unreserved of {total}, {least} needed")
        if total <= SPARE_CONCURRENCY:
            yield Finding(
                Level.OK,
                subject,
                f"no reserved_concurrency is possible: Lambda keeps {SPARE_CONCURRENCY} unreserved",
            )

    yield from looked_up(subject, client.get_account_settings, findings)


def check_shards(client: Any) -> Iterator[Finding]:
    """Check Kinesis's quotas of shards and of on-demand streams.

    Args:
        client: A boto3 Kinesis client.
    """
    subject = "Kinesis shards"

    def findings(limits: dict[str, Any]) -> Iterator[Finding]:
        for what, used, limit in (
            ("shards", limits["OpenShardCount"], limits["ShardLimit"]),
            (
                "on-demand streams",
                limits["OnDemandStreamCount"],
                limits["OnDemandStreamCountLimit"],
            ),
        ):
            if used >= limit:
                yield wrong(
                    f"Kinesis {what}",
                    f"{used} of {limit}",
                    f"below {limit} for a new stream",
                    f"raise the quota at {QUOTAS_PAGE} (Kinesis), or delete unused streams",
                )
            else:
                yield ok(f"Kinesis {what}", f"{used} of {limit}")

    yield from looked_up(subject, client.describe_limits, findings)
