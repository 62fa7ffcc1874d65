"""Images as rows: those of a folder are a batch, in the order of their names, a file a row.

A file for itself would be a batch, and a shard, of one row; so a batch is a folder, and its id is
the folder's path below `root=`; of images that lie in the root itself, the root's name. Images are
decoded where a shard is read; a plan of them looks at sizes and times of writing, and at one file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nacre.contract import Array, Batch, Run, Schema
from nacre.errors import BadInput, BadParameter
from nacre.source.bad import left_out
from nacre.source.columns import same_names, same_width
from nacre.source.opening import Stamp, check_stamp, damaged, opened, stamp_of
from nacre.source.paths import File, divided
from nacre.source.pixels import MOST_BYTES, WHAT, Form, Unread, looked_at, pixels, pixels_in
from nacre.source.plan import BATCH_ROWS, RowPlan, cut, rows_per_shard
from nacre.source.terms import Need, Read
from nacre.source.times import event_spans

MOST_COLUMNS = 1 << 20  # of a row: more are pixels that nobody has thought of
BATCH_VALUES = 1 << 26  # numbers in a batch of wide rows
OPEN = 16  # bytes that a pixel takes while it is decoded, turned and converted
AT_ONCE = 8  # remote files that are asked about at a time
FOLDER = "folder"  # the y that images have


@dataclass(frozen=True, eq=False)
class Folder:
    """The images of a folder.

    Attributes:
        path, system: of it, as `File` has them.
        names: of the files, in the order of the rows.
        stamps: (n, 3) int64, the stamps of the files when the plan was made.
        form: what all images are brought to.
        dtype: what learning sees.
        labelled: whether the folder's name is the y of its rows.
        skip: files that cannot be read are left out, not an error.
        reading: bytes that decoding takes meanwhile.
        at: the number of the first file's row: a part of a folder keeps the numbers of the rows.
    """

    path: str
    system: Any
    names: tuple[str, ...]
    stamps: Array
    form: Form | None = None
    dtype: str = "float32"
    labelled: bool = False
    skip: bool = False
    reading: int = 0
    at: int = 0

    @property
    def n_rows(self) -> int:
        """Number of files."""
        return len(self.names)

    @property
    def where(self) -> str:
        """Path or URI."""
        return File(self.path, self.system).where

    @property
    def label(self) -> str:
        """The folder's own name."""
        return self.path.rpartition("/")[2]

    def file(self, row: int) -> File:
        """The file of a row."""
        return File(f"{self.path}/{self.names[row - self.at]}", self.system)

    def stamp(self, row: int) -> Stamp:
        """Which writing of that file the plan was made of."""
        return Stamp(*self.stamps[row - self.at].tolist())

    def part(self, first: int, stop: int) -> Folder:
        """Rows first to stop alone, with their numbers: what a shard takes along."""
        rows = slice(first - self.at, stop - self.at)
        return replace(self, names=self.names[rows], stamps=self.stamps[rows], at=first)

    def read(self, first: int, stop: int, batch_rows: int, origin: int) -> Iterator[Batch]:
        """Rows first to stop, decoded as they are asked for.

        Raises:
            BadInput: a file that is no image, of another size, or not the one of the plan any more.
            NotFound: it is not there any more.
            MissingExtra: Pillow is not installed.
        """
        for start in range(first, max(stop, first + 1), batch_rows):
            yield self._batch(start, max(0, min(start + batch_rows, stop) - start), origin)

    def _batch(self, start: int, n: int, origin: int) -> Batch:
        X, lost = np.zeros((n, self._form.n_columns), self.dtype), np.zeros(n, bool)
        for i in range(n):
            try:
                X[i] = pixels(self.bytes(start + i), self._form, self.file(start + i).where)
            except Unread as error:
                if not self.skip:
                    raise damaged(self.file(start + i).where, WHAT, str(error)) from None
                lost[i] = True
        y = np.full(n, self.label, object) if self.labelled else None
        where = f"{self.where} rows {start} to {max(start, start + n - 1)}"
        batch = Batch(X, Run(origin, start), None, y, where=where)
        return left_out(batch, lost) if lost.any() else batch

    @property
    def _form(self) -> Form:
        assert self.form is not None  # a plan says it
        return self.form

    def bytes(self, row: int) -> bytes:
        """A file as it lies.

        Raises:
            Unread: it holds nothing, or more than an image can.
            BadInput: it may not be read, or is not the one of the plan any more.
            NotFound: it is not there any more.
        """
        file, then = self.file(row), self.stamp(row)
        if then.size > MOST_BYTES:
            raise Unread(f"{then.size:,} bytes")
        with opened(file, WHAT) as data:
            found: bytes = data.read()
        if file.system is None:
            check_stamp(stamp_of(file), then, file.where)
        elif then.size and len(found) != then.size:
            check_stamp(Stamp(len(found)), then, file.where)
        if not found:
            raise Unread("no bytes")
        return found

    def fingerprint(self) -> str:
        """What tells the files from others: names, sizes, times of writing; elsewhere what their
        filesystem says.
        """
        sink = hashlib.sha256(self.stamps.tobytes())
        for row in range(self.at, self.at + self.n_rows):
            file = self.file(row)
            told = "" if file.system is None else str(file.system.ukey(file.path))
            sink.update(f"{file.path}\0{told}\0".encode())
        return sink.hexdigest()[:32]


