"""`nacre show`: say what a model knows, or what data holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument

from nacre import __version__
from nacre.cli.options import Speech, spread
from nacre.cli.terminal import aligned, counted, number, shown, size

MOST_COLUMNS, MOST_BATCHES = 40, 8  # on a screen; --json has them all


def show(
    paths: Annotated[
        list[str], Argument(metavar="PATH", help="A model, or Parquet as nacre fit takes it.")
    ],
    *,
    speech: Speech,
) -> int:
    """Say what a model knows, or what data holds.

    Examples: nacre show model/, nacre show "flights/*.parquet"
    """
    from nacre.store.manifest import NAME

    terminal = speech.terminal
    if len(paths) == 1 and (Path(paths[0]) / NAME).exists():
        told = {"verb": "show", **_model(paths[0])}
        terminal.data(_of_model(told, speech.verbose), _public(told))
    else:
        told = {"verb": "show", **_data(paths)}
        terminal.data(_of_data(told), told)
        terminal.say(_next(told), wish=not terminal.json and bool(_next(told)))
    return 0


app = typer.Typer(add_completion=False)
app.command("show")(spread(show))


def _model(path: str) -> dict[str, Any]:
    from nacre.cli.models import model_of
    from nacre.cli.words import knowledge, learner_name
    from nacre.store.local import load

    learner = load(path)
    knows = knowledge(learner)
    return {**model_of(path), **knows, "_knows": knows, "_name": learner_name(learner)}


def _public(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name[0] != "_"}


def _of_model(told: Mapping[str, Any], verbose: bool) -> Iterator[str]:
    from nacre.cli.models import learned
    from nacre.cli.words import sentences

    yield from learned(told, told["_name"])
    yield ""
    yield from sentences(told["_knows"])
    yield ""
    yield from aligned(list(_facts(told)))
    yield ""
    yield from _ledger(told, len(told["ledger"]) if verbose else MOST_BATCHES)


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    names = told["columns"] or [f"x{i}" for i in range(told["n_columns"])]
    more = f" and {len(names) - MOST_COLUMNS} more" if len(names) > MOST_COLUMNS else ""
    yield "columns", shown(", ".join(names[:MOST_COLUMNS])) + more
    yield "parameters", shown(_parameters(told["parameters"]))
    if told["weight"] != told["n_rows"]:
        yield "weight", f"{number(told['weight'])} in all"
    engine = told["engine"] or "unknown"
    yield "made", shown(f"{told['saved']} by {engine}, in {told['dtype']}")
    yield "versions", shown(", ".join(f"{k} {v}" for k, v in told["versions"].items()))
    yield "kernels", shown(told["kernel_class"])
    yield "digest", told["digest"]
    yield "on disk", size(told["n_bytes"])


def _parameters(parameters: Any) -> str:
    """Those of a learner, or of the stages of a chain."""
    if isinstance(parameters, list):
        return "; ".join(f"{s['learner']}: {_parameters(s['parameters'])}" for s in parameters)
    return ", ".join(f"{name}={value}" for name, value in parameters.items())


def _ledger(told: Mapping[str, Any], most: int) -> Iterator[str]:
    yield f"What it was learned from: {counted(told['n_batches'], 'batch', 'batches')}"
    rows = []
    for entry in told["ledger"][:most]:
        content = entry["note"] or entry["content"].partition(":")[2][:12]
        name = entry["id"] or "rows in memory"
        rows.append((shown(name), f"{entry['n_rows']:,} rows", f"[dim]{shown(content)}[/]"))
    yield from aligned(rows, right=[1])
    if told["n_batches"] > len(rows):
        yield f"  and {told['n_batches'] - len(rows):,} more; -v has all"


def _data(paths: Sequence[str]) -> dict[str, Any]:
    """Files, rows, shards and columns of data, from the files' own metadata: no row is read."""
    from nacre.source.footer import opened
    from nacre.source.paths import files_of
    from nacre.source.plan import rows_per_shard
    from nacre.store.parts import read_manifest

    files: list[dict[str, Any]] = []
    columns = None
    for name, file in files_of(list(paths)).items():
        with opened(file) as parquet:
            found = _columns(parquet)
            columns = found if columns is None else _united(columns, found)
            n_rows = parquet.metadata.num_rows
            files.append({"id": name, "n_rows": n_rows})
    shard_rows = rows_per_shard(len(columns or {}))
    for entry in files:
        entry["n_shards"] = max(1, -(-entry["n_rows"] // shard_rows))
    answers = read_manifest(Path(paths[0])) if len(paths) == 1 else None
    return {
        "nacre": __version__,
        "kind": "data",
        "paths": list(paths),
        "n_rows": sum(file["n_rows"] for file in files),
        "n_shards": sum(file["n_shards"] for file in files),
        "shard_rows": shard_rows,
        "files": files,
        "columns": list((columns or {}).values()),
        "answers_of": None if answers is None else answers["model"],
    }


def _columns(parquet: Any) -> dict[str, dict[str, Any]]:
    """Name -> name, type, whether it can be learned from, and how many values are missing."""
    from nacre.source.arrow import columns_of

    return {
        column.name: {
            "column": column.name,
            "type": column.kind,
            "numeric": column.numeric,
            "n_missing": _missing(parquet.metadata, column.name),
        }
        for column in columns_of(parquet.schema_arrow)
    }


def _missing(metadata: Any, name: str) -> int | None:
    """Nulls of a column by the file's own statistics; None where it has none."""
    total = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for at in range(row_group.num_columns):
            chunk = row_group.column(at)
            if chunk.path_in_schema != name:
                continue
            told = chunk.statistics
            if told is None or not told.has_null_count:
                return None
            total += told.null_count
    return total


def _united(first: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Columns of several files: one that is not in all of them, or of other types, says so."""
    united = {}
    for name in [*first, *(name for name in other if name not in first)]:
        a, b = first.get(name), other.get(name)
        if a is None or b is None:
            united[name] = {**(a or b or {}), "type": "not in every file", "numeric": False}
            continue
        counts = (a["n_missing"], b["n_missing"])
        united[name] = {
            **a,
            "type": a["type"] if a["type"] == b["type"] else "of several types",
            "numeric": a["numeric"] and b["numeric"],
            "n_missing": None if None in counts else sum(counts),
        }
    return united


def _of_data(told: Mapping[str, Any]) -> Iterator[str]:
    n_files, columns = len(told["files"]), told["columns"]
    yield (
        f"[bold]{told['n_rows']:,} rows[/] in {counted(n_files, 'Parquet file')}, "
        f"{counted(len(columns), 'column')}"
    )
    if told["answers_of"]:
        yield f"  answers of model {told['answers_of'][:8]}"
    yield f"  cut into {counted(told['n_shards'], 'shard')} of at most {told['shard_rows']:,} rows"
    yield ""
    rows = [("[bold]column[/]", "[bold]type[/]", "[bold]missing[/]", "")]
    for column in columns[:MOST_COLUMNS]:
        missing = "unknown" if column["n_missing"] is None else f"{column['n_missing']:,}"
        note = "" if column["numeric"] else "[dim]no numbers: not learned from[/]"
        rows.append((shown(column["column"]), shown(column["type"]), missing, note))
    yield from aligned(rows, right=[2])
    if len(columns) > MOST_COLUMNS:
        yield f"  and {len(columns) - MOST_COLUMNS:,} more; --json has all"


def _next(told: Mapping[str, Any]) -> str:
    """A first fit on the columns of numbers; empty where there are none."""
    from nacre.cli.learning import quoted

    numeric = [column["column"] for column in told["columns"] if column["numeric"]]
    if not numeric or told["answers_of"]:
        return ""
    data = " ".join(quoted(path) for path in told["paths"])
    chosen = numeric if len(numeric) == len(told["columns"]) else numeric[:4]
    listed = f" --columns {quoted(','.join(chosen))}"
    columns = "" if len(chosen) == len(told["columns"]) else listed
    lacking = any(c["n_missing"] for c in told["columns"] if c["column"] in chosen)
    before = " --impute --scale" if lacking else " --scale"
    return f"Next: [cyan]{shown(f'nacre fit kmeans {data}{columns}{before} -o model/')}[/]"
