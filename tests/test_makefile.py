"""What `make` does before any program runs: environments, variables, signals."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
MAKE = shutil.which("make") or "make"
PYTHON = """#!/bin/sh
case "$*" in
    *"-m venv"*)
        for folder; do :; done
        rm -rf "$folder"
        mkdir -p "$folder/bin"
        cp "$PIP" "$folder/bin/pip" ;;
    *flock*) exec "$REAL" "$@" ;;
esac
"""


def make(
    *arguments: str, folder: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        [MAKE, "-f", str(ROOT / "Makefile"), *arguments],
        cwd=folder,
        env={**inherited, "REAL": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_names_of_functions_are_no_commands() -> None:
    found = make("--dry-run", "rollback", "FUNCTIONS=a; touch b")
    assert "touch b" not in found.stdout


@pytest.mark.parametrize("stamp", ["installed", "installed-parquet"])
def test_what_an_interrupted_installation_leaves_is_repaired_by_the_next_call(
    tmp_path: Path, stamp: str
) -> None:
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    python = script(tmp_path / "python", PYTHON)
    failing = script(tmp_path / "failing", "#!/bin/sh\nexit 130\n")
    working = script(tmp_path / "working", '#!/bin/sh\necho "$*" >>"${0%/bin/pip}/log"\n')
    environment = tmp_path / ".venv-run"
    arguments = (f"PYTHON={python}", f".venv-run/{stamp}")

    assert make(*arguments, folder=tmp_path, PIP=str(failing)).returncode != 0
    assert not (environment / stamp).exists()
    (environment / "half-written").touch()
    (environment / "bin" / "pip").unlink()
    repaired = make(*arguments, folder=tmp_path, PIP=str(working))

    assert repaired.returncode == 0, repaired.stderr
    assert (environment / stamp).exists()
    assert not (environment / "half-written").exists()


@pytest.mark.parametrize("stamp", ["installed", "installed-parquet"])
def test_of_two_commands_that_install_at_once_the_second_waits_and_finds_it_done(
    tmp_path: Path, stamp: str
) -> None:
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    python = script(tmp_path / "python", PYTHON)
    started, go_on = tmp_path / "started", tmp_path / "go-on"
    os.mkfifo(started)
    os.mkfifo(go_on)
    requirement = "parquet" if stamp.endswith("parquet") else "run"
    pip = script(
        tmp_path / "pip",
        f"""#!/bin/sh
