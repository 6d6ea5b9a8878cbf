"""The tables of infrastructure/README.md are what the .tf files say, and the examples fit them."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from scripts.infrastructure_tables import FOLDER, main, tables

if TYPE_CHECKING:
    from pathlib import Path

README = (FOLDER / "README.md").read_text()


def variables(folder: Path) -> set[str]:
    text = "".join(path.read_text() for path in folder.glob("*.tf"))
    return set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))


def test_the_readme_has_the_tables_of_the_tf_files() -> None:
    assert tables() in README


def test_the_tables_have_a_row_for_each_variable_output_and_attribute() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", tables(), re.MULTILINE)
    outputs = re.findall(r'^output "(\w+)"', (FOLDER / "outputs.tf").read_text(), re.MULTILINE)
    attributes = re.findall(
        r"^    (\w+) += (?:optional\(|set\(|string +#)",
        "".join(path.read_text() for path in FOLDER.glob("*.tf")),
        re.MULTILINE,
    )

    # An object's own table is headed by its name.
    objects = [
        "archive", "consumers", "decision_stream", "decisions", "event_stream",
        "prediction_stream", "vpc",
    ]  # fmt: skip
    assert sorted(rows) == sorted([*variables(FOLDER), *outputs, *attributes, *objects])


def test_another_variable_appears_in_the_readme(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    (tmp_path / "other.tf").write_text(
        'variable "other" {\n  description = "One | or the other"\n  type        = bool\n}\n'
    )

    assert main(tmp_path) == 0

    row = "| `other` | bool | required | One \\| or the other |"
    assert row in (tmp_path / "README.md").read_text()
    assert "## Variables and outputs" in (tmp_path / "README.md").read_text()


def test_the_example_sets_known_variables_only() -> None:
    example = (FOLDER / "terraform.tfvars.example").read_text()
    given = set(re.findall(r"^(?:# )?(\w+) +=", example, re.MULTILINE))

    assert {"name", "alarm_emails", "consumers"} <= given <= variables(FOLDER)


def test_every_setting_of_the_function_can_be_set() -> None:
    """By Terraform itself, or in a consumer's environment."""
    table = (FOLDER.parent / "docs" / "settings.md").read_text()
    settings = set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE))
    code = (FOLDER / "modules/consumer/main.tf").read_text()
    own = set(re.findall(r"\b([A-Z_]{5,}) += ", code))
    refused = re.search(
        r'keys\(consumer\.environment\)\]\), \["(.*?)"\]\)', (FOLDER / "consumers.tf").read_text()
    )

    assert refused
    assert (
        own
        == set(refused[1].split('", "'))
        == {"DEAD_LETTERS", "MODELS", "PREDICTIONS_STREAM_NAME"}
    )
    assert settings >= {*own, "MODEL_LOCATION", "RUN_ID", "AGGREGATE_OUTPUT", "LOG_LEVEL"}
