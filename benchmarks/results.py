"""What a run finds out, as it stands in `build/bench.json`."""

import statistics
from collections.abc import Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """Some measurements of one thing.

    Attributes:
        median: Their median.
        low: Their first quartile.
        high: Their third quartile.
        count: How many there are.
    """

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum up at least one measurement."""
        low, median, high = (
            statistics.quantiles(values, n=4, method="inclusive")
            if len(values) > 1
            else [values[0]] * 3
        )
        return cls(median, low, high, len(values))


class Line(msgspec.Struct, frozen=True):
    """A straight line of least squares.

    Attributes:
        slope: By how much y grows with each x.
        start: y at x = 0.
        r_squared: The share of y's variance that the line explains.
    """

    slope: float
    start: float
    r_squared: float

    @classmethod
    def through(cls, xs: Sequence[float], ys: Sequence[float]) -> "Line":
        """Fit at least two points, whose xs are not all alike."""
        slope, start = statistics.linear_regression(xs, ys)
        return cls(slope, start, statistics.correlation(xs, ys) ** 2)


class Throughput(msgspec.Struct, frozen=True):
    """How long one contender takes for batches of one size.

    Attributes:
        contender: Whose handler.
        batch: Records in a batch.
        seconds: For a whole batch, publishing included.
        cpu_seconds: The same, of the process's own CPU time.
    """

    contender: str
    batch: int
    seconds: Spread
    cpu_seconds: Spread

    @property
    def records_per_second(self) -> float:
        """What the median comes to."""
        return self.batch / self.seconds.median

    @property
    def microseconds(self) -> float:
        """What the median comes to, for one record."""
        return 1e6 * self.seconds.median / self.batch


class Stages(msgspec.Struct, frozen=True):
    """Where the time of a batch goes.

    Attributes:
        batch: Records in a batch.
        microseconds: For one record, by stage, in the order of the stages.
        parse_microseconds: What Lambda's runtime takes before, to parse a record of the event.
    """

    batch: int
    microseconds: dict[str, float]
    parse_microseconds: float


class Start(msgspec.Struct, frozen=True):
    """How one contender starts, with its bytecode compiled and its files in the page cache.

    Attributes:
        contender: Whose.
        seconds: From the start of the process to its first prediction.
        import_seconds: From the start of the process until the handler is imported.
        resident_mb: After the first prediction.
        packages: Milliseconds of import by package, in the order of the imports.
    """

    contender: str
    seconds: Spread
    import_seconds: Spread
    resident_mb: float
    packages: dict[str, float]


class Growth(msgspec.Struct, frozen=True):
    """How time and memory grow.

    Attributes:
        what: What grows.
        sizes: How many rides.
        milliseconds: Of the process's CPU time, for each size.
        peak_mb: The process's peak of resident memory, for each size.
        time_line: The line through the milliseconds.
        memory_line: The line through the peaks.
    """

    what: str
    sizes: list[int]
    milliseconds: list[float]
    peak_mb: list[float]
    time_line: Line
    memory_line: Line


class Latency(msgspec.Struct, frozen=True):
    """Put to prediction readable, through the pipeline on one machine.

    Attributes:
        rate: Rides a second.
        p50_ms: The median, in milliseconds.
        p99_ms: What one ride in a hundred is above.
    """

    rate: float
    p50_ms: float
    p99_ms: float


class Sustained(msgspec.Struct, frozen=True):
    """The most that the pipeline on one machine takes.

    Attributes:
        shards: Of either stream.
        rides_per_second: From the first put to the last prediction read.
    """

    shards: int
    rides_per_second: float


class Machine(msgspec.Struct, frozen=True):
    """What it was measured on.

    Attributes:
        processor: Its name.
        cores: How many.
        memory_gb: How much.
        system: Kernel and architecture.
        python: The version.
        libraries: Versions by name.
        revision: The project's commit.
        date: Of the run, UTC.
        load: The load average of the last minute, before and after the run.
    """

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    libraries: dict[str, str]
    revision: str
    date: str
    load: tuple[float, float]


class Results(msgspec.Struct, frozen=True):
    """One run."""

    machine: Machine
    throughput: list[Throughput]
    stages: list[Stages]
    starts: list[Start]
    resident_mb: dict[str, float]
    growth: list[Growth]
    latency: list[Latency]
    sustained: list[Sustained]

    def throughput_of(self, contender: str, batch: int) -> Throughput:
        """Find one cell of the table.

        Raises:
            KeyError: It was not measured.
        """
        for cell in self.throughput:
            if (cell.contender, cell.batch) == (contender, batch):
                return cell
        raise KeyError((contender, batch))
