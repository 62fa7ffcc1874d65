"""Where a file of the repository stands on the site: links in pages are those of a forge.

A page links to `../src/nacre/contract.py` or to `sources.md`, as it is read in the repository. On
the site a file of code has a page of its own, a folder of `src/nacre` its page of theory, and the
README is the home page.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.md",
    "docs/index.md": "map.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
CODE = "code"
LINK = re.compile(r"(?<=\]\()([^)#\s]+)(#[^)\s]*)?(?=[^)]*\))")
INDENT = re.compile(r"^ {2,3}(?=(?:[-*]|\d+\.) )", re.MULTILINE)
ROW = re.compile(r"^\|.*$", re.MULTILINE)
FENCE = re.compile(r"^(`{3,}|~{3,})", re.MULTILINE)


def page_of(path: str) -> str:
    """The page, or the file, of the site that shows a path of the repository.

    >>> page_of("README.md"), page_of("docs/kmeans.md"), page_of("src/nacre/engine")
    ('index.md', 'kmeans.md', 'folders/engine.md')
    >>> page_of("src/nacre/engine/tree.py"), page_of("tests/golden")
    ('code/src/nacre/engine/tree.py.md', 'code/tests/golden/index.md')
    """
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/") and path.endswith(".md"):
        return path.removeprefix("docs/")
    folder = path.removeprefix("src/nacre/").partition("/")[0]
    if path.startswith("src/nacre/") and (ROOT / path).is_dir():
        return f"folders/{folder}.md"
    return f"{CODE}/{path}/index.md" if (ROOT / path).is_dir() else f"{CODE}/{path}.md"


def source_of(page: str) -> str:
    """The path in the repository that a page is made from; a page that is made from none: itself.

    >>> source_of("index.md"), source_of("map.md"), source_of("kmeans.md")
    ('README.md', 'docs/index.md', 'docs/kmeans.md')
    """
    homes = {home: path for path, home in PAGES.items()}
    return homes.get(page, f"docs/{page}")


def proses(text: str) -> Iterator[tuple[bool, str]]:
    """The parts of a page, in order: whether it is prose, and the text; fenced blocks are not.

    >>> list(proses("a\\n```sh\\nb\\n```\\n"))
    [(True, 'a\\n'), (False, '```sh\\nb\\n```\\n')]
    """
    part: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        found = FENCE.match(line)
        if found and not fence:
            if part:
                yield True, "".join(part)
            fence, part = found[1], [line]
        elif found and line.strip() == fence:
            yield False, "".join([*part, line])
            fence, part = "", []
        else:
            part.append(line)
    if part:
        yield not fence, "".join(part)


def targets(text: str, path: str) -> set[str]:
    """The paths of the repository that a page at `path` links to."""
    found = (match[1] for prose, part in proses(text) if prose for match in LINK.finditer(part))
    return {_resolved(link, path) for link in found if "://" not in link and link[:7] != "mailto:"}


def moved(text: str, path: str) -> str:
    """A page at `path` of the repository with its links as the site needs them."""
    folder = posixpath.dirname(page_of(path))

    def there(match: re.Match[str]) -> str:
        if "://" in match[1] or match[1].startswith("mailto:"):
            return match[0]
        page = page_of(_resolved(match[1], path))
        return posixpath.relpath(page, folder or ".") + (match[2] or "")

    return "".join(LINK.sub(there, part) if prose else part for prose, part in proses(text))


def _resolved(link: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def adapted(text: str) -> str:
    """A page as Markdown wants it where no forge is: inner lists by four, bars in code as they are.

    >>> adapted("1. a\\n   - b\\n")
    '1. a\\n    - b\\n'
    >>> adapted("| `a \\\\| b` |\\n")
    '| `a | b` |\\n'
    """

    def row(match: re.Match[str]) -> str:
        return re.sub(r"`[^`]*`", lambda code: code[0].replace("\\|", "|"), match[0])

    def of(part: str) -> str:
        return ROW.sub(row, INDENT.sub("    ", part))

    return "".join(of(part) if prose else part for prose, part in proses(text))
