"""What data holds, for people and as an object: rows, columns, their types and first values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre import __version__
from nacre.cli.fit import Reading
from nacre.cli.terminal import aligned, counted, shown

MOST_COLUMNS = 40  # on a screen; --json has them all
LONGEST = 20  # characters of a text that is a first value
FORMATS = {  # format -> what a batch of it is called
    "parquet": "Parquet file",
    "arrow": "Arrow file",
    "csv": "file",
    "text": "file",
    "npy": "NumPy file",
    "npz": "NumPy file",
    "baskets": "file",
    "image": "folder",
}


def held(paths: Sequence[str], reading: Reading) -> dict[str, Any]:
    """Files, rows, shards and columns of data; of rows the first are read.

    Raises:
        NotFound, BadInput, BadParameter: as `nacre.read`, and then what files themselves hold.
    """
    from nacre.source.about import about
    from nacre.store.parts import read_manifest

    told = about(reading.of(paths))
    answers = read_manifest(Path(paths[0])) if len(paths) == 1 else None
    rows = told.shard_rows
    shards = {name: max(1, -(-n // rows)) for name, n in told.sizes.items()}
    files = [{"id": name, "n_rows": n, "n_shards": shards[name]} for name, n in told.sizes.items()]
    columns = [
        {
            "column": column.name,
            "type": column.kind,
            "numeric": column.numeric,
            "n_missing": column.n_missing,
            "first": [_plain(value) for value in column.first],
        }
        for column in told.columns
    ]
    return {
        "nacre": __version__,
        "kind": "data",
        "format": told.format,
        "paths": list(paths),
        "n_rows": sum(told.sizes.values()),
        "n_shards": sum(shards.values()),
        "shard_rows": rows,
        "files": files,
        "n_columns": told.n_columns,
        "columns": columns,
        "answers_of": None if answers is None else answers["model"],
        "_more": told.more,
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it; what it has not, as text."""
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def of_data(told: Mapping[str, Any]) -> Iterator[str]:
    """The lines for people."""
    files = counted(len(told["files"]), FORMATS[told["format"]])
    what = " of images" if told["format"] == "image" else ""
    columns = counted(told["n_columns"], "column")
    yield f"[bold]{told['n_rows']:,} rows[/] in {files}{what}, {columns}"
    if told["_more"]:
        yield f"  {told['_more']}"
    if told["answers_of"]:
        yield f"  answers of model {told['answers_of'][:8]}"
    yield f"  cut into {counted(told['n_shards'], 'shard')} of at most {told['shard_rows']:,} rows"
    if told["columns"] and told["format"] != "image":
        yield ""
        yield from _table(told["columns"])


def _table(columns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    known = any(column["n_missing"] is not None for column in columns)
    titles = ["column", "type", *(["missing"] if known else []), "first values", ""]
    rows = [[f"[bold]{title}[/]" if title else "" for title in titles]]
    for column in columns[:MOST_COLUMNS]:
        lost = "unknown" if column["n_missing"] is None else f"{column['n_missing']:,}"
        note = "" if column["numeric"] else "[dim]no numbers: not learned from[/]"
        values = ", ".join(_short(value) for value in column["first"])
        missing = [lost] if known else []
        rows.append([shown(column["column"]), shown(column["type"]), *missing, values, note])
    yield from aligned(rows, right=[2] if known else [])
    if len(columns) > MOST_COLUMNS:
        yield f"  and {len(columns) - MOST_COLUMNS:,} more; --json has all"


def _short(value: Any) -> str:
    text = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return shown(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def next_of(told: Mapping[str, Any], reading: Reading) -> str:
    """A first fit on the columns of numbers; empty where there are none."""
    from nacre.cli.learning import quoted

    numeric = [column["column"] for column in told["columns"] if column["numeric"]]
    if not numeric or told["answers_of"]:
        return ""
    data = " ".join(quoted(path) for path in told["paths"])
    every = len(numeric) == len(told["columns"])
    chosen = numeric if every else [name for name in numeric if _can_be_listed(name)][:4]
    if not chosen:
        return ""
    columns = "" if every else f" --columns {quoted(','.join(chosen))}"
    lacking = any(c["n_missing"] for c in told["columns"] if c["column"] in chosen)
    before = " --impute --scale" if lacking else "" if told["format"] == "image" else " --scale"
    command = f"nacre fit kmeans {data}{reading.again}{columns}{before} -o model/"
    return f"Next: [cyan]{shown(command)}[/]"


def _can_be_listed(name: str) -> bool:
    """Whether --columns takes a name for what it is: commas and blanks at its ends are lost."""
    return "," not in name and bool(name) and name == name.strip()