def by_folder(files: Mapping[str, File]) -> dict[str, Folder]:
    """Batch id -> the images of a folder; `files` are sorted by their names below the root."""
    found: dict[str, tuple[str, Any, list[str]]] = {}
    for name, file in files.items():
        path, own = divided(file.path)
        found.setdefault(name.rpartition("/")[0], (path, file.system, []))[2].append(own)
    return {
        name: _stamped(Folder(path, system, tuple(names), np.zeros((len(names), 3), np.int64)))
        for name, (path, system, names) in sorted(found.items())
    }


def _stamped(folder: Folder) -> Folder:
    files = [folder.file(row) for row in range(folder.n_rows)]
    if folder.system is None:
        stamps = [stamp_of(file) for file in files]
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            stamps = list(pool.map(stamp_of, files))
    return replace(folder, stamps=np.array(stamps, np.int64).reshape(-1, 3))


def plan_of_images(asked: Read, need: Need, folders: Mapping[str, Folder]) -> RowPlan:
    """The plan of folders of images; what they are brought to is read here.

    Raises:
        BadInput: no file that can be read; another size than in the fit.
        BadParameter: columns, weights, or a y that images have not.
        MissingExtra: Pillow is not installed.
    """
    _check(asked)
    form = _form_of(asked, need.schema, folders)
    dtype = need.dtype(asked, "float32")
    schema = need.schema_of(form.names, form.n_columns, dtype)
    batch_rows = rows_per_batch(form.n_columns)
    narrow = batch_rows == BATCH_ROWS
    plan = cut(
        {name: _ready(folder, form, dtype, asked) for name, folder in folders.items()},
        schema,
        times=event_spans(asked.time, folders, "images"),
        shard_rows=asked.shard_rows or (rows_per_shard(form.n_columns) if narrow else batch_rows),
        batch_rows=batch_rows,
    )
    parts = [replace(s, reader=_folder(s.reader).part(s.first, s.stop)) for s in plan.shards]
    return replace(plan, shards=parts)


def _folder(reader: Any) -> Folder:
    assert isinstance(reader, Folder)
    return reader


def rows_per_batch(n_columns: int) -> int:
    """8,192 rows, of more than 8,192 columns fewer.

    >>> rows_per_batch(784), rows_per_batch(3 * 64 * 64), rows_per_batch(3 * 224 * 224)
    (8192, 4096, 256)
    """
    fit = BATCH_VALUES // n_columns
    return min(BATCH_ROWS, 1 << (max(fit, 1).bit_length() - 1))


