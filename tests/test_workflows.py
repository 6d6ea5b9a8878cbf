"""The forge's workflows: what they may do, what they call, and what they are pinned to."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.name: path.read_text() for path in sorted(FOLDER.iterdir())}
WORKFLOWS: dict[str, dict[Any, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS: dict[tuple[str, str], dict[str, Any]] = {
    (name, job): body
    for name, workflow in WORKFLOWS.items()
    for job, body in workflow["jobs"].items()
}
OWN_STEPS = {job: body for job, body in JOBS.items() if "steps" in body}
RUNS = [
    pytest.param(step["run"], id=f"{name} {job} {number}")
    for (name, job), body in OWN_STEPS.items()
    for number, step in enumerate(body["steps"])
    if "run" in step
]
MACHINES = ["ubuntu-24.04", "ubuntu-24.04-arm"]

MAY_WRITE = {
    ("dependencies.yml", "pull-request"): {"actions", "contents", "pull-requests"},
    ("release.yml", "publish"): {"attestations", "id-token", "packages"},
    ("release.yml", "release"): {"contents"},
    ("release.yml", "ecr"): {"id-token"},
}
"""Every other job may read at most."""

RUNS_PROJECT = re.compile(r"\bmake\b|\bpython|\.ci/(?!release-notes)")
"""A command that runs the project's code, or a package; the notes' program reads two files."""


def triggers(workflow: dict[Any, Any]) -> dict[str, Any]:
    """Return the events that start it: YAML 1.1 takes the key `on` for a boolean."""
    found: dict[str, Any] = workflow[True]
    return found


def steps_using(action: str) -> list[dict[str, Any]]:
    return [
        step
        for body in OWN_STEPS.values()
        for step in body["steps"]
        if step.get("uses", "").startswith(f"{action}@")
    ]


def test_the_patch_of_the_locks_changes_locks_alone() -> None:
    patterns = re.findall(r"--include='(.*?)'", TEXTS["dependencies.yml"])
    git = shutil.which("git") or "git"
    tracked = subprocess.run(
        [git, "ls-files", "requirements", "integration-test"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    taken = [
        name
        for name in tracked.stdout.splitlines()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]
    assert {Path(name).suffix for name in taken} == {".txt", ".json"}
    assert [name for name in taken if name.endswith(".json")] == [
        "integration-test/offline/localstack/package-lock.json"
    ]
    assert "integration-test/offline/lambda-python/requirements.txt" in taken


def test_the_branch_of_the_locks_starts_every_workflow_of_a_pull_request() -> None:
    (started,) = re.findall(r"for workflow in (.*); do", TEXTS["dependencies.yml"])
    tested = {name for name, each in WORKFLOWS.items() if "pull_request" in triggers(each)}
    assert set(started.split()) == tested


def test_every_action_is_pinned_to_a_commit_and_names_its_version() -> None:
    uses = [
        line.strip().removeprefix("- ")
        for text in TEXTS.values()
        for line in text.splitlines()
        if re.match(r"\s*(- )?uses:", line)
    ]
    local = r"uses: \./\.github/workflows/[a-z]+\.yml"
    pinned = r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"

    assert uses
    assert [line for line in uses if not re.fullmatch(f"{local}|{pinned}", line)] == []


def test_an_action_has_one_version_everywhere() -> None:
    found = {
        tuple(match)
        for text in TEXTS.values()
        for match in re.findall(r"uses: ([\w-]+/[\w-]+)@(\S+ # \S+)", text)
    }

    assert len({action for action, _ in found}) == len(found)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_rights_of_its_own_a_group_and_a_strict_shell(name: str) -> None:
    workflow = WORKFLOWS[name]

    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    assert workflow["defaults"]["run"]["shell"] == "bash"
    # Both run a stranger's code with this repository's rights.
    assert not triggers(workflow).keys() & {"pull_request_target", "workflow_run"}


@pytest.mark.parametrize("job", JOBS, ids=" ".join)
def test_a_job_may_do_what_it_needs_and_no_more(job: tuple[str, str]) -> None:
    rights = JOBS[job]["permissions"]

    assert {right for right, access in rights.items() if access == "write"} == MAY_WRITE.get(
        job, set()
    )
    assert set(rights.values()) <= {"read", "write"}


@pytest.mark.parametrize("job", MAY_WRITE, ids=" ".join)
def test_a_job_that_may_write_runs_none_of_the_projects_code(job: tuple[str, str]) -> None:
    for step in JOBS[job]["steps"]:
        commands = re.sub(r"`[^`]*`|\"[^\"]*\"", "", step.get("run", ""))
        assert not RUNS_PROJECT.search(commands), commands


@pytest.mark.parametrize("job", OWN_STEPS, ids=" ".join)
def test_a_job_ends_and_runs_on_a_machine_that_is_named(job: tuple[str, str]) -> None:
    body = OWN_STEPS[job]
    matrix = body.get("strategy", {}).get("matrix", {})
    machines = [
        *matrix.get("runner", []),
        *(each["runner"] for each in matrix.get("include", [])),
    ]

    assert 5 <= body["timeout-minutes"] <= 30
    if body["runs-on"] == "${{ matrix.runner }}":
        assert machines == MACHINES
    else:
        assert body["runs-on"] in MACHINES


def test_a_workflow_that_is_called_gets_the_rights_of_its_jobs() -> None:
    calls = {job: body for job, body in JOBS.items() if "uses" in body}

    assert calls
    for job, body in calls.items():
        called = Path(body["uses"]).name
        assert "workflow_call" in triggers(WORKFLOWS[called])
        for (name, _), inner in JOBS.items():
            if name == called:
                assert inner["permissions"].items() <= body["permissions"].items(), job


def test_the_tests_run_on_every_python_of_the_project_and_on_both_architectures() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    matrix = WORKFLOWS["tests.yml"]["jobs"]["test"]["strategy"]["matrix"]

    assert matrix["python"] == [text.rpartition(" ")[2] for text in project["classifiers"]]
    assert matrix["runner"] == MACHINES
    assert WORKFLOWS["tests.yml"]["jobs"]["test"]["steps"][-1] == {"run": "make test"}


def test_nothing_is_published_before_everything_is_tested() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    called = {"tests", "integration", "infrastructure", "image"}

    assert {jobs[job]["uses"] for job in called} == {
        f"./.github/workflows/{job}.yml" for job in called
    }
    assert set(jobs["publish"]["needs"]) == called
    assert jobs["release"]["needs"] == jobs["ecr"]["needs"] == "publish"


def test_no_checkout_leaves_a_token_behind() -> None:
    checkouts = steps_using("actions/checkout")

    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_no_secret_is_stored_at_the_forge() -> None:
    assert [name for name, text in TEXTS.items() if "secrets." in text] == []
    (aws,) = steps_using("aws-actions/configure-aws-credentials")
    assert aws["with"].keys() == {"role-to-assume", "aws-region"}
    assert [job for job, body in JOBS.items() if aws in body.get("steps", [])] == [
        job for job, body in JOBS.items() if body.get("environment") == "aws"
    ]


@pytest.mark.parametrize("command", RUNS)
def test_a_command_takes_values_from_its_environment(command: str) -> None:
    """An expression would be pasted into the script: a branch's name could be a command."""
    assert "${{" not in command


