"""Sparse rows in files, taken into memory: CSR of `scipy.sparse.save_npz`, and baskets (`.dat`).

A basket is a line of whole numbers, the items in it: a row of 0 and 1, whose column is the item's
number. There are as many columns as the largest item of all files needs; later, as in the fit.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from nacre import forms
from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, BadType, OutOfMemory
from nacre.source.arrays import learning_dtype
from nacre.source.columns import same_width
from nacre.source.delimited import text_of
from nacre.source.npy import FileArrayReader, beside, outline_npz, zipped
from nacre.source.opening import damaged
from nacre.source.paths import File
from nacre.source.plan import RowPlan, cut
from nacre.source.terms import Need, Read
from nacre.source.times import event_spans

MEMBERS = {"data.npy", "indices.npy", "indptr.npy", "shape.npy", "format.npy"}
BASKETS = "baskets: whole numbers, at least 0, a line for each row"
LARGEST_ITEM = 2**31 - 2


def is_saved_sparse(file: File) -> bool:
    """Whether a `.npz` file is one of scipy.sparse."""
    with zipped(file) as members:
        return {*members.namelist()} >= MEMBERS - {"indices.npy", "indptr.npy"}


def plan_of_sparse(asked: Read, need: Need, files: Mapping[str, File], baskets: bool) -> RowPlan:
    """The plan of files of sparse rows, which are taken into memory here.

    Raises:
        BadType: the learner takes no sparse rows.
        BadInput: files that are damaged, or of another width.
        BadParameter: a weight, y or columns by name.
        OutOfMemory: they unpack to more than this machine has.
    """
    _check(asked, need)
    known = need.schema.n_columns if need.schema is not None else None
    if baskets:
        found = _baskets(files, known, asked.schema)
    else:
        found = {name: _saved(file) for name, file in files.items()}
    first = next(iter(found.values()))
    for name, X in found.items():
        where = files[name].where
        if X.shape[1] != first.shape[1]:
            raise BadInput(
                got=f"{X.shape[1]} columns, but the first file has {first.shape[1]}",
                wanted="the same width in every file",
                do="Leave it out.",
                where=where,
            )
        if need.schema is not None:
            same_width(need.schema, X.shape[1], where)
    narrow = all(learning_dtype(X) == "float32" for X in found.values())
    dtype = need.dtype(asked, "float32" if narrow else "float64")
    judge = asked.judge(need)
    return cut(
        {
            name: FileArrayReader(X, dtype, judge=judge, where=files[name].where, file=files[name])
            for name, X in found.items()
        },
        need.schema_of(None, first.shape[1], dtype),
        times=event_spans(asked.time, files, "sparse rows"),
        shard_rows=asked.shard_rows,
    )


def _check(asked: Read, need: Need) -> None:
    if "sparse" not in need.takes:
        raise BadType(
            says="Sparse data was passed, but dense data is required.",
            got="files of sparse rows",
            wanted="a learner that takes them",
            do="Use such a learner, or save dense rows: np.save(path, X.toarray()).",
        )
    for name in ("weight", "y", "columns"):
        if getattr(asked, name) is not None:
            raise BadParameter(
                got=f"{name}={getattr(asked, name)!r} of files of sparse rows",
                wanted="rows alone",
                do=f"Load them, and pass the array with nacre.read(X, {name}=...).",
            )


def _saved(file: File) -> Any:
    """The rows that scipy.sparse.save_npz wrote, looked through before they are believed."""
    with zipped(file) as members:
        told = members.getinfo("format.npy")
        raw = members.read(told) if told.file_size < 1_000 else b""
    try:
        text = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False).item()
    except (ValueError, EOFError):
        raise damaged(file.where, "scipy.sparse", "no format") from None
    kind = text.decode("latin-1") if isinstance(text, bytes) else text
    if kind != "csr":
        raise BadInput(
            got=f"sparse rows in the format {kind!r}",
            wanted="CSR",
            do="Save them so: scipy.sparse.save_npz(path, X.tocsr()).",
            where=file.where,
        )
    sizes = {name: outline_npz(file, name) for name in ("shape", "indptr", "indices", "data")}
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    total = sum(stored.layout.nbytes for stored in sizes.values())
    if 2 * total > there:
        raise OutOfMemory(
            got=f"sparse rows that unpack to {total:.1e} bytes",
            wanted=f"at most half of the {there:.1e} bytes of this machine",
            do="Save them as several files, and absorb one after another.",
            where=file.where,
        )
    arrays: list[Any] = [
        beside(file, name, stored.shape[0] if len(stored.shape) == 1 else -1)
        for name, stored in sizes.items()
    ]
    shape, starts, columns, values = arrays
    _check_csr(shape, starts, columns, values, file.where)
    return forms.as_csr(forms.csr(values, columns, starts, int(shape[1])))


def _check_csr(shape: Array, starts: Array, columns: Array, values: Array, where: str) -> None:
    """Raise for arrays that are no CSR rows, which SciPy's loops would take at their word."""
    whole = all(array.dtype.kind in "iu" for array in (shape, starts, columns))
    good = whole and len(shape) == 2 and min(shape) >= 0 and len(starts) == shape[0] + 1
    good = good and starts[0] == 0 and bool((np.diff(starts) >= 0).all())
    good = good and starts[-1] == len(columns) == len(values)
    if not good or (len(columns) and not 0 <= columns.min() <= columns.max() < shape[1]):
        raise damaged(where, "scipy.sparse", "arrays that are no CSR rows")


def _baskets(files: Mapping[str, File], known: int | None, policy: str) -> dict[str, Any]:
    found = {name: _items(file) for name, file in files.items()}
    largest = max((int(items.max(initial=-1)) for items, _ in found.values()), default=-1)
    width = known if known is not None else largest + 1
    rows = {}
    for name, (items, starts) in found.items():
        if items.max(initial=-1) >= width and policy == "error":
            raise BadInput(
                got=f"item {int(items.max())}",
                wanted=f"items below {width}, as in the fit",
                do='Leave out what the fit did not know: nacre.read(data, schema="ignore").',
                where=files[name].where,
            )
        rows[name] = _of_items(items, starts, width)
    return rows


def _of_items(items: Array, starts: Array, width: int) -> Any:
    """CSR rows of 0 and 1; an item that a line names twice is in it once."""
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    known = items < width
    both = np.unique(row[known] * np.int64(max(width, 1)) + items[known])
    begins = np.searchsorted(both, np.arange(len(starts)) * np.int64(max(width, 1)))
    return forms.csr(np.ones(len(both), np.float32), both % max(width, 1), begins, width)


def _items(file: File) -> tuple[Array, Array]:
    """All items (e,) int64, and where each line's begin (n + 1,); an empty line is an empty row."""
    parts, sizes = [np.empty(0, np.int64)], [0]
    with text_of(file, "baskets") as data:
        for row, line in enumerate(data):
            try:
                items = np.array(line.split(), np.int64)
            except (ValueError, OverflowError):
                items = np.array([-1])
            if len(items) and not 0 <= items.min() <= items.max() <= LARGEST_ITEM:
                raise BadInput(
                    got=f"{line[:40]!r} in row {row}",
                    wanted=BASKETS,
                    do="Correct the file.",
                    where=file.where,
                )
            parts.append(items)
            sizes.append(len(items))
    return np.concatenate(parts), np.cumsum(sizes)
