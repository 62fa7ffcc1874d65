"""What every test may lean on: one seeded hypothesis profile, shared data, and no silent skip.

At the end of a session everything that was not run is listed with its reason. Under
NACRE_REQUIRE=all a test that would skip fails instead.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
REQUIRE_ALL = os.environ.get("NACRE_REQUIRE") == "all"
NOT_SELECTED = pytest.StashKey[list[str]]()

hypothesis.settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=25,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # the machine may be shared
)
hypothesis.settings.load_profile("ci")


@pytest.fixture
def needs_shared_data() -> Callable[[str], Path]:
    """A function: path below `shared/data` beside the project -> where it lies; or skips."""

    def found(path: str) -> Path:
        if not (SHARED_DATA / path).exists():
            pytest.skip(f"no ../shared/data/{path} beside the project")
        return SHARED_DATA / path

    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("root"):
                item.add_marker(pytest.mark.skip(reason="needs root"))


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash.setdefault(NOT_SELECTED, []).append(
            "wheel (make wheel)" if item.get_closest_marker("wheel") else "deselected by an option"
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _required(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _required(report)
    return report


def _required(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = _reason(report)
        report.outcome = "failed"
        report.longrepr = f"NACRE_REQUIRE=all, but this would skip: {reason}"


def _reason(report: Any) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}"
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return str(why).removeprefix("Skipped: ")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    reasons: dict[str, int] = defaultdict(int)
    for outcome in ("skipped", "xfailed"):
        for report in terminalreporter.stats.get(outcome, []):
            reasons[_reason(report)] += 1
    for reason in config.stash.get(NOT_SELECTED, []):
        reasons[reason] += 1
    if reasons:
        terminalreporter.section("not run")
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count} not run: {reason}")
