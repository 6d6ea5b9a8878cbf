from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from lifecycle.quality_metrics import NAMESPACE
from scripts.quality import main
from streaming import aws_client
from tests.lifecycle.ride_archive import RideArchive, at

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '$x_1$ <script>alert("1")</script>\x1b[2J [red]'


@pytest.fixture
def archive(tmp_path: Path) -> RideArchive:
    """Return an archive of two hours, in which every prediction is 2 minutes too long."""
    archive = RideArchive(tmp_path / "archive")
    for minute in range(120):
        archive.ride(f"r{minute}", at(minute), 5 + minute % 20, one=7 + minute % 20)
    archive.write()
    return archive


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_tables_say_how_good_each_version_was(
    archive: RideArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(archive.folder), "--by", "version,distance"]) == 0

    printed = lines(capsys.readouterr().out)
    assert "one 120 100.0% 2.00 2.00 +2.00" in printed
    assert "By distance: version one" in printed
    assert "2-5 mi 120 100.0% 2.00 2.00 +2.00" in printed


def ranged(folder: Path) -> RideArchive:
    """Return an archive of two versions, the ranges of one of which hold three of four rides."""
    archive = RideArchive(folder)
    for minute in range(120):
        event_id = archive.start(f"r{minute}", at(minute))
        archive.end(f"r{minute}", at(minute + 10))
        high = 9.0 if minute % 4 == 0 else 12.0
        ends = {"ride_duration_low": 8.0, "ride_duration_high": high}
        archive.predict(event_id, f"r{minute}", 12, version="one", **ends)
        archive.predict(event_id, f"r{minute}", 12, version="two")
    archive.write()
    return archive


@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_share_in_the_range_is_shown_where_there_is_one(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    folder, page = str(ranged(tmp_path / "archive").folder), tmp_path / "page.html"

    assert main([folder, "--by", "version,borough", "--html", str(page)]) == 0

    printed, _, _ = capsys.readouterr().out.partition("Wrote ")
    assert max(map(len, printed.splitlines())) <= int(columns)
    assert "…" not in printed
    if columns == "200":
        assert "number labelled RMSE MAE bias in range" in lines(printed)
        assert "one 120 100.0% 2.00 2.00 +2.00 75.0%" in lines(printed)
        assert "two 120 100.0% 2.00 2.00 +2.00" in lines(printed)
        assert "Queens 120 100.0% 2.00 2.00 +2.00 75.0%" in lines(printed)
    else:
        assert printed.count("75.0") == 2
    assert "<th>in range</th>" in page.read_text()
    assert "<td>75.0%</td>" in page.read_text()


@pytest.mark.parametrize("columns", ["30", "40", "200"])
def test_no_figure_is_cut_off_on_a_narrow_terminal(
    archive: RideArchive,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    archive.predict("shard:0", "r0", 7, version="0123456789abcdef" * 2)

    assert main([archive.write(), "--by", "version"]) == 0

    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= int(columns)
    assert "…" not in printed or columns == "30"
    if columns != "30":
        assert "+2.00" in printed
        assert "0123456789abcdef" * 2 in "".join(
            line.split(" ")[0] for line in printed.splitlines()
        )


@pytest.mark.parametrize(
    ("bounds", "status"),
    [
        (["--max-rmse", "2.1", "--max-bias", "2.1", "--min-labelled", "1"], 0),
        (["--max-rmse", "1.9"], 1),
        (["--max-bias", "1.9"], 1),
    ],
)
def test_the_exit_status_says_whether_bounds_are_kept(
    archive: RideArchive, bounds: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(archive.folder), *bounds]) == status

    assert ("Not good enough: the " in capsys.readouterr().out) is bool(status)


def test_a_bound_cannot_be_kept_by_an_archive_without_predictions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--max-rmse", "9"]) == 1

    assert capsys.readouterr().out.endswith(
        "Not good enough: no prediction is at least 60 minutes old: nothing can be decided.\n"
    )


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--since", "0h", "--since is '0h'; allowed: such as 90m, 24h or 7d, or a date and time"),
        ("--since", "yesterday", "--since is 'yesterday'; allowed: such as 90m, 24h or 7d"),
        ("--as-of", "2025-03-01", "--as-of is '2025-03-01'; allowed: a date and time such as"),
        ("--by", "version,colour", "--by is 'version,colour'; allowed: version, age, hour, "),
        ("--max-rmse", "0", "--max-rmse is '0'; allowed: a number above 0"),
        ("--target", "fare", "--target is 'fare'; allowed: duration, tip"),
    ],
)
def test_a_bad_option_is_an_error_of_one_line(
    option: str, value: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["archive", option, value])

    assert capsys.readouterr().err.startswith(f"error: {error}")


