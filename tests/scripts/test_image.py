import json
import subprocess
from pathlib import Path

import pytest

from scripts.image import main

MANIFEST = Path(__file__).parents[2] / "models" / "manifest.json"
BASE = "base:1"
HISTORY = "docker history --human=false --format {{.Size}}"
OUTPUTS = {
    "docker version": "",
    "docker image inspect": "linux/amd64\n",
    "docker buildx version": "buildx 0.13",
    f"{HISTORY} ride-predictions": "400\n103000000\n185000000\n",
    f"{HISTORY} {BASE}": "0\n185000000\n",
    "git describe": "abc123\n",
}


class FakeDocker:
    """Returns a command's output by its first words, keeps the commands that are shown."""

    def __init__(self, *, fails: str | None = None) -> None:
        self.shown: list[str] = []
        self._fails = fails

    def run(self, *command: str) -> str:
        line = " ".join(command)
        if self._fails and line.startswith(self._fails):
            raise subprocess.CalledProcessError(1, command, stderr="Usage\nit is broken\n")
        return next(output for start, output in OUTPUTS.items() if line.startswith(start))

    def show(self, *command: str) -> str:
        self.shown.append(" ".join(command))
        if self._fails and self.shown[-1].startswith(self._fails):
            raise subprocess.CalledProcessError(1, command)
        return ""


def build(docker: FakeDocker, *arguments: str, installed: bool = True) -> int:
    return main(
        ["--base", BASE, *arguments],
        run=docker.run,
        show=docker.show,
        which=lambda _: "/usr/bin/docker" if installed else None,
    )


def test_the_size_that_the_image_adds_to_its_base_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert build(FakeDocker()) == 0

    assert (
        capsys.readouterr().out == "ride-predictions adds 103.0 MB to base:1 (185.0 MB), unpacked\n"
    )


def test_the_image_is_labelled_with_version_revision_and_model() -> None:
    docker = FakeDocker()

    build(docker)

    (command,) = docker.shown
    assert "--build-arg BASE_IMAGE=base:1 " in command
    assert "--build-arg REVISION=abc123 " in command
    version = json.loads(MANIFEST.read_text())["version"]
    assert f"--build-arg MODEL_VERSION={version} " in command


def test_buildkit_leaves_the_attestation_out() -> None:
    docker = FakeDocker()

    build(docker)

    assert docker.shown[0].startswith("docker buildx build --load --provenance=false ")


def test_without_buildkit_the_classic_builder_is_used() -> None:
    docker = FakeDocker(fails="docker buildx")

    build(docker)

    assert docker.shown[0].startswith("docker build --build-arg ")


def test_a_base_that_is_not_here_is_pulled_first() -> None:
    docker = FakeDocker(fails="docker image inspect")

    build(docker)

    assert docker.shown[0] == "docker pull base:1"


def test_a_base_for_another_platform_is_pulled_and_built_upon() -> None:
    docker = FakeDocker()

    build(docker, "--platform", "linux/arm64")

    assert docker.shown[0] == "docker pull --platform linux/arm64 base:1"
    assert " --platform linux/arm64 " in docker.shown[1]


def test_outside_a_checkout_the_revision_is_unknown() -> None:
    docker = FakeDocker(fails="git")

    build(docker)

    assert "--build-arg REVISION=unknown " in docker.shown[0]


def test_where_docker_is_not_installed_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert build(FakeDocker(), installed=False) == 1

    assert capsys.readouterr().err == "image: Docker is not installed\n"


def test_where_docker_does_not_run_one_line_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert build(FakeDocker(fails="docker version")) == 1

    assert capsys.readouterr().err == "image: Docker does not respond: it is broken\n"


def test_a_build_that_fails_fails_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert build(FakeDocker(fails="docker buildx build")) == 1

    assert capsys.readouterr().err == "image: docker buildx build failed\n"
