"""The pages say what is true: the README's code runs, links lead somewhere, targets exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import nacre

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = "from nacre.cli.main import main; main()"
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language, in order."""
    return [text for name, text in FENCE.findall(page.read_text()) if name == language]


def in_python(folder: Path) -> None:
    """Run the README's Python blocks, one after another, as one program in a folder."""
    script = folder / "readme.py"
    script.write_text("\n".join(blocks(ROOT / "README.md", "python")))
    done = subprocess.run(
        [sys.executable, "-W", "error", script.name], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_quickstart_runs(tmp_path: Path) -> None:
    in_python(tmp_path)
    assert (tmp_path / "points.parquet").exists()


def test_the_command_line_runs(tmp_path: Path) -> None:
    in_python(tmp_path)
    for block in blocks(ROOT / "README.md", "console"):
        for line in block.splitlines():
            arguments = shlex.split(line.removeprefix("$ nacre "))
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, *arguments],
                cwd=tmp_path,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{line}: {done.stderr}"


def today(row: str) -> set[str]:
    """The names that the README's table says work today."""
    (line,) = [x for x in (ROOT / "README.md").read_text().splitlines() if x.startswith(f"| {row}")]
    return set(re.findall(r"`(\w+)`", line.split("|")[2]))


def test_the_table_names_the_learners_that_are_there() -> None:
    learners = {
        n for n, m in nacre._HOME.items() if m.startswith("nacre.learn.") and n[0].isupper()
    }
    assert today("learners") == learners


def test_the_table_names_the_engines_that_are_there() -> None:
    engines = {"serial", "threads", "processes", "dask", "ray", "spark", "mpi"}
    files = {path.stem for path in (ROOT / "src/nacre/engine").glob("*.py")}
    assert today("engines") == engines & files


def test_the_readme_has_blocks_to_run() -> None:
    assert blocks(ROOT / "README.md", "python")
    assert blocks(ROOT / "README.md", "console")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    local = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", page.read_text(), re.MULTILINE))
    assert {a or b for a, b in named} <= targets
