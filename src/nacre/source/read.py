"""`nacre.read`: what concerns the data, said once; and the one way from data to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nacre.contract import Schema
from nacre.errors import BadInput
from nacre.source.bad import Policy
from nacre.source.memory import is_in_memory, is_paths, plan_of_read
from nacre.source.plan import RowPlan
from nacre.source.terms import Differing, ImageMode, Need, Read

__all__ = ["Read", "plan_of", "read"]


def read(
    data: Any,
    columns: Sequence[str | int] | None = None,
    *,
    weight: Any = None,
    y: Any = None,
    dtype: Any = None,
    bad: Policy = "error",
    id: str | None = None,
    time: Any = None,
    root: Any = None,
    shard_rows: int | None = None,
    schema: Differing = "error",
    delimiter: str | None = None,
    header: bool = True,
    image_size: tuple[int, int] | None = None,
    image_mode: ImageMode | None = None,
) -> Read:
    """Say what concerns the data; the result may stand wherever data may.

    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [np.nan, 2.0], [4.0, 3.0]])
    >>> plan_of(read(X, columns=[1], bad="skip", id="today")).n_rows
    3

    Args:
        data: an array (n, d); rows of scipy.sparse in any format, for learners that take them (CSR
            that is sorted already is not copied, and nothing is made dense); a frame of pandas,
            polars, pyarrow or duckdb (a stream that is there only once is taken once, into memory);
            files of Parquet, Arrow IPC, CSV, `.npy`, `.npz` or images (docs/sources.md): a path or
            URI, a directory (all data below it), a glob (** too), a list of these. A file is a
            batch, and so is an array, a frame, or a folder of images.
        columns: names, or positions in an array, in the order wanted. Default: all but weight and
            y, in a fit; later, those of the fit, picked from files by name.
        weight: the name of a column of weights, at least 0; or (n,) for rows in memory.
        y: the name of a column; or (n,) for rows in memory. Of images "folder": its name.
        dtype: what learning sees: "float32" or "float64". Default: float32 for files of columns and
            for arrays (in files too) and frames of float32 alone, else float64. Later data is cast
            to the dtype of the fit.
        bad: what is done with NaN, inf and values whose squares overflow: "error", or "skip", which
            leaves such rows out and counts them.
        id: of an array, a frame, or one file; two batches are the same where their ids are.
        time: when the batches happened: int ns since 1970, an ISO text or a datetime for all; a
            mapping from id to time; a pattern with one group that finds the time in the id; or the
            name of a column of times, which is no feature: a batch has the time of its last row.
        root: a file's id is its path below it. Default: the directory that was given, the deepest
            folder before a glob's first wildcard, a file's own folder; for each item of a list.
        shard_rows: rows of a shard; another number gives another sum, at rounding. Default:
            131,072, of rows of more than 32 columns fewer (4 million numbers), at least 8,192.
        schema: what is done where files, or later data, have other columns than the first file, or
            the fit: "error"; "ignore" learns from those that all files have, and leaves out what
            the fit did not know; "pad" learns from all there are, and fills with missing values.
        delimiter: between the fields of text. Default: "," in .csv, a tab in .tsv.
        header: whether the first line of text names the columns; else they are x0, x1, ...
        image_size: (height, width) in pixels that all images are brought to. Default: that of the
            first, or of the fit, and another one is an error.
        image_mode: "L", grey, or "RGB", that all images are brought to. Default: that of the first,
            or of the fit; where that is grey, colours are an error.

    Raises:
        BadParameter: an option outside its range.
        BadType: data that has been read already.
    """
    return Read(
        data,
        columns,
        weight,
        y,
        dtype,
        bad,
        id,
        time,
        root,
        shard_rows,
        schema,
        delimiter,
        header,
        image_size,
        image_mode,
    )


def plan_of(
    data: Any,
    y: Any = None,
    weight: Any = None,
    takes: Sequence[str] = (),
    schema: Schema | None = None,
    more: bool = False,
) -> RowPlan:
    """The plan of data, or of what `read` says of it.

    Args:
        data: as `read` takes it, or its result.
        y, weight: as a method was given them, for rows in memory.
        takes: of the learner: "nan", "sparse", "records".
        schema: that of the fit, for later data.
        more: rows for `partial_fit`: an array's id is the digest of its content, not the empty one.

    Raises:
        BadInput: columns, values, weights or files that do not fit.
        BadType: data of a kind that is not read, or columns that hold no numbers.
        BadParameter: options that do not fit the data.
        NotFound: no such file.
        SameId: two files under one id.
    """
    asked = (data if isinstance(data, Read) else Read(data)).given(y, weight)
    plan = _plan(asked, Need(tuple(takes), schema, more))
    if plan.n_rows == 0:
        shape = (0, plan.schema.n_columns)
        raise BadInput(
            says=f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required.",
            got="no rows",
            wanted="at least one",
            do="Check the data; a stream of records is there only once.",
        )
    return plan


def _plan(asked: Read, need: Need) -> RowPlan:
    if is_in_memory(asked.data):
        return plan_of_read(asked, need)
    if is_paths(asked.data):  # pyarrow's import takes 0.2 s, which arrays do without
        from nacre.source.files import plan_of_files

        return plan_of_files(asked, need)
    from nacre.source.frames import plan_of_frame

    return plan_of_frame(asked, need)
