"""Fuzz every target, and print executions and findings. `make fuzz SECONDS=60`.

Inputs that reach new code are kept in build/fuzz, where the next run starts from them. An input
that breaks a promise is saved to build/fuzz/findings, and the exit status is 1.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cli.arguments import Parser
from cli.program import program, run_program

if __name__ == "__main__":
    run_program("tests.fuzz.__main__")  # before the slow imports

from tests.fuzz.seed_corpus import SEEDS, write_dictionary, write_seeds

FOLDER = Path("build/fuzz")

INPUT_SECONDS = 10
"""An input that takes longer is a finding."""

INPUT_BYTES = 1024
"""Longer inputs are slower and reach no more code."""

RSS_MEGABYTES = 512
"""A process that grows beyond this is a finding; it starts at about 110."""

RUNS = re.compile(r"^(?:Done (\d+) runs|#(\d+)\s)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FuzzResult:
    """The result of fuzzing one target.

    Attributes:
        target: The target's name.
        executions: How often it ran.
        findings: Files with the inputs that broke a promise.
    """

    target: str
    executions: int
    findings: list[Path]


def fuzz(target: str, seconds: int, seed: int) -> FuzzResult:
    """Run a target under libFuzzer in a separate process.

    Args:
        target: The target's name.
        seconds: How long.
        seed: libFuzzer's random seed; 0: a different one each time.
    """
    corpus, findings = FOLDER / target, FOLDER / "findings"
    write_seeds(target, corpus)
    findings.mkdir(exist_ok=True)
    write_dictionary(FOLDER / "words.dict")
    known = set(findings.iterdir())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.libfuzzer", target, str(corpus)),
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-timeout={INPUT_SECONDS}",
            f"-rss_limit_mb={RSS_MEGABYTES}",
            f"-max_len={INPUT_BYTES}",
            f"-dict={FOLDER / 'words.dict'}",
            f"-artifact_prefix={findings}/{target}-",
        ],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    log = done.stdout + done.stderr
    (FOLDER / f"{target}.log").write_text(log)
    found = sorted(set(findings.iterdir()) - known)
    if done.returncode and not found:
        sys.exit(f"{target}: {log[-2000:]}")
    return FuzzResult(target, executions(log), found)


def executions(log: str) -> int:
    """Return how often a target ran, from libFuzzer's log, complete or not."""
    return max((int(done or so_far) for done, so_far in RUNS.findall(log)), default=0)


@program()
def main() -> int:
    """Run the program; the exit status is 0 only without findings."""
    parser = Parser(prog="python -m tests.fuzz", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=60, help="in total; default: %(default)s")
    parser.add_argument("--target", choices=sorted(SEEDS), help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="default: a different one each time")
    options = parser.parse_args()
    targets = [options.target] if options.target else list(SEEDS)
    results = []
    for target in targets:
        result = fuzz(target, max(1, options.seconds // len(targets)), options.seed)
        print(f"{result.target:<12} {result.executions:>12,} executions", flush=True)
        for path in result.findings:
            print(f"{'':<12} {path} breaks a promise; see {FOLDER / target}.log")
        results.append(result)
    total = sum(result.executions for result in results)
    count = sum(len(result.findings) for result in results)
    print(f"{'all':<12} {total:>12,} executions, {count} findings")
    return 1 if count else 0
