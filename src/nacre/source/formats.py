"""Which format a file has, by the end of its name; nothing is guessed from its bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SUFFIXES = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".npy": "npy",
    ".npz": "npz",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"), "image"),
}
NAMED_ONLY = {
    ".txt": "text",
    ".txt.gz": "text",
    ".dat": "baskets",
    ".dat.gz": "baskets",
}  # beside data they are as often something else
_KNOWN = {**SUFFIXES, **NAMED_ONLY}
_END = re.compile(r"\.[a-z0-9]+(\.gz)?\Z")
_ADDRESS = re.compile(r"^([a-z0-9+.-]+://)[^/@]*@|[?#].*$", re.IGNORECASE | re.DOTALL)


def format_of(path: str) -> str:
    """The format of a file; what has no known ending is taken for Parquet.

    >>> format_of("day/1.CSV.gz"), format_of("http://host/a.npy?key=1"), format_of("part-0")
    ('csv', 'npy', 'parquet')
    """
    name = path.lower().partition("?")[0] if "://" in path else path.lower()
    end = _END.search(name)
    return "parquet" if end is None else _KNOWN.get(end[0], "parquet")


def is_data(path: str) -> bool:
    """Whether a file of a directory is data."""
    return path.lower().endswith(tuple(SUFFIXES))


def chosen(paths: Sequence[str]) -> list[str]:
    """Of the data files of a directory those of one format: Parquet, where there is some."""
    formats = {format_of(path) for path in paths}
    if "parquet" in formats:
        return [path for path in paths if format_of(path) == "parquet"]
    return list(paths)


def formats_of(paths: Iterable[str]) -> list[str]:
    """The formats that are there."""
    return sorted({format_of(path) for path in paths})


def without_secrets(address: str) -> str:
    """A URI without the name and password in it, and without its query, which may hold a key.

    >>> without_secrets("http://me:secret@host/a.csv?token=x"), without_secrets("a?.csv")
    ('http://host/a.csv', 'a?.csv')
    """
    return _ADDRESS.sub(lambda found: found[1] or "", address) if "://" in address else address
