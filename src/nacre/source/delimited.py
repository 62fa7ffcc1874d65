"""Text of columns: `.csv`, `.tsv`, and both as `.gz`.

One scan finds the borders of records and counts them, so that blocks of text are stitched as row
groups are: a CSV file is cut by row number, and has the plan of a Parquet file of the same rows. A
border is a line end outside of quotes; a quote opens only at the start of a field (RFC 4180), so
the number of quotes before a line end says whether it is one. Blocks are then parsed one by one,
anywhere, by pyarrow, into types that the first block of the first file decides for all.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import re
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from nacre.contract import Array
from nacre.errors import BadInput
from nacre.source.arrow import columns_of
from nacre.source.columns import Column
from nacre.source.opening import Stamp, check_stamp, damaged, opened, rewritten, stamp_of
from nacre.source.paths import File
from nacre.source.stitched import LOST

WHAT = "CSV"
BLOCK = 1 << 20  # bytes of text that are parsed at a time
LONGEST = 1 << 26  # bytes of a record at most
EXACT = 1 << 53  # integers below it are numbers of float64
BOM, UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
QUOTE, NEWLINE, RETURN = b'"'[0], b"\n"[0], b"\r"[0]
_EMPTY_LINE = re.compile(rb"(?m)^\r?\n")
_VALUE = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?(.*)", re.DOTALL)
_WRONG = re.compile(r"CSV conversion error to (\w+).*invalid value '(.*)'", re.DOTALL)
_RAGGED = re.compile(r"Expected (\d+) columns, got (\d+)")


@dataclass(frozen=True)
class Dialect:
    """How text is written.

    Attributes:
        delimiter: between fields; header: whether the first record names the columns.
        skip: records that cannot be read are left out, not an error.
        forced: name -> Arrow type, of columns that were decided elsewhere.
        numbers: columns that must be numbers, whatever the first block has.
        time: the column of event times: whole numbers stay so, and times stay the texts that they
            are, as one may be written otherwise than those before it.
    """

    delimiter: str = ","
    header: bool = True
    skip: bool = False
    forced: Mapping[str, Any] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    time: str | None = None


@dataclass(frozen=True, eq=False)
class CsvGroups:
    """A file of text.

    Attributes:
        schema: of Arrow: the columns, and the types that they are read as.
        starts: (g + 1,) int64, the first record of each block, then the number of records.
        offsets: (g + 1,) int64, the bytes where blocks begin, then the end; of what is unpacked.
        stamp: when this was found out.
    """

    what: ClassVar[str] = WHAT
    schema: Any
    starts: Array
    offsets: Array
    stamp: Stamp
    dialect: Dialect

    @property
    def columns(self) -> list[Column]:
        """All there are; one without a name is an index, as pandas writes it."""
        return [column._replace(is_index=not column.name) for column in columns_of(self.schema)]

    def reading(self, names: list[str]) -> int:
        """Bytes of a block as text, and of its columns."""
        block = int(np.diff(self.offsets).max(initial=0))
        return 3 * block + 8 * len(names) * int(np.diff(self.starts).max(initial=0))

    def chunks(self, file: File, group: int, names: list[str]) -> Generator[Any]:
        """Record batches from the beginning of a block to the end of the file.

        Raises:
            BadInput: a record that cannot be read; not the file of the plan any more.
        """
        with text_of(file) as data:
            check_stamp(stamp_of(file), self.stamp, file.where)
            data.seek(int(self.offsets[group]))
            for block in range(group, len(self.starts) - 1):
                size = int(self.offsets[block + 1] - self.offsets[block])
                text = data.read(size)
                if len(text) != size:
                    raise rewritten(f"{len(text)} bytes", f"the {size}", file.where)
                yield self._parsed(text, block, names, file.where)

    def empty(self, file: File, names: list[str]) -> Any:
        """A table of these columns without rows."""
        return self.schema.empty_table().select(names)

    def _parsed(self, text: bytes, block: int, names: list[str], where: str) -> Any:
        first, n = int(self.starts[block]), int(self.starts[block + 1] - self.starts[block])
        parse = Parse(self.schema, self.dialect.delimiter, tuple(names))
        try:
            whole = parse(text)
        except pa.ArrowInvalid:
            whole = None
        if whole is None:
            lines = _lines(text, self.dialect.delimiter, where, first)
            records = [line for line in lines if line.strip(b"\r\n")]
            if not self.dialect.skip:
                raise parse.error(records, first, where)
            whole = parse.rest(records)
        if len(whole) != n:
            raise damaged(where, WHAT, f"{len(whole)} records of {n} from row {first} on")
        return whole


@dataclass(frozen=True, eq=False)
class Parse:
    """Records, as text, to a record batch of some of their columns."""

    schema: Any
    delimiter: str
    names: tuple[str, ...]

    def __call__(self, text: bytes) -> Any:
        """The columns of whole records.

        Raises:
            pyarrow.ArrowInvalid: one has too few or too many fields, or one of another type.
        """
        types = {name: self.schema.field(name).type for name in self.names}
        table = _read(text, self.schema.names, self.delimiter, types, list(self.names))
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)

    def error(self, records: list[bytes], first: int, where: str) -> BadInput:
        """The error for the first record that cannot be read."""
        low, high = 0, len(records)
        while high - low > 1:  # the first `low` are good, one below `high` is not
            middle = (low + high) // 2
            low, high = (low, middle) if self._fails(records[low:middle]) else (middle, high)
        return self._named(self._fails(records[low:high]) or "", first + low, where)

    def _named(self, why: str, row: int, where: str) -> BadInput:
        what, wanted = f"a record that cannot be read ({why.partition(chr(10))[0]})", "columns"
        found, ragged = _VALUE.search(why), _RAGGED.search(why)
        if ragged is not None:
            what, wanted = f"{ragged[2]} fields in row {row}", f"{ragged[1]}, as in the first"
        elif found is not None:
            wrong = _WRONG.search(found[2])
            value = repr(wrong[2][:50]) if wrong else f"what is no text ({found[2][:50]})"
            name = self.schema.names[int(found[1])]
            what = f"{value} in row {row}, column {name!r}"
            wanted = f"a value of type {wrong[1]}" if wrong else "text in UTF-8"
        return BadInput(
            got=what,
            wanted=wanted,
            do='Correct the file, or leave such rows out with nacre.read(data, bad="skip").',
            where=where,
        )

    def rest(self, records: list[bytes]) -> Any:
        """All records; nulls where one cannot be read, which a column named LOST says."""
        batches = list(self._halves(records))
        return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]

    def _halves(self, records: list[bytes]) -> Iterator[Any]:
        try:
            good = self(b"".join(records))
            yield good.append_column(LOST, pa.repeat(False, len(good)))
        except pa.ArrowInvalid:
            half = len(records) // 2
            if half:
                yield from self._halves(records[:half])
                yield from self._halves(records[half:])
                return
            types = [self.schema.field(name).type for name in self.names]
            nothing = [pa.nulls(1, kind) for kind in types] + [pa.array([True])]
            yield pa.RecordBatch.from_arrays(nothing, names=[*self.names, LOST])

    def _fails(self, records: list[bytes]) -> str:
        try:
            self(b"".join(records))
        except pa.ArrowInvalid as error:
            return str(error)
        return ""


def _read(
    text: bytes,
    names: list[str],
    delimiter: str,
    types: Mapping[str, Any] | None = None,
    include: list[str] | None = None,
    skip: bool = False,
) -> Any:
    handler = (lambda row: "skip") if skip else None
    return arrow_csv.read_csv(
        pa.BufferReader(text),
        read_options=arrow_csv.ReadOptions(
            column_names=names, use_threads=False, block_size=len(text) + 1
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=handler
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=include or [],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


@contextmanager
def text_of(file: File, what: str = WHAT) -> Iterator[Any]:
    """The open text of a file, unpacked; `what` it should be, for messages.

    Raises:
        NotFound, BadInput: as opening.opened; what is packed is damaged.
    """
    with opened(file, what) as data:
        if not file.path.lower().partition("?")[0].endswith(".gz"):
            yield data
            return
        try:
            with gzip.GzipFile(fileobj=data) as unpacked:
                yield unpacked
        except (EOFError, zlib.error) as error:
            raise damaged(file.where, "gzip", str(error)) from None


def outline(file: File, dialect: Dialect) -> CsvGroups:
    """The columns, their types, and the borders of a file of text; it is read once.

    Raises:
        NotFound: it is not there.
        BadInput: it is no text, empty, or quotes make no sense; a record cannot be read.
    """
    with text_of(file) as data:
        stamp = stamp_of(file)
        begin = _begin(data, file.where)
        data.seek(begin)
        blocks = scan(data, dialect.delimiter, file.where, -int(dialect.header))
        text, n = b"", 0
        while n < 2 and (more := next(blocks, None)):  # a header alone says nothing of types
            text, n = text + more[0], n + more[1]
        if not n:
            raise damaged(file.where, WHAT, "no record in it")
        names, header = _names(text, dialect, file.where)
        body, starts = text[header:], [0, n - bool(header)]
        schema = _schema(body, names, dialect, file.where)
        offsets = [begin + header, begin + len(text)]
        for text, n in blocks:
            starts.append(starts[-1] + n)
            offsets.append(offsets[-1] + len(text))
    bare = replace(dialect, forced={}, numbers=())  # they are in the schema
    return CsvGroups(schema, np.array(starts), np.array(offsets), stamp, bare)


def _begin(data: Any, where: str) -> int:
    head = data.read(4)
    if head[:2] in UTF16 or b"\0" in head:
        raise damaged(where, WHAT, "not in UTF-8")
    return len(BOM) if head.startswith(BOM) else 0


def scan(data: Any, delimiter: str, where: str, n_before: int = 0) -> Iterator[tuple[bytes, int]]:
    """(text, its number of records) of blocks that end where records end.

    Args:
        n_before: the number of the first record: -1 where a header stands before row 0.

    Raises:
        BadInput: a record without end, a quote within a field, line ends of old.
    """
    rest = b""
    while True:
        more = data.read(BLOCK)
        text = rest + more
        if not more:
            break
        n, end = count(text, delimiter, where, n_before)
        if not end and len(text) > LONGEST:
            raise damaged(where, WHAT, f"a record takes over {LONGEST} bytes: an open quote?")
        rest = text[end:]
        if end:
            yield text[:end], n
            n_before += n
    if rest.strip(b"\r\n"):
        if _is_open(rest):
            raise damaged(where, WHAT, f"a quote in row {n_before} that is not closed")
        yield rest, 1


def _is_open(text: bytes) -> bool:
    return bool(text.count(b'"') % 2)


def count(text: bytes, delimiter: str, where: str, n_before: int = 0) -> tuple[int, int]:
    """Records in text that begins with one, and where the last whole one ends.

    >>> count(b'a,b\\n1,"x\\ny"\\n2,', ",", "")
    (2, 12)
    """
    if b"\r" in text[:-1] and text.count(b"\r", 0, len(text) - 1) != text.count(b"\r\n"):
        _check_returns(text, where, n_before)
    if b'"' not in text:
        end = text.rfind(b"\n") + 1
        empty = len(_EMPTY_LINE.findall(text, 0, end)) if _has_empty_line(text) else 0
        return text.count(b"\n", 0, end) - empty, end
    ends = _borders(text, delimiter, where, n_before)
    if not len(ends):
        return 0, 0
    bytes_of = np.frombuffer(text, np.uint8)
    begins = np.append(0, ends[:-1])
    sizes = ends - begins
    empty = (sizes == 1) | ((sizes == 2) & (bytes_of[begins] == RETURN))
    return int(len(ends) - empty.sum()), int(ends[-1])


def _has_empty_line(text: bytes) -> bool:
    return text[:1] in b"\r\n" or b"\n\n" in text or b"\n\r\n" in text


def _check_returns(text: bytes, where: str, n_before: int) -> None:
    """Raise for a carriage return outside of quotes that no newline follows."""
    outside = re.sub(rb'"[^"]*"?', b"", text)
    if re.search(rb"\r(?=[^\n])", outside):
        raise damaged(where, WHAT, f"a line end of CR alone after row {n_before}")


def _borders(text: bytes, delimiter: str, where: str, n_before: int) -> Array:
    """(r,) int64: where each whole record ends, by the parity of the quotes before it."""
    values = np.frombuffer(text, np.uint8)
    quotes, lines = np.flatnonzero(values == QUOTE), np.flatnonzero(values == NEWLINE)
    ends = lines[np.searchsorted(quotes, lines) % 2 == 0]
    opening = quotes[::2]
    before = values[np.maximum(opening - 1, 0)]
    good = (opening == 0) | np.isin(before, [ord(delimiter), NEWLINE, RETURN])
    good[1:] |= opening[1:] == quotes[1::2][: len(opening) - 1] + 1  # a quote that is doubled
    if not good.all():
        at = int(opening[np.argmin(good)])
        row = n_before + int(np.searchsorted(ends, at))
        raise damaged(where, WHAT, f"a quote within a field, in row {row}, which is not doubled")
    return ends + 1


def _names(text: bytes, dialect: Dialect, where: str) -> tuple[list[str], int]:
    """The names of the columns, and how many bytes the header takes."""
    ends = [*_borders(text, dialect.delimiter, where, 0), len(text)]
    begin = 0
    for end in ends:
        if text[begin:end].strip(b"\r\n"):
            break
        begin = end
    try:
        line = text[begin:end].decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise damaged(where, WHAT, "not in UTF-8") from None
    if not line.isprintable() and "\0" in line:
        raise damaged(where, WHAT, "bytes that are no text")
    try:
        fields = next(csv.reader([line], delimiter=dialect.delimiter))
    except csv.Error as error:
        raise damaged(where, WHAT, f"{error} in the first line") from None
    if dialect.header:
        return fields, end
    return [f"x{i}" for i in range(len(fields))], 0


def _schema(text: bytes, names: list[str], dialect: Dialect, where: str) -> Any:
    """The types of the columns: those that were decided elsewhere, else as in this text."""
    if not text.strip(b"\r\n"):
        return pa.schema([(name, dialect.forced.get(name, pa.float64())) for name in names])
    if dialect.skip:  # pyarrow tells who handles a bad row what it is, and wants to decode it
        text = text.decode(errors="replace").encode()
    try:
        found = _read(text, names, dialect.delimiter, skip=dialect.skip)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return pa.schema([(name, pa.float64()) for name in names])
        kinds = pa.schema([(name, pa.string()) for name in names])
        first = Parse(kinds, dialect.delimiter, tuple(dict.fromkeys(names)))
        lines = _lines(text, dialect.delimiter, where)
        raise first.error([line for line in lines if line.strip(b"\r\n")], 0, where) from None
    kinds = [
        _kind(name, column, dialect) for name, column in zip(names, found.columns, strict=True)
    ]
    return pa.schema(list(zip(names, kinds, strict=True)))


def _lines(text: bytes, delimiter: str, where: str, n_before: int = 0) -> list[bytes]:
    """Records as text, empty lines among them."""
    ends = [0, *_borders(text, delimiter, where, n_before).tolist(), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(ends)]


def _kind(name: str, column: Any, dialect: Dialect) -> Any:
    """The type that a column is read as: numbers as float64, where that is exact."""
    if name in dialect.forced:
        return dialect.forced[name]
    kind = column.type
    if name == dialect.time:
        return kind if pa.types.is_integer(kind) else pa.string()
    if pa.types.is_integer(kind):
        found = pc.min_max(column).as_py()
        return pa.float64() if max(-found["min"], found["max"]) <= EXACT else kind
    kept = pa.types.is_boolean(kind) or not (pa.types.is_null(kind) or name in dialect.numbers)
    return kind if kept else pa.float64()


def like(groups: CsvGroups, dialect: Dialect) -> Dialect:
    """The dialect for the other files of a fit: the types of the first one hold, but for times."""
    kept = [column for column in groups.schema if column.name != dialect.time]
    types = {column.name: column.type for column in kept}
    return replace(dialect, forced={**types, **dialect.forced})
