"""What every benchmark stands on: the machine's score and load, runs in turns, a results file."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

RESULTS = Path(__file__).parent / "results"
MOST_LOAD = 0.5
PEERS = (
    "numpy",
    "scipy",
    "numba",
    "scikit-learn",
    "scikit-learn-intelex",
    "faiss-cpu",
    "superkmeans",
    "river",
    "pyarrow",
)


def options(doc: str) -> argparse.ArgumentParser:
    """--tiny: few rows, nothing is written; --runs: seeds for each contestant."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--tiny", action="store_true", help="few rows: does it run?")
    parser.add_argument("--runs", type=int, default=5, help="seeds for each contestant")
    return parser


def machine() -> dict[str, Any]:
    """What it ran on: load, versions, GFLOP/s on 1 and 2 threads, GB/s of copying, fsyncs/s."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PEERS},
        "commit": _git("rev-parse", "--short", "HEAD")
        + ("+" if _git("status", "--porcelain") else ""),
        "load": os.getloadavg()[0],
        "gemm_1": round(_gemm(1)),
        "gemm_2": round(_gemm(2)),
        "copy_gb": round(_copy(), 1),
        "fsyncs": round(_fsyncs()),
    }


def await_quiet(tiny: bool) -> None:
    """Refuse to start on a busy machine; the tiny run says the load and goes on."""
    load = os.getloadavg()[0]
    if load > MOST_LOAD and not tiny:
        sys.exit(
            f"load is {load:.2f}, wanted at most {MOST_LOAD}: stop what else runs and try again"
        )
    print(f"load {load:.2f}", file=sys.stderr)


def pss(process: psutil.Process) -> int:
    """Bytes of a process and all below it, shared pages by their share."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            lines = Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it has just ended
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total


def watched(command: Sequence[str]) -> tuple[str, int, int]:
    """What a process says at its end, and its PSS in bytes: when it was ready, and at most since.

    It says "ready", waits for a line, works, and says its figures.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", f"{command} did not start"
        process = psutil.Process(child.pid)
        before = most = pss(process)
        child.stdin.write("\n")
        child.stdin.close()
        while child.poll() is None:
            try:
                most = max(most, pss(process))
            except psutil.NoSuchProcess:
                break
            time.sleep(0.01)
        return child.stdout.read(), before, most


@dataclass
class Contest:
    """Contestants on one task, run in turns, so that a slow minute is everybody's.

    Attributes:
        name: of the task, as the results say it.
        contestants: name -> (seed -> what the clock covers), which gives a result to judge.
        judge: result -> quality, outside the clock, lower is better.
    """

    name: str
    contestants: dict[str, Callable[[int], Any]]
    judge: Callable[[Any], float]
    runs: list[dict[str, Any]] = field(default_factory=list)

    def run(self, n_seeds: int, patience: float = math.inf) -> None:
        """One warm-up each, then each seed, while a contestant has taken less than `patience`
        seconds; of one that is at its end with the warm-up, that is the run.
        """
        spent = dict.fromkeys(self.contestants, 0.0)
        for seed in range(-1, n_seeds):
            for name, contestant in self.contestants.items():
                if spent[name] > patience:
                    continue
                began = time.perf_counter()
                result = contestant(max(seed, 0))
                seconds = time.perf_counter() - began
                spent[name] += seconds
                if seed >= 0 or spent[name] > patience:
                    run = {"contestant": name, "seed": max(seed, 0), "seconds": seconds}
                    self.runs.append(run | {"quality": self.judge(result)})

    def table(self) -> list[dict[str, Any]]:
        """Medians, worst seeds, ratios to the first contestant and to the best quality of all."""
        best = min(run["quality"] for run in self.runs)
        rows = []
        for name in self.contestants:
            mine = [run for run in self.runs if run["contestant"] == name]
            seconds = [run["seconds"] for run in mine]
            quality = [run["quality"] for run in mine]
            rows.append(
                {
                    "contestant": name,
                    "runs": len(mine),
                    "seconds": statistics.median(seconds),
                    "worst": max(seconds),
                    "quality": statistics.median(quality),
                    "of best": statistics.median(quality) / best if best else 1.0,
                    "worst of best": max(quality) / best if best else 1.0,
                }
            )
        for row in rows:
            row["times first"] = row["seconds"] / rows[0]["seconds"]
        return rows

    def show(self) -> None:
        """The table, to read."""
        print(f"\n{self.name}")
        head = ("contestant", "runs", "seconds", "worst", "times first", "of best", "worst of best")
        print("  ".join(f"{h:>14}" for h in head))
        for row in self.table():
            cells = [row[h] if h == "contestant" else f"{row[h]:.4g}" for h in head]
            print("  ".join(f"{cell:>14}" for cell in cells))


def write(name: str, contests: list[Contest], on: dict[str, Any]) -> Path:
    """The results as JSON, named by benchmark, day and commit."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{time.strftime('%Y%m%d')}-{on['commit'].rstrip('+')}.json"
    tasks = [{"task": c.name, "table": c.table(), "runs": c.runs} for c in contests]
    path.write_text(json.dumps({"machine": on, "tasks": tasks}, indent=1) + "\n")
    return path


def finish(name: str, contests: list[Contest], tiny: bool, on: dict[str, Any]) -> None:
    """Show all, and write all but tiny runs."""
    for contest in contests:
        contest.show()
    if not tiny:
        print(f"\nwritten to {write(name, contests, on).relative_to(Path.cwd())}", file=sys.stderr)


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], capture_output=True, text=True, cwd=RESULTS.parent)
    return found.stdout.strip()


def _fastest(work: Callable[[], Any], times: int = 5) -> float:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return min(spent)


def _gemm(threads: int) -> float:
    a = np.ones((1500, 1500), np.float32)
    with threadpool_limits(threads, user_api="blas"):
        return 2 * 1500**3 / _fastest(lambda: a @ a) / 1e9


def _copy() -> float:
    a = np.ones(32_000_000, np.float32)
    b = np.empty_like(a)
    return 2 * a.nbytes / _fastest(lambda: np.copyto(b, a)) / 1e9


def _fsyncs() -> float:
    with tempfile.NamedTemporaryFile(dir=RESULTS.parent) as file:

        def one() -> None:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

        return 1 / _fastest(one, 20)
