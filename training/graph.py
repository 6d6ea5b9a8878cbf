"""A fitted model as an ONNX graph that takes raw rides and contains every lookup table."""

import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingRegressor

from training.features import FEATURES, HOURS_OF_DAY, UNKNOWN
from training.fit import FittedModel
from training.trips import MAX_MILES
from training.zones import ZONE_IDS

OPSETS = {"": 21, "ai.onnx.ml": 3}

# Mirrors training.features.look_up line by line. 7 is ONNX's code for int64.
_GRAPH = """
<ir_version: 10, opset_import: ["" : 21, "ai.onnx.ml" : 3]>
ride (
    float[N] PULocationID, float[N] DOLocationID, float[N] trip_distance, float[N] hour,
    float[N] weekday, float[N] passenger_count, float[N] payment_type
) => (OUTPUTS) {
    pickup = Cast <to = 7> (PULocationID)
    dropoff = Cast <to = 7> (DOLocationID)
    pair_row = Mul (pickup, zone_ids)
    pair = Add (pair_row, dropoff)
    started = Cast <to = 7> (hour)
    hour_of_day = Min (started, last_hour)
    day = Cast <to = 7> (weekday)
    day_row = Mul (day, hours_of_day)
    hour_of_week = Add (day_row, hour_of_day)

    of_pair = Gather <axis = 0> (pairs, pair)
    of_pickup = Gather <axis = 0> (pickups, pickup)
    of_dropoff = Gather <axis = 0> (dropoffs, dropoff)
    factor = Gather <axis = 0> (hours, hour_of_week)

    typical = Gather <axis = 1> (of_pair, typical_column)
    effect = Gather <axis = 1> (of_pair, effect_column)
    is_unknown = Equal (trip_distance, zero)
    filled = Where (is_unknown, typical, trip_distance)
    distance = Min (filled, max_miles)
    ratio = Div (trip_distance, typical)

    root = Sqrt (distance)
    by_distance = Mul (b, distance)
    by_root = Mul (c, root)
    linear = Add (a, by_distance)
    curve = Add (linear, by_root)
    average = Add (curve, effect)
    guess = Mul (average, factor)

    no_count = IsNaN (passenger_count)
    passengers = Where (no_count, unknown, passenger_count)
    no_type = IsNaN (payment_type)
    payment = Where (no_type, unknown, payment_type)

    distance_1 = Unsqueeze (distance, last)
    ratio_1 = Unsqueeze (ratio, last)
    factor_1 = Unsqueeze (factor, last)
    pickup_1 = Unsqueeze (PULocationID, last)
    dropoff_1 = Unsqueeze (DOLocationID, last)
    hour_1 = Unsqueeze (hour, last)
    weekday_1 = Unsqueeze (weekday, last)
    passengers_1 = Unsqueeze (passengers, last)
    payment_1 = Unsqueeze (payment, last)
    features = Concat <axis = 1> (
        of_pair, of_pickup, of_dropoff, distance_1, ratio_1, factor_1,
        pickup_1, dropoff_1, hour_1, weekday_1, passengers_1, payment_1
    )
    ENDS
}
"""
_END = """
    NAME_left_1 = ai.onnx.ml.TreeEnsembleRegressor (features)
    NAME_left = Squeeze (NAME_left_1, last)
    NAME_at_training = Add (NAME_left, guess)
    NAME_unbound = Mul (NAME_at_training, level)
    NAME = Max (NAME_unbound, zero)
"""
_RANGE = """
    low = Min (low_quantile, prediction)
    high = Max (high_quantile, prediction)
"""


def to_onnx(model: FittedModel) -> onnx.ModelProto:
    """Return a model as a graph: seven float32 inputs [N], one output `prediction` [N].

    If the target has a range, two more outputs follow, `low` and `high`, each [N], with
    0 <= low <= prediction <= high.
    N may be 0. Zones must be 1 to 265, distances finite and not negative, hours in [0, 24),
    weekdays 0 to 6; passenger count and payment type may be NaN.
    """
    ensembles = {"prediction": model.trees}
    outputs, order = ["prediction"], ""
    if model.range_trees:
        ensembles["low_quantile"], ensembles["high_quantile"] = model.range_trees
        outputs, order = ["prediction", "low", "high"], _RANGE
    ends = "".join(_END.replace("NAME", name) for name in ensembles) + order
    declared = ", ".join(f"float[N] {name}" for name in outputs)
    proto = onnx.parser.parse_model(_GRAPH.replace("OUTPUTS", declared).replace("ENDS", ends))
    tables = model.tables
    a, b, c = tables.curve
    constants = {
        "pairs": tables.pairs,
        "pickups": tables.pickups,
        "dropoffs": tables.dropoffs,
        "hours": tables.hours,
        "a": np.asarray(a),
        "b": np.asarray(b),
        "c": np.asarray(c),
        "level": np.asarray(model.level, np.float32),
        "zero": np.asarray(0, np.float32),
        "max_miles": np.asarray(MAX_MILES, np.float32),
        "unknown": np.asarray(UNKNOWN, np.float32),
        "typical_column": np.asarray(FEATURES.index("typical_distance")),
        "effect_column": np.asarray(FEATURES.index("pair_effect")),
        "zone_ids": np.asarray(ZONE_IDS),
        "hours_of_day": np.asarray(HOURS_OF_DAY),
        "last_hour": np.asarray(HOURS_OF_DAY - 1),
        "last": np.asarray([1]),
    }
    proto.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    nodes = [n for n in proto.graph.node if n.op_type == "TreeEnsembleRegressor"]
    for node, trees in zip(nodes, ensembles.values(), strict=True):
        node.attribute.extend(_tree_attributes(trees))
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _tree_attributes(trees: HistGradientBoostingRegressor) -> list[onnx.AttributeProto]:
    with warnings.catch_warnings():
        # skl2onnx passes booleans as integers, which protobuf deprecates and 7.34 rejects.
        warnings.simplefilter("ignore", DeprecationWarning)
        converted = convert_sklearn(
            trees,
            initial_types=[("features", FloatTensorType([None, len(FEATURES)]))],
            target_opset=OPSETS,
        )
    (node,) = (n for n in converted.graph.node if n.op_type == "TreeEnsembleRegressor")
    # No feature is ever NaN, and the runtime is faster without the check for it.
    return [a for a in node.attribute if a.name != "nodes_missing_value_tracks_true"]
