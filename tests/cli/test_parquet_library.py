from pathlib import Path

from cli.parquet_library import REQUIREMENTS, install_command


def test_the_install_command_has_relative_paths_where_possible(tmp_path: Path) -> None:
    project = REQUIREMENTS.parent.parent
    python = str(project / ".venv-run" / "bin" / "python")
    assert install_command(python, project) == (
        ".venv-run/bin/python -m pip install --require-hashes -r requirements/parquet.txt"
    )
    assert install_command(python, tmp_path).startswith(python)
