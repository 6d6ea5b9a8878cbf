"""The quality of predictions as CloudWatch metrics."""

from collections.abc import Iterator, Sequence
from typing import Any

from lifecycle.prediction_quality import COMPLETE, Figures, age_name

NAMESPACE = "RidePredictions"
"""That of the function's own metrics."""

MOST_DATA = 1_000
"""PutMetricData takes so many at once (CloudWatch API reference)."""


def put_quality_metrics(client: Any, target: str, cohorts: Sequence[Figures]) -> int:
    """Put the figures of predictions that are at least `COMPLETE` minutes old.

    Args:
        client: A CloudWatch client.
        target: What is predicted; a dimension, as the version is.
        cohorts: Errors by age.

    Returns:
        How many values were put.

    Raises:
        botocore.exceptions.ClientError: CloudWatch refuses them.
        botocore.exceptions.BotoCoreError: It cannot be reached.
    """
    data = [
        datum
        for figures in cohorts
        if figures.part == age_name(COMPLETE)
        for datum in _data(target, figures)
    ]
    for start in range(0, len(data), MOST_DATA):
        client.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + MOST_DATA])
    return len(data)


def _data(target: str, figures: Figures) -> Iterator[dict[str, Any]]:
    dimensions = [
        {"Name": "Model", "Value": figures.model},
        {"Name": "Version", "Value": figures.version},
        {"Name": "Target", "Value": target},
    ]
    values = {
        "RMSE": figures.rmse,
        "MAE": figures.mae,
        "Bias": figures.bias,
        "Labelled": 100 * figures.labelled_share,
        "InRange": None if figures.in_range is None else 100 * figures.in_range,
    }
    for name, value in values.items():
        if value is not None:
            unit = "Percent" if name in {"Labelled", "InRange"} else "None"
            yield {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