def test_a_folder_that_does_not_exist_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nope")]) == 1

    assert capsys.readouterr().err == f"error: there is no folder {tmp_path / 'nope'}\n"


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_damaged_file_is_an_error_of_one_line_that_names_it(
    archive: RideArchive, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = archive.folder / "predictions" / "date=2025-03-02"
    folder.mkdir()
    (folder / "bad.parquet").write_bytes(content)

    assert main([str(archive.folder)]) == 1

    error = capsys.readouterr().err
    assert error.startswith("error: the archive cannot be read: ")
    assert "bad.parquet" in error
    assert error.count("\n") == 1


def test_tables_of_another_model_are_an_error_that_names_the_columns(
    archive: RideArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (archive.folder / "ride_ended").rglob("*.parquet"):
        path.write_bytes(next((archive.folder / "predictions").rglob("*.parquet")).read_bytes())

    assert main([str(archive.folder)]) == 1

    assert capsys.readouterr().err == (
        "error: the archive's table ride_ended has no column dropoff_datetime, payment_type, "
        "tip_amount; allowed: the tables of lifecycle.ride_tables\n"
    )


class Page(HTMLParser):
    """Collects what a page would fetch or run, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or ""
            for name, value in attrs
            if name in {"src", "href", "xlink:href"} and not (value or "").startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_runs_nothing(
    archive: RideArchive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.ride("hostile", at(0), 10, **{HOSTILE: 12})
    first, second = tmp_path / "new" / "one.html", tmp_path / "two.html"

    for path in (first, second):
        assert main([archive.write(), "--html", str(path), "--by", "version"]) == 0

    page = Page()
    page.feed(first.read_text())
    assert first.read_bytes() == second.read_bytes()
    assert (page.tags.count("svg"), page.fetched) == (4, [])
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert HOSTILE in page.text
    assert "Short rides end first" in page.text
    assert "\x1b" not in capsys.readouterr().out


def test_no_archive_gives_a_page_without_plots(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0

    page = Page()
    page.feed((tmp_path / "page.html").read_text())
    assert "svg" not in page.tags
    assert "0 predictions of the duration" in page.text


def test_a_bucket_is_read_as_a_folder_is(
    archive: RideArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(archive.folder)]) == 0
    expected = capsys.readouterr().out
    with mock_aws():
        s3 = aws_client("s3")
        s3.create_bucket(Bucket="rides")
        for path in archive.folder.rglob("*.parquet"):
            key = f"live/{path.relative_to(archive.folder).as_posix()}"
            s3.put_object(Bucket="rides", Key=key, Body=path.read_bytes())
        s3.put_object(Bucket="rides", Key="live/_state/ride_events.json", Body=b"{}")

        assert main(["s3://rides/live"]) == 0

    assert capsys.readouterr().out == expected


def test_the_share_in_the_range_is_a_metric_where_there_is_one(tmp_path: Path) -> None:
    archive = ranged(tmp_path / "archive")
    with mock_aws():
        assert main([str(archive.folder), "--cloudwatch"]) == 0

        found = aws_client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName="InRange",
            Dimensions=[
                {"Name": "Model", "Value": "ride_duration_tip_prediction_model"},
                {"Name": "Version", "Value": "one"},
                {"Name": "Target", "Value": "duration"},
            ],
            StartTime=0,
            EndTime=4_000_000_000,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        listed = aws_client("cloudwatch").list_metrics(Namespace=NAMESPACE, MetricName="InRange")

    assert len(listed["Metrics"]) == 1
    assert [(each["Maximum"], each["Unit"]) for each in found] == [
        (pytest.approx(75, abs=1), "Percent")
    ]


def test_metrics_are_those_of_predictions_at_least_an_hour_old(
    archive: RideArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.ride("late", at(119), 20, one=59)
    with mock_aws():
        assert main([archive.write(), "--cloudwatch"]) == 0

        cloudwatch: Any = aws_client("cloudwatch")
        metrics = cloudwatch.list_metrics(Namespace=NAMESPACE)["Metrics"]
        data = cloudwatch.get_metric_data(
            MetricDataQueries=[
                {
                    "Id": metric["MetricName"].lower(),
                    "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Average"},
                }
                for metric in metrics
            ],
            StartTime=0,
            EndTime=4_000_000_000,
        )

    values = {found["Id"]: found["Values"] for found in data["MetricDataResults"]}
    assert values == {
        "rmse": [pytest.approx(2)],
        "mae": [pytest.approx(2)],
        "bias": [pytest.approx(2)],
        "labelled": [pytest.approx(100)],
    }
    dimensions = {found["Name"]: found["Value"] for found in metrics[0]["Dimensions"]}
    assert dimensions == {
        "Model": "ride_duration_tip_prediction_model",
        "Version": "one",
        "Target": "duration",
    }
    assert "Put 4 metrics" in capsys.readouterr().out