def _check(asked: Read) -> None:
    wrong = {name: getattr(asked, name) for name in ("columns", "weight")}
    if asked.y != FOLDER:
        wrong["y"] = asked.y
    for name, value in wrong.items():
        if value is not None:
            raise BadParameter(
                got=f"{name}={value!r} of images",
                wanted='all pixels, without weights; y="folder" is the name of their folder',
                do=f"Leave {name} out.",
            )


def _form_of(asked: Read, fitted: Schema | None, folders: Mapping[str, Folder]) -> Form:
    """What all images are brought to: as was asked for, else as in the fit, else as the first is.

    Raises:
        BadInput: more columns than rows should have, or others than in the fit.
    """
    known = None if fitted is None else form_in(fitted)
    size, mode, like = asked.image_size, asked.image_mode, "in the fit"
    if known is not None:
        size, mode = size or known.shape[:2], mode or known.mode
    if size is None or mode is None:
        (height, width, own), first = _first(folders, asked.bad == "skip")
        size, mode, like = size or (height, width), mode or own, f"in {first}"
    said = asked.image_size is not None, asked.image_mode is not None
    form = Form(*size, mode, *said, like)
    if form.n_columns > MOST_COLUMNS:
        raise BadInput(
            got=f"images of {form.said}: rows of {form.n_columns:,} columns",
            wanted=f"at most {MOST_COLUMNS:,}",
            do="Say what size all are brought to: nacre.read(data, image_size=(64, 64)).",
            where=next(iter(folders.values())).where,
        )
    if fitted is not None:
        same_width(fitted, form.n_columns, next(iter(folders.values())).where)
        if fitted.names is not None:
            same_names(fitted.names, form.names)
    return form


def form_in(schema: Schema) -> Form | None:
    """What images were brought to, by the names of the columns; None where these are no pixels."""
    last = schema.names[-1] if schema.names else ""
    place, mode = (last[:-1], "RGB") if last.endswith("b") else (last, "L")
    y, found, x = place.removeprefix("y").partition("x")
    if not (place.startswith("y") and found and y.isdecimal() and x.isdecimal()):
        return None
    form = Form(int(y) + 1, int(x) + 1, "L" if mode == "L" else "RGB", False, False, "in the fit")
    return form if form.n_columns == schema.n_columns and form.names == schema.names else None


def _first(folders: Mapping[str, Folder], skip: bool) -> tuple[Any, str]:
    """Size and mode of the first image that can be read, and where it lies.

    Raises:
        BadInput: it cannot be read; with `skip`, none can.
    """
    for folder in folders.values():
        for row in range(folder.n_rows):
            where = folder.file(row).where
            try:
                return looked_at(folder.bytes(row)), where
            except Unread as error:
                if not skip:
                    raise damaged(where, WHAT, str(error)) from None
    n = sum(folder.n_rows for folder in folders.values())
    raise BadInput(
        got=f"{n} files, none of which can be read",
        wanted="at least one image",
        do='Try one of them without bad="skip", to see why.',
        where=next(iter(folders.values())).where,
    )


def _ready(folder: Folder, form: Form, dtype: str, asked: Read) -> Folder:
    """The folder with all that reading it needs; it takes as much room as its largest file."""
    row = int(folder.stamps[:, 0].argmax())
    n_pixels = form.height * form.width
    with contextlib.suppress(Unread):  # who reads it will say so
        n_pixels = max(n_pixels, pixels_in(folder.bytes(row)))
    reading = int(folder.stamps[row, 0]) + OPEN * n_pixels
    skip, labelled = asked.bad == "skip", asked.y == FOLDER
    return replace(folder, form=form, dtype=dtype, labelled=labelled, skip=skip, reading=reading)
