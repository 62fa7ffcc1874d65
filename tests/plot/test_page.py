"""The page: it needs nothing from anywhere, nothing in it acts that came from data, it draws."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from nacre.errors import MissingExtra
from nacre.plot import page as pages
from nacre.plot.centres import centres
from nacre.plot.page import Card, Fact, Section, page
from nacre.plot.picture import printable
from nacre.plot.profile import profile
from nacre.plot.sizes import sizes
from nacre.plot.words import Apart, Feature

HOSTILE = '</script><img src=x onerror="alert(1)">\u202e\x1b[31m&\u2028<!--$title'
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

FLAGS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-sync",
    "disable-background-networking",
    "disable-component-update",
    "enable-logging=stderr",
    "host-resolver-rules=MAP * ~NOTFOUND",
    "virtual-time-budget=8000",
    "dump-dom",
)


class Elements(HTMLParser):
    """Names and attributes of all elements, and the text of the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page_of(name: str) -> str:
    """A page on which every text is `name`."""
    labels = np.array([0, 0, 1])
    of = profile([(np.array([[1.0], [2.0], [9.0]]), labels)], k=2)
    names, features = [name, f"{name} 2"], [Feature(name)]
    sections = [
        Section(name, name, sizes(of, names)),
        Section(name, name, centres(of, features, names)),
        Section(name, name, cards=[Card(9, name, name, name, [Apart(name, name)], [name], [name])]),
        Section(name, name, commands=[name]),
    ]
    return page(name, name, facts=[Fact(name, name)], sections=sections, notes=[name])


def test_nothing_is_fetched() -> None:
    text = page_of("fine")
    elements = Elements(text).found
    assert {"img", "iframe", "object", "embed", "base", "form"} & {
        tag for tag, _ in elements
    } == set()
    assert [a["href"] for _, a in elements if "href" in a] == ["data:,"]
    assert [a for _, a in elements if {"src", "srcset", "action", "data"} & set(a)] == []
    assert re.findall(r"url\(|@import", text[: text.index("</style>")]) == []
    (policy,) = [a["content"] for _, a in elements if "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert len(text.encode()) < 3_000_000


def test_what_comes_from_data_does_not_act() -> None:
    tame, hostile = Elements(page_of("fine")), Elements(page_of(HOSTILE))
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in tame.found]
    assert not any(name.startswith("on") for _, a in hostile.found for name in a)
    body = page_of(HOSTILE)
    assert "\u202e" not in body
    assert "\x1b" not in body


def test_the_numbers_of_the_pictures_come_through() -> None:
    text = page_of(HOSTILE)
    data = re.search(r'<script id="pictures" type="application/json">(.*?)</script>', text)
    assert data is not None
    specs = json.loads(data[1])["specs"]
    assert specs["picture-0"]["data"]["values"][0]["name"] == printable(HOSTILE)
    assert printable(HOSTILE).startswith("</script>")
    assert printable(HOSTILE).isprintable()
    assert set(specs) == {"picture-0", "picture-1"}


def test_it_is_sound_for_those_who_do_not_see_it() -> None:
    elements = Elements(page_of("fine")).found
    assert [a["lang"] for tag, a in elements if tag == "html"] == ["en"]
    assert [tag for tag, _ in elements if tag in ("h1", "h2", "h3")] == [
        "h1",
        *["h2"] * 3,
        "h3",
        "h2",
    ]
    assert all(a.get("aria-label") for _, a in elements if a.get("role") == "img")
    assert sum(tag == "table" for tag, _ in elements) == 2


def test_without_vega_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    pages.library.cache_clear()
    with pytest.raises(MissingExtra, match=re.escape("pip install 'nacre[plot]'")):
        pages.library()


def test_plots_load_no_extra() -> None:
    code = (
        "import sys; import nacre.plot.page, nacre.plot.centres, nacre.plot.plane;"
        "assert not {'altair', 'vl_convert', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_draws_it_without_a_network(theme: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page_of(HOSTILE), encoding="utf-8")
    assert CHROMIUM is not None
    command = [CHROMIUM, *(f"--{flag}" for flag in FLAGS)]
    command.append(f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}")
    command.append(f"--user-data-dir={tmp_path / 'profile'}")
    command.append((tmp_path / "page.html").as_uri())
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert f'data-drawn="{theme}"' in done.stdout
    assert done.stdout.count('<svg xmlns="') == 2
    assert "CONSOLE" not in done.stderr
