from pathlib import Path

import pytest

from demo.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--rate", "abc"], "--rate is 'abc'; allowed: a number above 0, or 0 for none"),
        (["--rides", "0"], "--rides is '0'; allowed: 1, 2, 3, ..."),
        (["--shards", "many"], "--shards is 'many'; allowed: 1, 2, 3, ..."),
        (["--poison", "2"], "--poison is '2'; allowed: a number from 0 to 1"),
        (["--page", "x"], "--page is 'x'; allowed: 0 to 65535"),
        (["--seed", "x"], "--seed is 'x'; allowed: a whole number"),
        (
            ["--rate", "0", "--rides", "5"],
            "--rate is '0'; allowed with --rides or --data: a number above 0",
        ),
        (["--speed", "0"], "--speed is '0'; allowed: a number above 0"),
        (["--speed", "600"], "--speed is '600'; allowed only with --data, without --rate"),
        (
            ["--speed", "600", "--data", "month.parquet", "--rate", "5"],
            "--speed is '600'; allowed only with --data, without --rate",
        ),
    ],
    ids=str,
)
def test_an_option_that_is_not_allowed_is_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_file_of_trips_that_is_missing_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "nope.parquet"]) == 1
    assert capsys.readouterr().err == "error: no such file: nope.parquet\n"


def test_a_folder_that_cannot_be_written_is_one_line_with_a_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "build").write_text("a file")
    assert main(["--folder", str(tmp_path / "build" / "local")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: cannot create {tmp_path}/build/local/")
    assert error.endswith("Not a directory; name another folder: FOLDER=...\n")
