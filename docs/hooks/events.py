"""What is done while mkdocs builds the site: pages from the repository, pictures, and the checks.

The build fails where a page asks for what there is not, where something public is named on no page,
and where a page would fetch anything from elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

from docs.hooks import links, listing, pictures, public, tables

RESOURCE = re.compile(r"<(?:script|img|iframe|source|video)[^>]*\ssrc=[\"'](?:https?:)?//[^>]*>")
SHEET = re.compile(r"<link[^>]*\srel=[\"']?(?:stylesheet|preload|icon|preconnect)[^>]*//[^>]*>")
said = public.Said(set(), set())
fetched: set[str] = set()


def on_files(files: Any, config: Any) -> Any:
    """The README as the home page, code as pages, pictures as files."""
    files.remove(files.get_file_from_path("index.md"))
    for path, page in links.PAGES.items():
        files.append(File.generated(config, page, content=_text(path)))
    linked = set()
    for file in files.documentation_pages():
        path = links.source_of(file.src_uri)
        linked |= links.targets(tables.expanded(_text(path), **_drawing(files, config)), path)
    for path in sorted(listing.needed(linked)):
        content = listing.shown(path)
        files.append(File.generated(config, links.page_of(path), content=content))
    return files


def _text(path: str) -> str:
    return (links.ROOT / path).read_text(encoding="utf-8")


def _drawing(files: Any, config: Any) -> Any:
    """The comment `picture`, for once as a picture that becomes a file of the site."""

    def picture(name: str) -> str:
        for uri, content in pictures.files(name).items():
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, content=content))
        return ""

    return {"picture": picture}


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Comments become tables, pictures and references; links lead to pages of the site."""
    uri = page.file.src_uri
    if uri.startswith(f"{links.CODE}/"):
        return markdown
    path = links.source_of(uri)
    depth = "../" * uri.count("/")
    whole = tables.expanded(markdown, picture=lambda name: pictures.figure(name, depth))
    return links.adapted(links.moved(whole, path))


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """What a page says is noted."""
    if not page.file.src_uri.startswith(f"{links.CODE}/"):
        found = public.said_in_html(html)
        said.words.update(found.words)
        said.cells.update(found.cells)
    return html


def on_post_page(output: str, page: Any, config: Any) -> str:
    """What a page would fetch from elsewhere is noted."""
    fetched.update(f"{page.file.src_uri}: {found}" for found in RESOURCE.findall(output))
    fetched.update(f"{page.file.src_uri}: {found}" for found in SHEET.findall(output))
    return output


def on_post_build(config: Any) -> None:
    """Raise PluginError where something public is on no page, or a page needs a network."""
    lacks = public.missing(public.required_of_the_site(), said)
    if lacks:
        names = ", ".join(f"{one.kind} {one.name}" for one in lacks)
        raise PluginError(f"got no page that names {names}; wanted one for each")
    if fetched:
        raise PluginError(f"got pages that fetch from elsewhere: {'; '.join(sorted(fetched))}")
