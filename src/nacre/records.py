"""Rows whose columns have types of their own: numbers, texts, bools, times.

What a learner with "records" in `takes` is given of every source whose columns have names, and of
arrays that hold texts. The columns lie in Arrow arrays, as the source had them; a learner reads
them as NumPy numbers, as codes with their texts, or as hashes, and needs no pyarrow for it.

A value is what it is whatever holds it: 3 in int8, int64 or float64 is one number, True is 1, a
text is the same in a dictionary and without one, a missing number and NaN are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nacre.errors import BadInput

Array = Any
DOUBLE = np.dtype(np.float64)
TIMES = ("s", "ms", "us", "ns")
INTEGER, FLOAT, LARGE, MISSING = range(4)  # what the 64 bits of a number are
_SALTS = (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89)  # pi
_TEXT, _NO_TEXT, _ROW = 0x452821E638D01377, 0xBE5466CF34E90C6C, 0xC0AC29B7C97C50DD


@dataclass(frozen=True, eq=False)
class Records:
    """Some rows, by columns.

    Attributes:
        names: of the columns.
        holds: what each of them holds: "" numbers, "bool", "text" (categories too), or times as
            whole numbers since 1970: "s", "ms", "us", "ns".
        columns: an Arrow array for each.
        dtype: "float32" or "float64": that of `numbers`.

    >>> rows = Records.of({"city": ["Rome", None, "Oslo"], "n": [1, 2, 3]})
    >>> rows.shape, rows.holds, rows[1:].numbers(1)
    ((3, 2), ('text', ''), array([2., 3.]))
    >>> rows.codes(0)
    (array([1, 2, 0]), ('Oslo', 'Rome', None))
    """

    names: tuple[str, ...]
    holds: tuple[str, ...]
    columns: tuple[Any, ...]
    dtype: Any = DOUBLE

    @classmethod
    def of(cls, columns: Any, dtype: str = "float64") -> Records:
        """The rows of a dict of columns, each a list or an array; types are found out."""
        import pyarrow as pa

        arrays = {name: pa.array(column, from_pandas=True) for name, column in columns.items()}
        holds = tuple(kind_of(array.type) or "" for array in arrays.values())
        return cls.cast(tuple(arrays), holds, tuple(arrays.values()), dtype)

    @classmethod
    def cast(
        cls, names: Sequence[str], holds: Sequence[str], columns: Sequence[Any], dtype: Any
    ) -> Records:
        """Columns of any Arrow types as ones that hold these kinds.

        Raises:
            pyarrow.ArrowInvalid: a time that its unit cannot express.
        """
        cast = tuple(_cast(column, kind) for column, kind in zip(columns, holds, strict=True))
        return cls(tuple(names), tuple(holds), cast, np.dtype(dtype))

    @classmethod
    def joined(cls, parts: Sequence[Records]) -> Records:
        """The rows of parts with the same columns, one below the other."""
        import pyarrow as pa

        columns = zip(*(part.columns for part in parts), strict=True)
        return replace(parts[0], columns=tuple(pa.concat_arrays(_alike(list(c))) for c in columns))

    def table(self) -> Any:
        """The rows as a pyarrow Table."""
        import pyarrow as pa

        types = {"bool": pa.bool_(), **{unit: pa.timestamp(unit) for unit in TIMES}}
        return pa.table(
            {
                name: column.cast(types[kind]) if kind in types else column
                for name, kind, column in zip(self.names, self.holds, self.columns, strict=True)
            }
        )

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The same as an Arrow stream, so that records are a frame to whoever reads frames."""
        return self.table().__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self.columns[0])

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self), len(self.columns)

    @property
    def nbytes(self) -> int:
        """Bytes of these rows."""
        return sum(column.nbytes for column in self.columns)

    def __getitem__(self, at: Any) -> Records:
        """The rows of a slice, under a mask (n,) bool, or at positions (m,)."""
        if isinstance(at, slice) and at.step in (None, 1):
            first, stop, _ = at.indices(len(self))
            cut = (column.slice(first, max(stop - first, 0)) for column in self.columns)
            return replace(self, columns=tuple(cut))
        import pyarrow as pa

        rows = pa.array(np.arange(len(self))[at])
        return replace(self, columns=tuple(column.take(rows) for column in self.columns))

    def astype(self, dtype: str) -> Records:
        """The same rows with numbers of another dtype."""
        return replace(self, dtype=np.dtype(dtype))

    def numbers(self, at: int) -> Array:
        """(n,) float32 or float64: a column of numbers, bools or times; NaN where nothing is."""
        column = self.columns[at]
        values = raw_values(column).astype(self.dtype)
        if column.null_count:
            values[missing(column)] = np.nan
        return values

    def codes(self, at: int) -> tuple[Array, tuple[str | None, ...]]:
        """(n,) int64 codes of a column of texts, and the texts in order that they stand for.

        Only texts that are there are named. Where a text is missing None is, as the last of them.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.columns[at]
        found = column if hasattr(column, "dictionary") else column.dictionary_encode()
        codes, n_known = raw_values(found.indices).astype(np.int64), len(found.dictionary)
        codes[missing(found.indices)] = n_known
        used, codes = _used(codes, n_known + 1)
        known = pa.array(np.where(used < n_known, used, -1))
        texts = texts_of(found.dictionary.take(pc.if_else(pc.less(known, 0), None, known)))
        order = sorted(set(texts), key=lambda text: (text is None, text))
        place = {text: code for code, text in enumerate(order)}
        return np.array([place[text] for text in texts], np.int64)[codes], tuple(order)

    def hashes(self, columns: Sequence[int] | None = None, seed: int = 0) -> Array:
        """(n,) uint64: a hash of each row's values in these columns (positions; None: all).

        Rows of equal values have equal hashes, whatever holds the values, on every machine. Of two
        different rows the hashes agree with chance 2**-64; other seeds are other hashes.
        """
        from nacre.canon import mix

        chosen = range(len(self.columns)) if columns is None else columns
        total = np.full(len(self), mix(np.uint64(seed) ^ np.uint64(_ROW)), np.uint64)
        for at in chosen:
            total = mix(total ^ self.column_hashes(at, seed))
        return total

    def column_hashes(self, at: int, seed: int = 0) -> Array:
        """(n,) uint64: a hash of each value of a column."""
        column = self.columns[at]
        if self.holds[at] != "text":
            hashes = number_hashes(raw_values(column), seed)
            if column.null_count:
                hashes[missing(column)] = number_hashes(np.array([np.nan]), seed)[0]
            return hashes
        if not hasattr(column, "dictionary"):
            return _text_hashes(column, seed)
        of_text = np.append(_text_hashes(column.dictionary, seed), _nothing(seed))
        codes = raw_values(column.indices).astype(np.int64)
        codes[missing(column.indices)] = len(of_text) - 1
        return of_text[codes]

    def canonical(self) -> tuple[Any, ...]:
        """Names, kinds and arrays, equal where the values are: what a digest is taken of."""
        values = (
            _plain_texts(column) if kind == "text" else _bits(column)
            for kind, column in zip(self.holds, self.columns, strict=True)
        )
        return "records", self.dtype.name, self.names, self.holds, tuple(values)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """By Arrow's own bytes, which a slice of a larger array does not take along."""
        import pickle

        import pyarrow as pa

        sink = pa.BufferOutputStream()
        arrays = list(self.columns)
        batch = pa.RecordBatch.from_arrays(arrays, [str(i) for i in range(len(arrays))])
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        found = sink.getvalue()
        data = pickle.PickleBuffer(found) if protocol >= 5 else found.to_pybytes()
        return _arrived, (self.names, self.holds, self.dtype, data)


