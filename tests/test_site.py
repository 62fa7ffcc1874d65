"""The built site: whole, readable from a disk, and silent.

`make docs` builds it and runs this; `make test` does not, because nothing is built there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

from docs.hooks import pictures
from docs.hooks.public import Said, learners, required_of_the_site

# `make test` has no mkdocs: this file is still read there, to see that its tests are not asked for
PluginError = pytest.importorskip(
    "mkdocs.exceptions", reason="make docs installs mkdocs"
).PluginError
events = pytest.importorskip("docs.hooks.events")

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "site"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-sync",
    "disable-background-networking",
    "disable-component-update",
    "host-resolver-rules=MAP * ~NOTFOUND",
    "virtual-time-budget=8000",
    "dump-dom",
)
WORDS = {one.name for one in required_of_the_site() if one.kind != "exit code"}
CELLS = {one.name for one in required_of_the_site() if one.kind == "exit code"}
pytestmark = pytest.mark.site


class Page(HTMLParser):
    """What a page can be reached by, and what it leads to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.leads: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.leads.add(value)


@pytest.fixture(scope="module")
def pages() -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(SITE.glob("**/*.html")) if path.name != "404.html"}


@pytest.fixture
def browser() -> str:
    if CHROMIUM is None:
        pytest.skip("no chromium")
    return CHROMIUM


def seen(browser: str, address: str, *more: str) -> str:
    """The page as a browser has it."""
    command = [browser, *(f"--{flag}" for flag in (*FLAGS, *more)), address]
    return subprocess.run(command, capture_output=True, text=True, timeout=50).stdout


def asked(browser: str, page: Path, folder: Path) -> set[str]:
    """The addresses of the network that a page asked for; what the browser wants is left out."""
    log = folder / "net.json"
    seen(browser, page.as_uri(), f"log-net-log={log}")
    events = [one.get("params", {}) for one in json.loads(log.read_text())["events"]]
    own = [one for one in events if one.get("initiator", "not an origin") != "not an origin"]
    return {one["url"] for one in own if one.get("url", "").startswith(("http", "ws"))}


def test_a_build_that_lacks_a_name_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "said", Said({*WORDS} - {"KMeans", "--scale"}, CELLS - {"7"}))
    with pytest.raises(PluginError, match=r"exit code 7, name KMeans, option --scale;"):
        events.on_post_build(None)


def test_a_build_of_a_page_that_fetches_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "said", Said(WORDS, CELLS))
    monkeypatch.setattr(events, "fetched", set[str]())
    events.on_post_build(None)
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    events.on_post_page('<link rel="stylesheet" href="https://far.invalid/a.css">', page, None)
    with pytest.raises(PluginError, match=r"far\.invalid"):
        events.on_post_build(None)


def test_every_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    lost = []
    for path, page in pages.items():
        for lead in page.leads:
            parts = urlsplit(lead)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            anchor = unquote(parts.fragment)
            lacks = known is not None and anchor and anchor not in known.ids | {"__top"}
            if not target.exists() or lacks:
                lost.append(f"{path.relative_to(SITE)}: {lead}")
    assert lost == []


def test_a_page_of_a_learner_has_its_picture_and_attributes(pages: dict[Path, Page]) -> None:
    for name, cls in learners().items():
        page = pages[SITE / f"{name.lower()}.html"]
        assert sum(f"pictures/{name.lower()}." in lead for lead in page.leads) == 4
        own = {attr for attr in vars(cls) if attr.endswith("_") and not attr.startswith("_")}
        anchors = {anchor.rpartition(".")[2] for anchor in page.ids}
        assert own <= anchors


@pytest.mark.parametrize("name", ["moments", "histogram", "folder-engine"])
def test_a_picture_has_equal_bytes_each_time(name: str) -> None:
    for uri, text in pictures.files(name).items():
        assert (SITE / uri).read_text(encoding="utf-8") == text


def test_nothing_is_fetched_from_elsewhere(browser: str, tmp_path: Path) -> None:
    assert asked(browser, SITE / "kmeans.html", tmp_path) == set()


def test_what_is_fetched_from_elsewhere_is_seen(browser: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<script src="https://far.invalid/x.js"></script>')
    assert asked(browser, page, tmp_path) == {"https://far.invalid/x.js"}


def test_search_works_from_a_disk(browser: str) -> None:
    dom = seen(browser, (SITE / "index.html").as_uri() + "?q=winsorising")
    assert re.search(r'href="[^"]*clip\.html[^"]*" class="md-search-result__link"', dom)
