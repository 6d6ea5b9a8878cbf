"""Fuzz every target for a while, and say how often each ran and what was found.

`make fuzz SECONDS=60`. Inputs that reached new code are kept in build/fuzz and are the next run's
start; an input that breaks a promise is kept in build/fuzz/findings, and the exit status is 1.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.seed_corpus import SEEDS, write_dictionary, write_seeds

FOLDER = Path("build/fuzz")

INPUT_SECONDS = 10
"""An input that takes longer than this is a finding."""

INPUT_BYTES = 1024
"""Longer inputs are slow, and reach nothing that these do not."""

RSS_MEGABYTES = 512
"""A process that grows beyond this is a finding; it starts with about 110."""

RUNS = re.compile(r"^(?:Done (\d+) runs|#(\d+)\s)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a target.

    Attributes:
        target: Its name.
        executions: How often it ran.
        findings: Files with the inputs that broke a promise.
    """

    target: str
    executions: int
    findings: list[Path]


def fuzz(target: str, seconds: int, seed: int) -> Outcome:
    """Run a target under libFuzzer in a process of its own.

    Args:
        target: Its name.
        seconds: How long.
        seed: Of libFuzzer's choices; 0 means another one each time.
    """
    corpus, findings = FOLDER / target, FOLDER / "findings"
    write_seeds(target, corpus)
    findings.mkdir(exist_ok=True)
    write_dictionary(FOLDER / "words.dict")
    known = set(findings.iterdir())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.target", target, str(corpus)),
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
    return Outcome(target, executions(log), found)


def executions(log: str) -> int:
    """Read from libFuzzer's log how often the target ran, finished or not."""
    return max((int(done or so_far) for done, so_far in RUNS.findall(log)), default=0)


def main() -> int:
    """Run the program; its exit status is 0 only if nothing was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=60, help="in all; default: %(default)s")
    parser.add_argument("--target", choices=sorted(SEEDS), help="default: all of them")
    parser.add_argument("--seed", type=int, default=0, help="default: another one each time")
    options = parser.parse_args()
    targets = [options.target] if options.target else list(SEEDS)
    outcomes = []
    for target in targets:
        outcome = fuzz(target, max(1, options.seconds // len(targets)), options.seed)
        print(f"{outcome.target:<10} {outcome.executions:>12,} executions", flush=True)
        for path in outcome.findings:
            print(f"{'':<10} a promise is broken by {path}; see {FOLDER / target}.log")
        outcomes.append(outcome)
    total = sum(outcome.executions for outcome in outcomes)
    count = sum(len(outcome.findings) for outcome in outcomes)
    print(f"{'all':<10} {total:>12,} executions, {count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