def _arrived(names: tuple[str, ...], holds: tuple[str, ...], dtype: Any, data: Any) -> Records:
    import pyarrow as pa

    table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
    columns = (column.combine_chunks() for column in table.columns)
    return Records(names, holds, tuple(map(_whole, columns)), dtype)


def _whole(column: Any) -> Any:
    """One array, also of a pyarrow that combines into a chunked one."""
    return column.chunk(0) if hasattr(column, "num_chunks") else column


def is_records(X: Any) -> bool:
    """Whether rows are Records."""
    return isinstance(X, Records)


def kind_of(kind: Any) -> str | None:
    """What a column of an Arrow type holds, as Records.holds has it; None: nothing they take.

    >>> import pyarrow as pa
    >>> [kind_of(kind) for kind in (pa.int8(), pa.large_string(), pa.date32(), pa.binary())]
    ['', 'text', 's', None]
    """
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_boolean(kind):
        return "bool"
    if types.is_date(kind):
        return "s" if types.is_date32(kind) else "ms"
    if types.is_timestamp(kind) or types.is_duration(kind) or types.is_time(kind):
        return str(kind.unit)
    numeric = (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    return "" if any(test(kind) for test in numeric) else None


def texts_of(column: Any) -> list[str | None]:
    """The texts of an Arrow array; None where one is missing.

    Raises:
        BadInput: a text that is not UTF-8, as files may hold it.
    """
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError as error:
        raise BadInput(
            got=f"a text that is not UTF-8: {error.object[:40]!r}",
            wanted="texts in UTF-8",
            do="Write the file anew, or leave the column out.",
        ) from None


def _cast(column: Any, kind: str) -> Any:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(column.type) and kind != "text":
        column = column.dictionary_decode()
    if kind == "text":
        return _text(column)
    if kind in TIMES:
        return _time(column, kind)
    if types.is_integer(column.type) or types.is_floating(column.type):
        return column.cast(pa.float32()) if types.is_float16(column.type) else column
    return column.cast(pa.uint8() if types.is_boolean(column.type) else pa.float64())


def _text(column: Any) -> Any:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(column.type):
        texts = _text(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), texts)
    return column if types.is_large_string(column.type) else column.cast(pa.large_string())


