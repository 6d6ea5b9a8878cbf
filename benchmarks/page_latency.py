"""From an event's arrival to the pixels: the page at 1,000 rides a second, in a real Chromium.

    .venv-browser/bin/python -m benchmarks.page_latency

Each line is a run of its own. "Event to pixel" is from the ride's arrival on the input stream, the
function and both streams included, to the second frame after its row was written, for the rides
that the table showed. CPU and memory are those of the process that puts the rides, reads the
streams and serves the page, as a share of one core; the line without a page says what it needs
besides. "Read to pixel" begins when that process has read the prediction: what the page adds.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

RATE = int(os.environ.get("RATE", "1000"))
WARM_SECONDS = 8.0
SECONDS = 15.0
CLIENTS = (None, 0, 1, 50)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ADDRESS = re.compile(r"The page is at (http://\S+)")
OBSERVE = """() => {
    const seen = new Set();
    window.shown = [];
    const body = document.querySelector("#recent tbody");
    new MutationObserver(() => {
        const news = [...body.rows]
            .map((row) => [row.cells[0].textContent, row.dataset.arrived, row.dataset.read])
            .filter(([ride, arrived]) => arrived && !seen.has(ride));
        news.forEach(([ride]) => seen.add(ride));
        requestAnimationFrame(() => requestAnimationFrame(() => {
            const now = performance.timeOrigin + performance.now();
            for (const [, arrived, read] of news) window.shown.push([now - arrived, now - read]);
        }));
    }).observe(body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


def main() -> int:
    """Measure, and print the table."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        print("error: Chromium is not installed (apt-get install chromium)", file=sys.stderr)
        return 1
    rows = [_row(chromium, clients) for clients in CLIENTS]
    header = [
        "clients",
        "event to pixel p50",
        "p99",
        "read to pixel p50",
        "p99",
        "rides shown",
        "CPU",
        "memory",
    ]
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(row)} |")
    return 0


def _row(chromium: str, clients: int | None) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, _run(Path(folder), clients) as (run, address):
        time.sleep(WARM_SECONDS)
        shown: list[tuple[float, float]] = []
        if clients:
            cpu, shown = _watched(chromium, address, clients, run.pid)
        else:
            before = _cpu_seconds(run.pid)
            time.sleep(SECONDS)
            cpu = (_cpu_seconds(run.pid) - before) / SECONDS
        memory = _memory(run.pid)
    arrived, read = (sorted(each[part] for each in shown) for part in (0, 1))
    quantiles = [*_quantiles(arrived), *_quantiles(read)]
    name = "no page" if clients is None else str(clients)
    return [name, *quantiles, f"{len(shown):,}", f"{cpu:.0%}", f"{memory / 2**20:,.0f} MB"]


@contextmanager
def _run(folder: Path, clients: int | None) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    rides = int(RATE * (WARM_SECONDS + SECONDS) * 3)
    command = [sys.executable, "-m", "demo", "--rides", str(rides), "--rate", str(RATE)]
    command += ["--seed", "1", "--folder", str(folder)]
    command += ["--page", "0"] if clients is None else []
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert run.stdout is not None  # noqa: S101
        address = ""
        for line in run.stdout:
            found = ADDRESS.match(line)
            address = found[1] if found else address
            if "rides/s" in line:
                break
        # Its lines are read to the end, else it would wait for the pipe.
        threading.Thread(target=run.stdout.read, daemon=True).start()
        yield run, address
    finally:
        run.terminate()
        run.wait(60)


def _watched(
    chromium: str, address: str, clients: int, pid: int
) -> tuple[float, list[tuple[float, float]]]:
    others = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "benchmarks.page_latency", address, str(clients - 1)]
    )
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            tab = browser.new_page()
            tab.goto(address)
            tab.wait_for_selector("body.live #recent tbody tr")
            tab.evaluate(OBSERVE)
            before = _cpu_seconds(pid)
            tab.wait_for_timeout(SECONDS * 1000)
            cpu = (_cpu_seconds(pid) - before) / SECONDS
            shown: list[tuple[float, float]] = tab.evaluate("() => window.shown")
            browser.close()
    finally:
        others.terminate()
        others.wait(30)
    return cpu, shown


async def read_events(address: str, clients: int) -> None:
    """Read the page's events as so many browsers do, until the process ends."""
    host, port = address.removeprefix("http://").rstrip("/").split(":")

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        while await reader.read(2**16):
            pass

    await asyncio.gather(*(client() for _ in range(clients)))


def _quantiles(milliseconds: list[float]) -> list[str]:
    count = len(milliseconds)
    return [f"{milliseconds[int(q * count)]:,.0f} ms" if count else "" for q in (0.5, 0.99)]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(read_events(sys.argv[1], int(sys.argv[2])))
    else:
        sys.exit(main())
