"""Parquet files: a row group is decoded once, not once for each shard that is cut from it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, ClassVar

from nacre.source.columns import listed
from nacre.source.footer import PAGE, WHAT, Outline, check_rows, opened
from nacre.source.opening import check_stamp, rewritten, stamp_of
from nacre.source.paths import File

CHUNK_VALUES = 1 << 20  # decoded at once: few calls for narrow files, little memory for wide ones
LEAST_CHUNK = 4096  # rows
BUFFERED = 1 << 22  # bytes of compressed pages in memory, shared by the columns


class ParquetGroups(Outline):
    """A Parquet file, in row groups."""

    what: ClassVar[str] = WHAT

    def reading(self, names: list[str]) -> int:
        """Bytes of open pages, and of what is decoded ahead."""
        pages = sum(self.open.get(name, PAGE) for name in names)
        ahead = 2 * chunk_rows(names) * len(names) * 8
        return (BUFFERED + pages + ahead) * 4 // 3  # what allocators keep for later

    def chunks(self, file: File, group: int, names: list[str]) -> Generator[Any]:
        """Record batches from the beginning of a row group to the end of the file.

        Raises:
            BadInput: it is damaged, or not the file of the plan any more.
        """
        local = file.system is None
        buffer_size = max(1 << 14, BUFFERED // len(names)) if local else 0
        with opened(file, buffer_size=buffer_size, pre_buffer=not local) as parquet:
            check_rows(parquet.metadata, self.starts, group, file.where)
            _check_columns(names, parquet.schema_arrow.names, file.where)
            check_stamp(stamp_of(file), self.stamp, file.where)
            groups = list(range(group, len(self.starts) - 1))
            # a request to a remote store takes long, so a row group is fetched in few of them
            for run in [groups] if local else [[group] for group in groups]:
                yield from parquet.iter_batches(chunk_rows(names), run, names, use_threads=False)

    def empty(self, file: File, names: list[str]) -> Any:
        """A table of these columns without rows."""
        with opened(file) as parquet:
            return parquet.schema_arrow.empty_table().select(names)


def _check_columns(names: Sequence[str], there: Sequence[str], where: str) -> None:
    lost = [name for name in names if name not in there]
    if lost:
        raise rewritten(f"no column {listed(lost)}", "the columns", where)


def chunk_rows(names: Sequence[str]) -> int:
    """Rows that are decoded at once."""
    return max(LEAST_CHUNK, min(CHUNK_VALUES // len(names), 1 << 16))
