"""The results of one run, as written to `build/bench.json`."""

from collections.abc import Sequence
from statistics import correlation, linear_regression

import msgspec
import numpy as np


class Spread(msgspec.Struct, frozen=True):
    """Several measurements of one quantity.

    Attributes:
        median: Their median.
        low: Their first quartile.
        high: Their third quartile.
        count: The number of measurements.
    """

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one measurement."""
        low, median, high = np.percentile(values, (25, 50, 75)).tolist()
        return cls(median, low, high, len(values))


class Line(msgspec.Struct, frozen=True):
    """A line fitted by least squares.

    Attributes:
        slope: Increase of y with each x.
        start: y at x = 0.
        r_squared: Share of y's variance that the line explains.
    """

    slope: float
    start: float
    r_squared: float

    @classmethod
    def through(cls, xs: Sequence[float], ys: Sequence[float]) -> "Line":
        """Fit at least two points, whose xs are not all equal."""
        slope, start = linear_regression(xs, ys)
        return cls(slope, start, correlation(xs, ys) ** 2)


class Throughput(msgspec.Struct, frozen=True):
    """The time one contender takes for batches of one size.

    Attributes:
        contender: The contender's name.
        batch: Records in a batch.
        seconds: Wall time of a batch, publishing included.
        cpu_seconds: CPU time of the contender's process for a batch.
    """

    contender: str
    batch: int
    seconds: Spread
    cpu_seconds: Spread

    @property
    def records_per_second(self) -> float:
        """Records a second, from the median."""
        return self.batch / self.seconds.median


class Stages(msgspec.Struct, frozen=True):
    """Where the time of a batch goes.

    Attributes:
        batch: Records in a batch.
        microseconds: µs a record by stage, in the order of the stages.
        parse_microseconds: µs a record that Lambda's runtime takes to parse the event beforehand.
    """

    batch: int
    microseconds: dict[str, float]
    parse_microseconds: float


class Start(msgspec.Struct, frozen=True):
    """A contender's start, with its bytecode compiled and its files in the page cache.

    Attributes:
        contender: The contender's name.
        import_seconds: From the start of the process until the handler is imported.
        seconds: From the start of the process to its first prediction.
        resident_mb: Resident MiB after the first prediction.
        packages: Milliseconds of import by package, in import order.
    """

    contender: str
    import_seconds: Spread
    seconds: Spread
    resident_mb: Spread
    packages: dict[str, float]


class Growth(msgspec.Struct, frozen=True):
    """Time and memory by batch size.

    Attributes:
        what: What grows: a batch or an aggregate.
        sizes: Numbers of rides.
        milliseconds: CPU time of the process for each size.
        peak_mb: Peak resident MiB of the process for each size.
    """

    what: str
    sizes: list[int]
    milliseconds: list[float]
    peak_mb: list[float]

    @property
    def time_line(self) -> Line:
        """The line through the milliseconds."""
        return Line.through(self.sizes, self.milliseconds)

    @property
    def memory_line(self) -> Line:
        """The line through the peaks."""
        return Line.through(self.sizes, self.peak_mb)


class Latency(msgspec.Struct, frozen=True):
    """Time from put to readable prediction, through the pipeline on one machine.

    Attributes:
        rate: Rides a second.
        p50_ms: Median, in milliseconds.
        p99_ms: 99th percentile, in milliseconds.
    """

    rate: float
    p50_ms: float
    p99_ms: float


class Sustained(msgspec.Struct, frozen=True):
    """The highest rate that the pipeline on one machine sustains.

    Attributes:
        shards: Shards of each of the two streams.
        rides_per_second: From the first put to the last prediction read.
    """

    shards: int
    rides_per_second: float


class Results(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        machine: What it was measured on, by label.
        throughput: By contender and batch size.
        stages: By batch size.
        starts: By contender.
        resident_mb: Resident MiB after large batches, by contender.
        growth: Of a batch and of an aggregate.
        latency: By rate.
        sustained: By number of shards.
    """

    machine: dict[str, str]
    throughput: list[Throughput]
    stages: list[Stages]
    starts: list[Start]
    resident_mb: dict[str, float]
    growth: list[Growth]
    latency: list[Latency]
    sustained: list[Sustained]

    def throughput_of(self, contender: str) -> dict[int, Throughput]:
        """Return a contender's throughput by batch size, smallest first."""
        cells = [cell for cell in self.throughput if cell.contender == contender]
        return {cell.batch: cell for cell in sorted(cells, key=lambda cell: cell.batch)}