def _time(column: Any, unit: str) -> Any:
    import pyarrow as pa

    types, kind = pa.types, column.type
    if types.is_date(kind):
        column = column.cast(pa.timestamp("s" if types.is_date32(kind) else "ms"))
    elif types.is_time32(kind):
        column = column.cast(pa.int32()).cast(pa.int64()).cast(pa.duration(kind.unit))
    elif types.is_time64(kind):
        column = column.cast(pa.int64()).cast(pa.duration(kind.unit))
    kind = column.type
    if types.is_timestamp(kind):
        column = column.cast(pa.timestamp(unit, kind.tz))
    elif types.is_duration(kind):
        column = column.cast(pa.duration(unit))
    return column.cast(pa.int64())


def _used(codes: Array, n_codes: int) -> tuple[Array, Array]:
    """The codes that are there, in order, and of each row the number of its one among them."""
    if n_codes > 4 * len(codes):
        used, places = np.unique(codes, return_inverse=True)
        return used, places
    used = np.flatnonzero(np.bincount(codes, minlength=n_codes))
    number = np.zeros(n_codes, np.int64)
    number[used] = np.arange(len(used))
    return used, number[codes]


def _alike(columns: list[Any]) -> list[Any]:
    """Columns of one type, where files hold the same numbers as integers and as floats."""
    import pyarrow as pa

    kinds = {column.type for column in columns}
    if len(kinds) == 1:
        return columns
    if any(hasattr(column, "dictionary") for column in columns):
        plain = (c.dictionary_decode() if hasattr(c, "dictionary") else c for c in columns)
        return [_text(column) for column in plain]
    small = all(pa.types.is_integer(kind) and kind != pa.uint64() for kind in kinds)
    return [column.cast(pa.int64() if small else pa.float64(), safe=False) for column in columns]


def raw_values(column: Any) -> Array:
    """The numbers of an Arrow array, anything for its nulls; `to_numpy` would import pandas."""
    import pyarrow as pa

    if column.null_count:
        raw = [None, column.buffers()[1]]
        column = pa.Array.from_buffers(column.type, len(column), raw, offset=column.offset)
    return np.from_dlpack(column)


def missing(column: Any) -> Array:
    """(n,) bool: where an Arrow array has nulls."""
    import pyarrow as pa

    return raw_values(column.is_null().cast(pa.uint8())).view(bool)


