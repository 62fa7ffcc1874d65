"""Pages that show files and folders of the repository which other pages link to."""

from __future__ import annotations

from collections.abc import Iterable

from docs.hooks.links import CODE, ROOT, page_of

LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".md": "markdown", ".css": "css"}
UNLISTED = {"__pycache__"}
HEAD = "---\nsearch:\n  exclude: true\n---\n\n# {}\n\n"
MOST_LINES = 2_000


def shown(path: str) -> str:
    """A file as a page, or a folder as a list of what is in it."""
    place = ROOT / path
    head = HEAD.format(f"`{path}`")
    if place.is_dir():
        inner = sorted(one.name for one in place.iterdir() if one.name not in UNLISTED)
        return head + "".join(f"- `{name}`\n" for name in inner)
    lines = place.read_text(encoding="utf-8").splitlines()[:MOST_LINES]
    language = LANGUAGES.get(place.suffix, "text")
    return head + "\n".join([f"~~~~~~ {language}", *lines, "~~~~~~", ""])


def needed(paths: Iterable[str]) -> set[str]:
    """Of linked paths those that need such a page; all modules of nacre have one."""
    modules = (path.relative_to(ROOT).as_posix() for path in ROOT.glob("src/nacre/**/*.py"))
    return {path for path in (*modules, *paths) if page_of(path).startswith(f"{CODE}/")}
