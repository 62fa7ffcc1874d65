"""What the pages show runs, block after block, and its asserts hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = {"store.md"}  # tests/store runs it
SHOWN = {
    path.relative_to(DOCS).as_posix(): blocks
    for path in sorted(DOCS.glob("**/*.md"))
    if "assert" in "".join(blocks := BLOCK.findall(path.read_text(encoding="utf-8")))
}


@pytest.mark.parametrize("page", sorted({*SHOWN} - ELSEWHERE))
def test_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec("\n".join(SHOWN[page]), {})


def test_there_are_pages_that_show_something() -> None:
    assert {"kmeans.md", "pca.md", "onehot.md", "folders/engine.md"} <= {*SHOWN}
