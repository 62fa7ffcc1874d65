"""Text of columns: cut by row number like all else; what cannot be read is named, or left out."""

from __future__ import annotations

import csv
import gzip
import io
import os
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv as arrow_csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.errors import BadInput, BadParameter, BadType, NotFound
from nacre.learn.prepare.onehot import OneHot
from nacre.source import delimited
from nacre.source.bad import UNREAD
from nacre.source.read import plan_of, read
from tests.source.adapters import columns, table
from tests.source.learners import Means, Patient
from tests.source.refusal import refused

FIELDS = st.sampled_from(["x", "a b", "x,y", 'say "yes"', '"', "two\nlines", "cr\r\nlf", "é", ";'"])


def rows(n: int = 20_000) -> Any:
    return np.random.default_rng(0).standard_normal((n, 4)).astype("float32")


def put(folder: Path, text: str | bytes, name: str = "rows.csv") -> Path:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


@settings(max_examples=30, deadline=None)
@given(
    records=st.lists(st.tuples(FIELDS, FIELDS, st.integers(0, 99)), min_size=1, max_size=25),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.integers(8, 200),
    shard_rows=st.integers(1, 30),
    order=st.randoms(),
)
def test_what_a_writer_wrote_is_read(
    records: Any,
    end: str,
    last: bool,
    quoting: Any,
    block: int,
    shard_rows: int,
    order: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Quotes, delimiters and line ends within fields; cuts anywhere."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator=end, quoting=quoting)
    writer.writerows([("s", "t", "n"), *records])
    text = sink.getvalue()
    path = put(tmp_path_factory.mktemp("csv"), text if last else text[: -len(end)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", block)
        plan = plan_of(read(path, shard_rows=shard_rows), takes=("records",))
        assert plan.n_rows == len(records)
        shards = pickle.loads(pickle.dumps(list(plan.shards)))
        order.shuffle(shards)
        for shard in shards:
            some = records[shard.first : shard.stop]
            got = [batch.X for batch in shard.read()]
            assert [int(v) for X in got for v in X.numbers(2)] == [n for _, _, n in some]
            for at in (0, 1):
                texts = [text for X in got for text in X.columns[at].to_pylist()]
                assert texts == [record[at] for record in some]


@pytest.mark.parametrize("size", [50, 333, 4_000])
def test_blocks_leave_no_trace(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", size)
    X = rows(500)
    path = tmp_path / "rows.csv"
    arrow_csv.write_csv(table(columns(X)), path)
    fitted = Means().fit(read(path, id="x", shard_rows=90), engine="threads:2")
    assert fitted.state_.digest == Means().fit(read(X, id="x", shard_rows=90)).state_.digest


@pytest.mark.parametrize(
    ("text", "options", "name"),
    [
        ("a;b\n1;2\n3;4\n", {"delimiter": ";"}, "rows.csv"),
        ("a\tb\n1\t2\n3\t4", {}, "rows.tsv"),
        ("\ufeffa,b\r\n1,2\r\n3,4\r\n", {}, "rows.csv"),
        ('"a","b"\n"1","2"\n\n"3","4"\n\n', {}, "rows.csv"),
        ("\n\na,b\n\r\n1,2\n3,4\n\n\n", {}, "ROWS.CSV"),
        (",a,b\n0,1,2\n1,3,4\n", {}, "rows.csv"),
    ],
    ids=["semicolons", "tabs", "BOM", "quotes", "empty lines", "index of pandas"],
)
def test_dialects(text: str, options: Any, name: str, tmp_path: Path) -> None:
    plan = plan_of(read(put(tmp_path, text, name), **options))
    assert plan.schema.names == ("a", "b")
    assert plan.head().X.tolist() == [[1, 2], [3, 4]]


def test_without_a_header(tmp_path: Path) -> None:
    plan = plan_of(read(put(tmp_path, "1,2\n3,4\n"), header=False))
    assert plan.schema.names == ("x0", "x1")
    assert plan.head().X.tolist() == [[1, 2], [3, 4]]
    refused(BadInput, lambda: plan_of(put(tmp_path, "1,2\n")), "minimum of 1")


def test_types(tmp_path: Path) -> None:
    """As the first rows have them; whole numbers may turn into others."""
    text = "n,t,b,when,big\n1,x,true,2024-01-01,9007199254740993\n2.5,,false,2024-01-02,5\n"
    path = put(tmp_path, text)
    schema = plan_of(path, takes=("records",)).schema
    assert schema.units == ("", "text", "bool", "s", "")
    X: Any = plan_of(path, takes=("records",)).head().X
    assert X.columns[4].to_pylist() == [9007199254740993, 5]
    assert X.codes(1)[1] == ("x", None)
    refused(
        BadType, lambda: plan_of(path), "column 't' of type string", "columns=['n', 'b', 'big']"
    )


def test_the_fit_decides_what_later_text_holds(tmp_path: Path) -> None:
    fitted = OneHot().fit(read(put(tmp_path, "zip\n0815x\n4711\n"), columns=["zip"]))
    later = put(tmp_path, "zip\n4711\n4711\n")  # texts, though they look like numbers
    assert np.asarray(fitted.transform(later)).tolist() == [[0, 1]] * 2


def test_the_first_file_decides_for_all(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,2\n", "1.csv")
    put(tmp_path, "b,a\n20,10.5\n", "2.csv")
    plan = plan_of(tmp_path)
    read_rows = [plan.shards[i].read().__next__().X[0].tolist() for i in plan.reading_order]
    assert read_rows == [[1, 2], [10.5, 20]]
    put(tmp_path, "b,a\n20,x\n", "3.csv")
    refused(BadInput, lambda: Means().fit(tmp_path), "'x' in row 0, column 'a'", "3.csv", "double")


@pytest.mark.parametrize("packed", [False, True])
def test_records_that_cannot_be_read(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 4_000)
    X = rows(3_000)
    lines = ["a,b,c,d", *(",".join(map(repr, map(float, row))) for row in X)]
    wrong = {1_000: "1,2,3", 1_500: "1,2,x,4", 1_501: "1,2,3,4,5", 2_999: "nan,2,inf,4"}
    for row, line in wrong.items():
        lines[row + 1] = line
    text = "\n".join(lines).encode()
    name = "rows.csv.gz" if packed else "rows.csv"
    path = put(tmp_path, gzip.compress(text) if packed else text, name)
    refused(BadInput, lambda: Means().fit(path), "3 fields in row 1000", "4, as in the", name)
    for row in (1_000, 1_501):
        lines[row + 1] = "1,2,3,4"
    more = put(tmp_path, "\n".join(lines), "more.csv")
    refused(
        BadInput, lambda: Means().fit(more), "'x' in row 1500, column 'c'", "double", "more.csv"
    )
    assert Means().fit(read(more, columns=["a", "b"], bad="skip")).state_.told.n_skipped == 1
    fitted = Means().fit(read(path, bad="skip", id="x"))
    told = fitted.state_.told
    assert told.n_skipped == 4
    assert told.bad_rows.ids["position"].tolist() == [1_000, 1_500, 1_501, 2_999]
    assert told.bad_rows.columns[0].tolist() == [UNREAD, UNREAD, UNREAD, 0]
    X[[*wrong]] = np.nan
    assert told.moments.mean.tolist() == Means().fit(read(X, bad="skip", id="x")).mean_.tolist()
    answers = fitted.predict(read(path, bad="skip"))
    assert np.flatnonzero(np.isnan(answers)).tolist() == [*wrong]
    assert Patient().fit(read(path, bad="skip")).state_.told.n_rows == 2_996


def test_a_wrong_value_in_the_first_row_of_a_column_that_was_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path, "a,b\n1,?\n2,3\n")
    refused(BadType, lambda: Means().fit(path), "column 'b' of type string")
    asked = {"columns": ["a", "b"]}
    refused(BadInput, lambda: Means().fit(read(path, **asked)), "'?' in row 0, column 'b'")  # type: ignore[arg-type]
    assert Means().fit(read(path, bad="skip", **asked)).mean_.tolist() == [2, 3]  # type: ignore[arg-type]


BAD: list[tuple[str, str | bytes, str]] = [
    ("empty", b"", "no record"),
    ("blank", b"\n\n\r\n", "no record"),
    ("utf-16", "a,b\n1,2\n".encode("utf-16"), "not in UTF-8"),
    ("latin-1 header", "é,b\n1,2\n".encode("latin-1"), "not in UTF-8"),
    ("binary", bytes(range(256)) * 9, "not in UTF-8"),
    ("open quote", 'a,b\n1,"2\n3,4\n', "not closed"),
    ("quote within", 'a,b\n1,2\n5" pipe,3\n', "in row 1, which is not doubled"),
    ("old line ends", "a,b\r1,2\r3,4\r", "CR alone"),
    ("ragged", "a,b\n1,2\n3\n", "1 fields in row 1"),
]


@pytest.mark.parametrize(("name", "text", "says"), BAD, ids=[bad[0] for bad in BAD])
def test_what_is_no_text_of_columns(
    name: str, text: str | bytes, says: str, tmp_path: Path
) -> None:
    path = put(tmp_path, text)
    refused(BadInput, lambda: Means().fit(path), says, str(path))


def test_texts_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    path = put(tmp_path, b"a,t\n1,x\n2,\xe9\n")
    assert Means().fit(read(path, columns=["a"])).mean_.tolist() == [1.5]
    put(tmp_path, b"a,t\n1,x\n" + b"1,y\n" * 400_000 + b"2,\xe9\n")
    refused(BadInput, lambda: OneHot().fit(read(path, columns=["t"])), "row 400001", "'t'", "UTF-8")


@pytest.mark.parametrize("how", ["empty", "half", "no gzip"])
def test_damaged_gzip(how: str, tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + os.urandom(9_000).hex().encode())
    changed = {"empty": b"", "half": packed[: len(packed) // 2], "no gzip": b"a,b\n1,2\n"}
    path = put(tmp_path, changed[how], "rows.csv.gz")
    refused(BadInput, lambda: plan_of(path), str(path))


def test_a_bomb_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "LONGEST", 1 << 22)
    path = put(tmp_path, gzip.compress(bytes(1 << 25), 1), "zeros.csv.gz")
    refused(BadInput, lambda: plan_of(path), "not in UTF-8")
    path = put(tmp_path, gzip.compress(b"1" * (1 << 25), 1), "ones.csv.gz")
    refused(BadInput, lambda: plan_of(path), "takes over", "open quote")


def test_ten_thousand_columns(tmp_path: Path) -> None:
    X = np.arange(30_000.0).reshape(3, 10_000)
    names = [f"c{i}" for i in range(10_000)]
    text = ",".join(names) + "\n" + "\n".join(",".join(map(str, row)) for row in X)
    path = put(tmp_path, text)
    began = time.process_time()
    (shard,) = plan_of(path).shards
    np.testing.assert_array_equal(next(shard.read()).X, X)
    assert time.process_time() - began < 20  # measured: 3


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    refused(BadInput, lambda: plan_of(tmp_path / "pipe.csv"), "a pipe")
    refused(NotFound, lambda: plan_of(tmp_path / "none.csv"), "no file")
    path = put(tmp_path, "a,b\n1,2\n")
    shard = plan_of(path).shards[0]
    put(tmp_path, "a,b\n1,2\n3,4\n")
    refused(BadInput, lambda: list(shard.read()), "when the plan was made")
    refused(BadInput, lambda: plan_of(put(tmp_path, "a,a\n1,2\n")), "two columns named 'a'")


@pytest.mark.parametrize("options", [{"delimiter": ";;"}, {"delimiter": '"'}, {"header": 3}])
def test_options_out_of_range(options: Any) -> None:
    refused(BadParameter, lambda: read("x.csv", **options), *options)


def test_as_pandas_writes_it(tmp_path: Path) -> None:
    frame = pd.DataFrame(columns(rows(100)))
    frame.to_csv(tmp_path / "rows.csv")
    assert plan_of(tmp_path / "rows.csv").schema.names == ("a", "b", "c", "d")
    np.testing.assert_array_equal(plan_of(tmp_path / "rows.csv").head().X, rows(100))