def number_bits(values: Array) -> tuple[Array, Array]:
    """(n,) uint64 and uint8: the bits of numbers, the same for equal ones of any dtype, and what
    they are: those of an int64, of a float64, of a uint64 beyond int64, or of no number.
    """
    if values.dtype.kind in "iub":
        bits = values.astype(np.uint64 if values.dtype.kind == "u" else np.int64).view(np.uint64)
        large = (values.dtype.kind == "u") & (bits >> np.uint64(63) > 0)
        return bits, np.where(large, LARGE, INTEGER).astype(np.uint8)
    values = values.astype(np.float64)
    whole = (values == np.floor(values)) & (values >= -(2.0**63)) & (values < 2.0**63)
    large = (values == np.floor(values)) & (values >= 2.0**63) & (values < 2.0**64)
    bits = values.view(np.uint64).copy()
    bits[whole] = values[whole].astype(np.int64).view(np.uint64)
    bits[large] = values[large].astype(np.uint64)
    what = np.where(whole, INTEGER, np.where(large, LARGE, FLOAT))
    nothing = np.isnan(values)
    bits[nothing], what[nothing] = 0, MISSING
    return bits, what.astype(np.uint8)


def number_hashes(values: Array, seed: int = 0) -> Array:
    """(n,) uint64: hashes of numbers of any dtype; equal ones have equal hashes."""
    from nacre.canon import mix
    from nacre.kernel.hashing import hash_numbers

    salts = mix(np.array(_SALTS, np.uint64) ^ mix(np.uint64(seed)))
    if values.dtype.kind != "f":
        bits, what = number_bits(values)
        return np.asarray(mix(bits ^ salts[what]))
    wide, hashes = np.array(values, np.float64), np.empty(len(values), np.uint64)
    hash_numbers(wide, wide.view(np.uint64), salts, hashes)
    return hashes


def array_hashes(X: Array, columns: Sequence[int] | None = None, seed: int = 0) -> Array:
    """(n,) uint64: what Records.hashes gives for the rows of an array of numbers (n, d)."""
    from nacre.canon import mix

    total = np.full(len(X), mix(np.uint64(seed) ^ np.uint64(_ROW)), np.uint64)
    for at in range(X.shape[1]) if columns is None else columns:
        total = mix(total ^ number_hashes(X[:, at], seed))
    return total


def text_hashes(texts: Sequence[str | None], seed: int = 0) -> Array:
    """(n,) uint64: hashes of texts, as Records.column_hashes has them.

    >>> bool(text_hashes(["a"]) == Records.of({"x": ["a", "b"]}).column_hashes(0)[0])
    True
    """
    import pyarrow as pa

    return _text_hashes(pa.array(texts, pa.large_string()), seed)


def _text_hashes(column: Any, seed: int) -> Array:
    from nacre.canon import mix
    from nacre.kernel.hashing import hash_texts

    nothing, starts, data = _spelled(column)
    hashes = np.empty(len(column), np.uint64)
    hash_texts(data, starts, mix(np.uint64(seed) ^ np.uint64(_TEXT)), hashes)
    hashes[nothing] = _nothing(seed)
    return hashes


def _nothing(seed: int) -> Any:
    from nacre.canon import mix

    return mix(mix(np.uint64(seed)) ^ np.uint64(_NO_TEXT))


def _bits(column: Any) -> tuple[Array, Array]:
    bits, what = number_bits(raw_values(column))
    if column.null_count:
        nothing = missing(column)
        bits, what = np.where(nothing, np.uint64(0), bits), np.where(nothing, MISSING, what)
    return bits, what.astype(np.uint8)


def _plain_texts(column: Any) -> tuple[Array, Array, Array]:
    plain = column.dictionary_decode() if hasattr(column, "dictionary") else column
    nothing, starts, data = _spelled(plain)
    return nothing, np.diff(starts), data[starts[0] : starts[-1]]


def _spelled(column: Any) -> tuple[Array, Array, Array]:
    """Where a text is missing (n,), where each begins (n + 1,) int64, and the bytes of all."""
    nothing = missing(column)
    column = column.fill_null("")
    _, offsets, data = column.buffers()
    if not len(column):
        return nothing, np.zeros(1, np.int64), np.empty(0, np.uint8)
    starts = np.frombuffer(offsets, np.int64)[column.offset :][: len(column) + 1]
    return nothing, starts, np.frombuffer(data or b"", np.uint8)