case "$*" in *{requirement}.txt) echo started >"{started}"; read -r line <"{go_on}" ;; esac
echo "$*" >>"{tmp_path}/log"
""",
    )
    arguments = (f"PYTHON={python}", f".venv-run/{stamp}")

    with ThreadPoolExecutor() as commands:
        first = commands.submit(make, *arguments, folder=tmp_path, PIP=str(pip))
        assert started.read_text() == "started\n"
        second = subprocess.Popen(
            [MAKE, "-f", str(ROOT / "Makefile"), *arguments],
            cwd=tmp_path,
            env={**os.environ, "REAL": sys.executable, "PIP": str(pip)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert second.stdout is not None
        try:
            waiting = second.stdout.readline()
        finally:
            go_on.write_text("on\n")
        more, _ = second.communicate(timeout=60)

    assert waiting == "Waiting for another command that installs into .venv-run ...\n"
    assert (first.result().returncode, second.returncode, more) == (0, 0, "")
    assert (tmp_path / "log").read_text().count(f"{requirement}.txt") == 1


def test_a_lock_that_a_killed_command_has_left_is_free(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    python = script(tmp_path / "python", PYTHON)
    killed = script(tmp_path / "killed", "#!/bin/sh\nkill -9 $PPID\n")
    working = script(tmp_path / "working", "#!/bin/sh\n")
    arguments = (f"PYTHON={python}", ".venv-run/installed")

    assert make(*arguments, folder=tmp_path, PIP=str(killed)).returncode != 0
    assert (tmp_path / ".venv-run.lock").exists()
    done = make(*arguments, folder=tmp_path, PIP=str(working))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Installing requirements/run.txt into .venv-run ...\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "RIDE=100"], "RIDE is not a variable of `make run`; allowed: ARCHIVE CHALLENGER"),
        (["run", "MINUTES=1"], "MINUTES is not a variable of `make run`"),
        (["lint", "RIDES=1"], "RIDES is not a variable of `make lint`; allowed: none"),
    ],
    ids=str,
)
def test_a_variable_that_a_goal_does_not_take_is_refused(arguments: list[str], line: str) -> None:
    done = make("-n", *arguments)
    assert done.returncode == 2
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_alias_is_published_before_it_runs_beside_the_champion() -> None:
    published = "scripts publish_alias"
    done = make("-n", "run", "CHALLENGER=build/bundle @challenger s3://models/a@b")
    recipe = done.stdout.partition("-m demo")

    assert f'{published} "challenger" &&' in recipe[0]
    assert re.findall(r'--challenger "([^"]*)"', recipe[2]) == [
        "build/bundle",
        "build/models-live/alias-challenger.json",
        "s3://models/a@b",
    ]
    assert published not in make("-n", "run", "CHALLENGER=build/bundle").stdout


SWITCHES = [
    ("deploy", "DRY_RUN", "--dry-run"),
    ("deploy", "FORCE", "--force"),
    ("deploy", "LOSE_DATA", "--lose-data"),
    ("rollback", "DRY_RUN", "--dry-run"),
    ("destroy", "YES", "--yes"),
    ("destroy", "DRY_RUN", "--dry-run"),
    ("bench", "QUICK", "--quick"),
    ("audit", "STRICT", "--strict"),
    ("lock", "UPGRADE", "--upgrade"),
    ("archive", "ONCE", "--once"),
    ("models", "AUDIT", "--audit"),
    ("promote", "FORCE", "--force"),
    ("retrain", "RECALIBRATE", "--recalibrate"),
    ("retrain", "FORCE", "--force"),
    ("quality", "CLOUDWATCH", "--cloudwatch"),
    ("backfill", "AGAIN", "--again"),
]


@pytest.mark.parametrize(("goal", "switch", "option"), SWITCHES)
def test_a_switch_is_1_or_absent(goal: str, switch: str, option: str) -> None:
    """FORCE=0 must not force, and YES=no must not delete, from the environment neither."""
    assert option in make("-n", goal, f"{switch}=1").stdout
    assert option not in make("-n", goal).stdout
    assert option not in make("-n", goal, f"{switch}=").stdout
    for refused in ("0", "no", "true"):
        line = f"*** {switch} is '{refused}'; allowed: 1, or leave it out.  Stop.\n"
        environment: Any = {switch: refused}
        for done in (make("-n", goal, f"{switch}={refused}"), make("-n", goal, **environment)):
            assert done.returncode == 2
            assert done.stderr.endswith(line)


def test_every_switch_of_the_makefile_is_one_of_those() -> None:
    makefile = (ROOT / "Makefile").read_text()
    called = set(re.findall(r"\$\(call switch,([A-Z_]+),(--[a-z-]+)\)", makefile))
    assert called == {(switch, option) for _, switch, option in SWITCHES}
    assert not re.findall(r"\$\(if \$\(([A-Z_]+)\),--[a-z-]+\)", makefile)


def test_a_goal_takes_every_variable_that_its_help_line_names() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for goal, line in re.findall(r"^([a-z-]+):.*?## (.*)$", makefile, re.MULTILINE):
        if given := [f"{name}=1" for name in re.findall(r"([A-Z_]+)=", line)]:
            assert make("-n", goal, *given).returncode == 0, goal


def test_every_goal_takes_the_place_of_each_virtual_environment() -> None:
    makefile = (ROOT / "Makefile").read_text()
    environments = re.findall(r"^([A-Z]+_ENV) := ", makefile, re.MULTILINE)
    assert "RUN_ENV" in environments

    given = make("-n", "lint", *(f"{name}=.venv-elsewhere" for name in environments))
    assert given.returncode == 0, given.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_program_and_make_adds_no_error(
    tmp_path: Path, number: signal.Signals
) -> None:
    environment = tmp_path / ".venv-run"
    (environment / "bin").mkdir(parents=True)
    (environment / "installed").touch()
    script(
        environment / "bin" / "python",
        # Ends after its input does: make must have taken the signal before its child has ended.
        f"#!/bin/sh\ntrap 'echo stopped; cat; exit 0' {number.name[3:]}\necho started\n"
        "while :; do sleep 0.05; done\n",
    )
    process = subprocess.Popen(
        [MAKE, "run", f"RUN_ENV={environment}"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    too_late = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
    too_late.start()
    try:
        assert process.stdout.readline() == "started\n"
        if number == signal.SIGINT:  # a terminal sends Ctrl-C to the whole group
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert process.stdout.readline() == "stopped\n"
        out, error = process.communicate()
    finally:
        too_late.cancel()
    assert out == ""
    assert "[" not in error  # as in "make: *** [Makefile:68: run] Error 130"


@pytest.mark.parametrize(
    ("failing", "problem"),
    [
        ("compose", "Docker with Compose is needed, and not installed"),
        ("info", "the Docker daemon does not respond ('docker info' says why)"),
    ],
)
def test_what_docker_lacks_is_one_line_before_anything_is_built(
    tmp_path: Path, failing: str, problem: str
) -> None:
    script(tmp_path / "docker", f"#!/bin/sh\ntest $1 != {failing}\n")
    done = make("integration-test", PATH=str(tmp_path))
    assert done.stderr.splitlines()[0] == f"integration-test: {problem}"
    assert done.stdout == ""


OFFLINE_BUILD = ROOT / "integration-test" / "offline" / "build"


def offline_build(
    folder: Path, *command: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OFFLINE_BUILD, *command],
        env={**os.environ, "PATH": path or f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_command_runs_with_the_offline_images_only_if_they_are_built(tmp_path: Path) -> None:
    script(tmp_path / "mmdebstrap", "#!/bin/sh\n")
    command = ("sh", "-c", 'echo "$BASE_IMAGE $LOCALSTACK_IMAGE"')

    script(tmp_path / "docker", "#!/bin/sh\n")
    built = offline_build(tmp_path, *command)
    assert (built.returncode, built.stdout) == (
        0,
        "lambda-python-offline:3.13 localstack-offline:4.14.0\n",
    )

    script(tmp_path / "docker", "#!/bin/sh\ntest $1 != build\n")
    failed = offline_build(tmp_path, *command)
    assert (failed.returncode, failed.stdout) == (1, "")


@pytest.mark.parametrize(
    ("failing", "problem"),
    [
        ("info", "the Docker daemon does not respond ('docker info' says why)"),
        ("compose", "Docker with Compose is needed, and Compose is not installed"),
    ],
)
def test_what_docker_lacks_is_one_line_before_a_debian_is_unpacked(
    tmp_path: Path, failing: str, problem: str
) -> None:
    for program in ("dirname", "find", "sha256sum", "cut", "cat", "mktemp", "rm", "mkdir", "cp"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    script(tmp_path / "mmdebstrap", "#!/bin/sh\necho unpacked >&2\n")
    script(tmp_path / "docker", f"#!/bin/sh\ntest $1 != {failing} -a $1 != image\n")

    done = offline_build(tmp_path, "true", path=str(tmp_path))

    assert (done.returncode, done.stderr) == (1, f"offline/build: {problem}\n")
