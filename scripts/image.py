"""Build the function's container image, and print how much it adds to its base."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from cli.arguments import Parser
from cli.program import FAILED, program

ROOT = Path(__file__).resolve().parent.parent
NAME = "ride-predictions"
(BASE_IMAGE,) = re.findall(
    r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
)
MEGABYTE = 1_000_000

Command = Callable[..., str]
"""Runs a program, given its arguments, and returns what it prints. Raises CalledProcessError."""


def run(*command: str) -> str:
    """Run a program in the project's folder; see `Command`."""
    return subprocess.run(  # noqa: S603  the command line is our own, no shell
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def show(*command: str) -> str:
    """Run a program whose output the user sees; see `Command`."""
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603  the same
    return ""


@program()
def main(
    argv: list[str] | None = None,
    *,
    run: Command = run,
    show: Command = show,
    which: Callable[[str], str | None] = shutil.which,
) -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args(argv)
    if problem := docker_problem(run, which):
        print(f"image: {problem}", file=sys.stderr)
        return FAILED
    base, name, platform = options.base, options.name, options.platform
    target = ["--platform", platform] if platform else []
    try:
        if not _has_base(base, platform, run):
            show("docker", "pull", *target, base)
        builder = _builder(run)
        show(*builder, *target, *_arguments(base, run), "--tag", name, ".")
        added, base_size = added_bytes(name, base, run), _bytes(base, run)
    except subprocess.CalledProcessError as error:
        print(f"image: {' '.join(error.cmd[:3])} failed", file=sys.stderr)
        return FAILED
    print(
        f"{name} adds {added / MEGABYTE:.1f} MB to {base} ({base_size / MEGABYTE:.1f} MB), unpacked"
    )
    return 0


def docker_problem(run: Command = run, which: Callable[[str], str | None] = shutil.which) -> str:
    """Return one line that says why Docker cannot be used; empty if it can."""
    if which("docker") is None:
        return "Docker is not installed"
    try:
        run("docker", "version")
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "").strip().splitlines()
        return f"Docker does not respond: {reason[-1] if reason else error}"
    return ""


def added_bytes(name: str, base: str, run: Command = run) -> int:
    """Return the bytes that an image adds to its base, unpacked."""
    return _bytes(name, run) - _bytes(base, run)


def _has_base(base: str, platform: str | None, run: Command) -> bool:
    try:
        found = run("docker", "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", base)
    except subprocess.CalledProcessError:
        return False
    return platform in {None, found.strip()}


def _builder(run: Command) -> list[str]:
    """Choose BuildKit where it is installed.

    An attestation would make the image's manifest an index, which Lambda refuses.
    """
    try:
        run("docker", "buildx", "version")
    except subprocess.CalledProcessError:
        return ["docker", "build"]
    return ["docker", "buildx", "build", "--load", "--provenance=false"]


def _arguments(base: str, run: Command) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    manifest = json.loads((ROOT / "models" / "manifest.json").read_text())
    values = {
        "BASE_IMAGE": base,
        "VERSION": project["version"],
        "REVISION": _revision(run),
        "MODEL_VERSION": manifest["version"],
    }
    return [part for name, value in values.items() for part in ("--build-arg", f"{name}={value}")]


def _revision(run: Command) -> str:
    try:
        return run("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*").strip()
    except (subprocess.CalledProcessError, FileNotFoundError):
        return "unknown"  # not a checkout


def _bytes(name: str, run: Command) -> int:
    """Sum an image's layers."""
    sizes = run("docker", "history", "--human=false", "--format", "{{.Size}}", name)
    return sum(map(int, sizes.split()))


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument("--name", default=NAME, help="default: %(default)s")
    parser.add_argument("--base", default=BASE_IMAGE, help="default: %(default)s")
    parser.add_argument("--platform", help="such as linux/arm64; default: this machine's")
    return parser
