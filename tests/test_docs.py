"""The pages name all that is public; what they ask of the site's hooks is there.

The site itself is built by `make docs`, which checks the built pages once more: options too, and
that nothing is fetched from elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nacre
from docs.hooks import links, tables
from docs.hooks.public import (
    Named,
    Said,
    errors,
    learners,
    missing,
    required,
    required_of_the_site,
    said_in_html,
    said_in_markdown,
)

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))
WRITTEN = {page: (ROOT / page).read_text(encoding="utf-8") for page in ["README.md", *PAGES]}
NAV = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
LEARNERS = sorted(learners())
FOLDERS = sorted(p.parent.name for p in ROOT.glob("src/nacre/*/__init__.py"))


def said() -> Said:
    return said_in_markdown(WRITTEN.values())


NOW = {*missing(required(), said())}


def without(name: str) -> Said:
    """What the pages would say without a word."""
    pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    return said_in_markdown(pattern.sub("", text) for text in WRITTEN.values())


def test_all_that_is_public_is_on_a_page() -> None:
    assert sorted(NOW) == []


@pytest.mark.parametrize(
    "one",
    [
        Named("name", "KMeans"),
        Named("name", "load"),
        Named("name", "LawBroken"),
        Named("verb", "doctor"),
        Named("error", "WorkerLost"),
    ],
    ids=lambda one: one.name,
)
def test_one_that_is_on_no_page_is_found(one: Named) -> None:
    assert one in required()
    assert one in missing(required(), without(one.name))


def test_an_exit_code_on_no_page_is_found() -> None:
    less = said_in_markdown(re.sub(r"^\| 7 \|", "|", t, flags=re.M) for t in WRITTEN.values())
    assert {*missing(required(), less)} - NOW == {Named("exit code", "7")}


def test_a_new_name_error_or_option_would_be_missed() -> None:
    for kind in ("name", "error", "error code", "option", "verb", "exit code"):
        new = Named(kind, "--brand-new" if kind == "option" else "BrandNew")
        assert {*missing([*required(), new], said())} - NOW == {new}


def test_the_site_must_name_options_and_codes_of_errors_too() -> None:
    more = required_of_the_site() - required()
    assert {Named("option", "--n-clusters"), Named("error code", "bad_input")} <= more
    page = said_in_html("<table><tr><td><code>--n-clusters</code></td></tr></table>")
    assert missing([Named("option", "--n-clusters")], page) == []
    assert missing(more, page) == sorted(more - {Named("option", "--n-clusters")})


def test_what_is_public_is_found() -> None:
    names = {one.name for one in required() if one.kind == "name"}
    assert {*nacre.__all__, "BadInput", "LEARNER_LAWS"} <= names


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_has_a_page(name: str) -> None:
    low = name.lower()
    text = WRITTEN[f"docs/{low}.md"]
    for asked in (f"facts {name}", f"picture {low}", f"api {name}"):
        assert f"<!-- site: {asked} -->" in text
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads[0] == "Theory"
    assert {"Use", "Traps", "Parameters and attributes"} <= {*heads}
    assert "assert" in "".join(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S))


@pytest.mark.parametrize("name", ["contract", *FOLDERS])
def test_a_folder_has_a_page(name: str) -> None:
    text = WRITTEN[f"docs/folders/{name}.md"]
    asked = "." if name == "contract" else name
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[0] == "Theory"
    assert f"<!-- site: picture folder-{name} -->" in text
    assert f"<!-- site: modules {asked} -->" in text


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_found_in_the_navigation(page: str) -> None:
    assert re.search(rf": {re.escape(links.page_of(page))}$", NAV, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_gets_what_it_asks_for(page: str) -> None:
    text = tables.expanded(WRITTEN[page], picture=lambda name: name)
    assert "<!-- site:" not in text


def test_a_page_that_asks_for_what_there_is_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="shout"):
        tables.expanded("<!-- site: shout now -->")


def test_the_errors_page_has_every_error_beside_its_exit_code() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]*) \|", WRITTEN["docs/errors.md"], re.MULTILINE))
    told = {name: int(code) for code, text in rows.items() for name in re.findall(r"\w+", text)}
    assert told == {error.__name__: error.exit_code for error in errors()}


def test_links_of_the_repository_become_links_of_the_site() -> None:
    text = "[a](../src/nacre/engine/tree.py) [b](index.md#top) [c](../README.md) [d](https://x.y)"
    assert links.moved(text, "docs/theory.md") == (
        "[a](code/src/nacre/engine/tree.py.md) [b](map.md#top) [c](index.md) [d](https://x.y)"
    )
    assert links.moved("```\n[a](index.md)\n```\n", "docs/theory.md") == "```\n[a](index.md)\n```\n"
    assert links.moved("[a](docs/store.md)", "README.md") == "[a](store.md)"
