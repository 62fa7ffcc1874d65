"""What the pages must name: public names, verbs and options, errors and exit codes."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple

import typer

import nacre
from nacre.cli.failing import EXIT_CODES
from nacre.cli.main import VERBS
from nacre.contract import Learner
from nacre.errors import NacreError

_OF_THE_FRONT_DOOR = (home for name, home in nacre._HOME.items() if home == f"nacre.{name}")
MODULES = tuple(dict.fromkeys(("nacre", *_OF_THE_FRONT_DOOR, "nacre.evaluate", "nacre.exchange")))
WORD = re.compile(r"--[\w-]+|\w+")
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
FIRST_CELL = re.compile(r"^\| `?(\d+)`? \|", re.MULTILINE)


class Named(NamedTuple):
    """Something that a page must name: "error", "BadInput"."""

    kind: str
    name: str


class Said(NamedTuple):
    """What pages say: words in code and headings, and the first cells of tables."""

    words: set[str]
    cells: set[str]


def public(module: str) -> dict[str, Any]:
    """Name -> what it is, of a module's public names; none where there is no such module.

    >>> sorted(public("nacre.laws"))
    ['Case', 'Chaos', 'ENGINE_LAWS', 'LEARNER_LAWS', 'LawBroken', 'TIME_LAWS']
    >>> public("nacre.no_such_module")
    {}
    """
    if importlib.util.find_spec(module) is None:
        return {}
    home = importlib.import_module(module)
    names = getattr(home, "__all__", None)
    if names is None:
        names = [name for name, value in vars(home).items() if _own(value, name, module)]
    return {name: getattr(home, name) for name in names}


def _own(value: Any, name: str, module: str) -> bool:
    mine = getattr(value, "__module__", "").startswith(module)
    return name[0] != "_" and mine and (inspect.isclass(value) or inspect.isfunction(value))


def learners() -> dict[str, type[Learner]]:
    """Name -> class, of the learners at the front door."""
    found = ((name, getattr(nacre, name)) for name in nacre._HOME)
    return {n: v for n, v in found if isinstance(v, type) and issubclass(v, Learner)}


def errors() -> list[type[NacreError]]:
    """All classes of errors that users meet, by exit code."""
    found = [v for v in public("nacre.errors").values() if issubclass(v, NacreError)]
    return sorted(found, key=lambda error: (error.exit_code, error.code))


def commands() -> Iterator[tuple[str, Any]]:
    """ "fit kmeans" -> its command, for each verb and each learner of it."""
    for verb, known in VERBS.items():
        command: Any = typer.main.get_command(importlib.import_module(known.module).app)
        below = list(command.list_commands(None)) if hasattr(command, "list_commands") else []
        yield from ((f"{verb} {name}", command.get_command(None, name)) for name in below)
        if not below:
            yield verb, command


def options(command: Any) -> Iterator[tuple[Any, list[str]]]:
    """Each option of a command, and its long names."""
    for param in command.params:
        long = [name for name in (*param.opts, *param.secondary_opts) if name[:2] == "--"]
        if long and "--help" not in long:
            yield param, long


def required() -> set[Named]:
    """All that must stand on a page that somebody wrote."""
    names = {Named("name", name) for module in MODULES for name in public(module)}
    verbs = {Named("verb", verb) for verb in VERBS}
    of_errors = {Named("error", error.__name__) for error in errors()}
    codes = {Named("exit code", str(c)) for c in (*EXIT_CODES, *(e.exit_code for e in errors()))}
    return names | verbs | of_errors | codes


def required_of_the_site() -> set[Named]:
    """All that must stand on a page of the site: options and the errors' codes too."""
    long = {name for _, command in commands() for _, names in options(command) for name in names}
    codes = {Named("error code", error.code) for error in errors()}
    return required() | codes | {Named("option", name) for name in long}


def missing(wanted: Iterable[Named], said: Said) -> list[Named]:
    """What is wanted and not said, sorted.

    >>> missing([Named("name", "KMeans"), Named("exit code", "3")], Said({"KMeans", "3"}, set()))
    [Named(kind='exit code', name='3')]
    """
    looked = {"exit code": said.cells}
    return sorted(one for one in wanted if one.name not in looked.get(one.kind, said.words))


def said_in_markdown(texts: Iterable[str]) -> Said:
    """What pages say, as they were written.

    >>> said = said_in_markdown(["Use `nacre.load`, never pickle.\\n\\n| 4 | not there |\\n"])
    >>> sorted(said.words), sorted(said.cells)
    (['load', 'nacre'], ['4'])
    """
    text = "\n".join(texts)
    code = [*FENCED.findall(text), *CODE.findall(FENCED.sub("", text))]
    return Said({word for part in code for word in WORD.findall(part)}, {*FIRST_CELL.findall(text)})


class _Reader(HTMLParser):
    """Collects the text of code and headings, and of the first cells of rows."""

    LOUD = frozenset({"code", "pre", "h1", "h2", "h3", "h4", "h5", "h6"})

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.first = 0, False
        self.said = Said(set(), set())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag in self.LOUD
        self.first = tag == "tr" or (self.first and tag in ("td", "code"))

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag in self.LOUD
        self.first = self.first and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.depth:
            self.said.words.update(WORD.findall(data))
        if self.first and data.strip():
            self.said.cells.add(data.strip())


def said_in_html(html: str) -> Said:
    """What a built page says.

    >>> said = said_in_html("<code>nacre.load</code><table><tr><td>4</td><td>5</td></tr></table>")
    >>> sorted(said.words), sorted(said.cells)
    (['load', 'nacre'], ['4'])
    """
    reader = _Reader()
    reader.feed(html)
    return reader.said
