"""From paths to a plan: which format the files have, and who reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from nacre.errors import BadInput, BadParameter, NacreError
from nacre.source.formats import formats_of, without_secrets
from nacre.source.opening import unreached
from nacre.source.paths import File, files_of
from nacre.source.plan import RowPlan
from nacre.source.terms import Need, Read

_MEMBER = re.compile(r"^(.*\.npz)#(.+)$", re.IGNORECASE)


def plan_of_files(asked: Read, need: Need) -> RowPlan:
    """The plan of files of one format. What they say of themselves is read here, once.

    Raises:
        NotFound, SameId: as files_of.
        BadInput: files of several formats, damaged ones, or columns that do not fit.
        BadType: columns or arrays that hold no numbers.
        BadParameter: options that files do not take.
    """
    return plan_of_found(asked, need, found_files(asked))


class Found(NamedTuple):
    """Files by id, their format, and the member of `.npz` files that was named."""

    files: dict[str, File]
    format: str
    member: str | None


def found_files(asked: Read) -> Found:
    """The files that are meant; none is opened.

    Raises:
        NotFound, SameId: as files_of.
        BadInput: files of several formats.
        BadParameter: options that files do not take.
    """
    _check(asked)
    data, member = _member(asked.data)
    files = _found(data, asked.root)
    format = _format(files)
    return Found(files if format == "image" else _named(files, asked.id), format, member)


def plan_of_found(asked: Read, need: Need, found: Found) -> RowPlan:
    """The plan of what `found_files` found.

    Raises:
        NotFound, BadInput, BadType, BadParameter: as plan_of_files.
    """
    files, format, member = found
    if format == "image":
        from nacre.source.images import by_folder, plan_of_images

        return plan_of_images(asked, need, _named(by_folder(files), asked.id))
    if format in ("npz", "baskets"):
        from nacre.source.sparse_files import is_saved_sparse, plan_of_sparse

        if format == "baskets" or (member is None and is_saved_sparse(next(iter(files.values())))):
            return plan_of_sparse(asked, need, files, format == "baskets")
    if format in ("npy", "npz"):
        from nacre.source.npy import plan_of_arrays

        return plan_of_arrays(asked, need, files, member, format == "npz")
    from nacre.source.tables import plan_of_tables

    return plan_of_tables(asked, need, files, format)


def _found(data: Any, root: Any) -> dict[str, File]:
    """The files; where a store cannot be reached, an error of ours.

    Raises:
        Unavailable: no answer from it.
    """
    try:
        return files_of(data, root)
    except NacreError:
        raise
    except Exception as error:
        address = str(data[0] if isinstance(data, list | tuple) else data)
        if "://" not in address:
            raise
        raise unreached(without_secrets(address), error) from None


def _check(asked: Read) -> None:
    for name in ("weight", "y"):
        if not isinstance(getattr(asked, name), str | None):
            raise BadParameter(
                got=f"{name} as an array beside files",
                wanted=f"{name} as a column of the files",
                do=f'Name it: nacre.read(data, {name}="...").',
            )


def _member(data: Any) -> tuple[Any, str | None]:
    """The paths, and the member of `.npz` files that stands behind them: "file.npz#X"."""
    items = [os.fspath(item) for item in (data if isinstance(data, list | tuple) else [data])]
    found = [_MEMBER.match(item) for item in items]
    members = {match[2] if match else None for match in found}
    if len(members) > 1:
        raise BadInput(
            got=f"the members {sorted(map(str, members))}",
            wanted="the same array of every file",
            do="Read them apart.",
        )
    paths = [match[1] if match else item for match, item in zip(found, items, strict=True)]
    return (paths if isinstance(data, list | tuple) else paths[0]), members.pop()


def _named(batches: dict[str, Any], name: str | None) -> dict[str, Any]:
    if name is None:
        return batches
    if len(batches) > 1:
        raise BadParameter(
            got=f"id={name!r} for {len(batches)} files, or folders of images",
            wanted="an id for one",
            do="Leave it out; root= says what the ids of files are relative to.",
        )
    return {name: next(iter(batches.values()))}


def _format(files: Mapping[str, File]) -> str:
    formats = formats_of(file.path for file in files.values())
    if len(formats) > 1:
        raise BadInput(
            got=f"files of several formats: {', '.join(formats)}",
            wanted="one format at a time",
            do='Name the files of one: "folder/*.csv".',
        )
    return formats[0]
