"""Tables of comparisons and registered versions, for terminals of any width."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from lifecycle.gate import SLICE_BOUND, SLICE_RIDES, Comparison, Difference
from lifecycle.registry import MODELS, RegisteredVersion

_METRICS = ("validation_rmse", "test_rmse")


def comparison_table(comparison: Comparison) -> Table:
    """Format a comparison."""
    overall = comparison.overall
    table = Table(
        title=f"{comparison.target.name} on {', '.join(comparison.months)}: version "
        f"{comparison.candidate_version} beside the champion, version "
        f"{comparison.champion_version}",
        caption=f"RMSE in {comparison.target.unit}. Squared error, candidate minus champion: "
        f"{overall.low:+.3f} to {overall.high:+.3f} (95 % interval, paired bootstrap of days). "
        f"A slice of at least {SLICE_RIDES} rides may be worse by {SLICE_BOUND:.0%}.",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("")
    for heading in ("rides", "champion", "candidate", "change"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for part in (overall, *comparison.by_slice):
        table.add_row(
            part.name,
            f"{part.rides:,}",
            f"{part.champion:.2f}",
            f"{part.candidate:.2f}",
            f"{part.candidate / part.champion - 1:+.1%}" if part.champion else "",
            _remark(part, overall),
            end_section=part is overall,
        )
    costs = comparison.champion_cost, comparison.candidate_cost
    table.add_section()
    table.add_row("µs per ride", "", *(f"{cost.us_per_ride:.2f}" for cost in costs), "", "")
    memory = ("?" if cost.mb is None else f"{cost.mb:.1f}" for cost in costs)
    table.add_row("memory, MiB", "", *memory, "", "")
    return table


def models_table(target: str, versions: Sequence[RegisteredVersion]) -> Table:
    """Format the versions of a target's model."""
    table = Table(title=MODELS[target], box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("", justify="right")
    for heading in ("registered", "alias"):
        table.add_column(heading, no_wrap=True)
    table.add_column("trained on")
    for metric in _METRICS:
        table.add_column(metric.replace("_", " ").replace("rmse", "RMSE"), justify="right")
    for version in versions:
        table.add_row(
            version.version,
            f"{version.registered_at:%Y-%m-%d}",
            "\n".join(version.aliases),
            ", ".join(version.trained_on),
            *(f"{version.metrics[m]:.2f}" if m in version.metrics else "" for m in _METRICS),
        )
    return table


def _remark(part: Difference, overall: Difference) -> str:
    if part is overall:
        return "better" if part.is_better else "not better by more than noise"
    if part.is_too_bad:
        return "too bad"
    return "too few to decide on" if part.rides < SLICE_RIDES else ""