@pytest.mark.parametrize("command", RUNS)
def test_what_a_command_calls_is_there(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    called = [line for line in command.splitlines() if not line.lstrip().startswith("echo ")]
    for goal, variables in re.findall(
        r"^ *make ([\w.-]+/installed|[\w-]+)(.*)$", "\n".join(called), re.MULTILINE
    ):
        if goal.endswith("/installed"):
            assert f"_ENV := {goal.removesuffix('/installed')}\n" in makefile, goal
            continue
        (line,) = re.findall(rf"^{goal}:.*## (.*)$", makefile, re.MULTILINE)
        for name in re.findall(r"([A-Z_]+)=", variables):
            assert f"{name}=" in line, (goal, name)
    for program in re.findall(r"(?<![\w/.])\.ci/[\w-]+", command):
        assert os.access(ROOT / program, os.X_OK), program
    for workflow in re.findall(r"[\w-]+\.yml", command):
        assert "workflow_dispatch" in triggers(WORKFLOWS[workflow]), workflow


@pytest.mark.parametrize("command", RUNS)
def test_shellcheck_finds_nothing_in_a_command(command: str) -> None:
    # That of these tests' environment, or the system's: pyproject.toml says why.
    program = shutil.which("shellcheck", path=f"{sys.prefix}/bin:{os.environ['PATH']}")
    assert program, "shellcheck is not installed (apt-get install shellcheck)"
    checked = subprocess.run(
        [program, "--shell=bash", "-"],
        input=command,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout


def test_dependabot_sees_to_the_actions_and_the_provider() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]

    assert {(each["package-ecosystem"], each["directory"]) for each in updates} == {
        ("github-actions", "/"),
        ("terraform", "/infrastructure"),
    }


def release_notes(
    folder: Path, tag: str, changelog: str, *images: Path
) -> subprocess.CompletedProcess[str]:
    (folder / ".ci").mkdir()
    program = folder / ".ci" / "release-notes"
    program.write_bytes((ROOT / ".ci" / "release-notes").read_bytes())
    program.chmod(0o755)
    (folder / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (folder / "CHANGELOG.md").write_text(changelog)
    return subprocess.run([program, tag, *images], capture_output=True, text=True, check=False)


def test_the_notes_of_a_release_are_its_section_of_the_changelog(tmp_path: Path) -> None:
    changelog = (
        "# Changelog\n\n## Unreleased\n\n- Later.\n\n"
        "## 1.2.0 - 2026-12-01\n\n### Added\n\n- This.\n\n## 1.1.0\n\n- Earlier.\n"
    )

    assert release_notes(tmp_path, "v1.2.0", changelog).stdout == "### Added\n\n- This.\n"


def test_the_notes_of_a_release_name_its_images(tmp_path: Path) -> None:
    images = [tmp_path / f"image-{name}.txt" for name in ("amd64", "arm64")]
    for path in images:
        path.write_text(f"ghcr.io/owner/name@sha256:{path.stem}\n")

    notes = release_notes(tmp_path, "v1.2.0", "## 1.2.0\n\n- This.\n", *images).stdout

    assert notes.startswith("- This.\n\n### Images\n")
    assert [line for line in notes.splitlines() if "sha256" in line] == [
        "    ghcr.io/owner/name@sha256:image-amd64",
        "    ghcr.io/owner/name@sha256:image-arm64",
    ]


@pytest.mark.parametrize(
    ("tag", "changelog", "line"),
    [
        (
            "v1.2.1",
            "## 1.2.1\n\n- This.\n",
            "release: the tag is v1.2.1; the version in pyproject.toml is 1.2.0",
        ),
        (
            "v1.2.0",
            "## Unreleased\n\n- This.\n",
            "release: CHANGELOG.md has no section, or an empty one: ## 1.2.0",
        ),
        (
            "v1.2.0",
            "## 1.2.0\n\n## 1.1.0\n\n- Earlier.\n",
            "release: CHANGELOG.md has no section, or an empty one: ## 1.2.0",
        ),
    ],
    ids=["another version", "no section", "an empty section"],
)
def test_a_tag_without_its_notes_is_refused(
    tmp_path: Path, tag: str, changelog: str, line: str
) -> None:
    refused = release_notes(tmp_path, tag, changelog)

    assert refused.returncode == 1
    assert refused.stderr == f"{line}\n"
    assert refused.stdout == ""
