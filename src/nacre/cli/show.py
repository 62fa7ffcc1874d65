"""`nacre show`: say what a model knows, or what data holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from typer import Argument

from nacre.cli.fit import Reading
from nacre.cli.holds import MOST_COLUMNS, held, next_of, of_data
from nacre.cli.options import Speech, spread
from nacre.cli.past import (
    MOST_ACTS,
    NOW,
    Past,
    history_of,
    lines_of_history,
    lines_of_past,
    of_past,
)
from nacre.cli.terminal import aligned, counted, number, shown, size

MOST_BATCHES = 8  # on a screen; --json has them all
OF_PAST = {"columns", "parameters", "weight", "digest"}  # the other facts are of now
PLAIN = Reading()
LEARNING = {"columns", "weight", "dtype", "bad", "id", "time", "schema"}  # nothing is learned here


def show(
    paths: Annotated[
        list[str], Argument(metavar="PATH", help="A model, or data as nacre fit takes it.")
    ],
    *,
    past: Past = NOW,
    reading: Reading = PLAIN,
    speech: Speech,
) -> int:
    """Say what a model knows, or what data holds.

    A model that nacre fit wrote can also be asked what it was, or would be, of other batches.

    Examples: nacre show model/, nacre show "flights/*.parquet", nacre show model/ --window 90d
    """
    from nacre.store.local import is_model

    terminal = speech.terminal
    if not past.is_now:
        told = {"verb": "show", **of_past(_only(paths), past)}
        terminal.data(_of_past(told, past), _public(told))
    elif len(paths) == 1 and is_model(paths[0]):
        told = {"verb": "show", **_model(paths[0])}
        terminal.data(_of_model(told, speech.verbose), _public(told))
    else:
        told = {"verb": "show", **held(paths, reading)}
        terminal.data(of_data(told), _public(told))
        after = next_of(told, reading)
        terminal.say(after, wish=not terminal.json and bool(after))
    return 0


app = typer.Typer(add_completion=False)
app.command("show")(spread(show, without=LEARNING))


def _only(paths: list[str]) -> str:
    """The one model that is asked about another time.

    Raises:
        BadParameter: several paths.
    """
    from nacre.errors import BadParameter

    if len(paths) != 1:
        do = "Name the model alone."
        raise BadParameter(got=f"{len(paths)} paths with a time", wanted="one model", do=do)
    return paths[0]


def _model(path: str) -> dict[str, Any]:
    from nacre.cli.models import model_of
    from nacre.cli.words import knowledge, learner_name
    from nacre.store.local import load

    learner = load(path)
    knows = knowledge(learner)
    told = model_of(path)
    told["ledger"] = sorted(told["ledger"], key=lambda entry: (entry["time"], entry["id"]))
    told["history"] = None if told["life"] is None else history_of(path)
    return {**told, **knows, "_knows": knows, "_name": learner_name(learner)}


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
    if told["history"] is not None:
        yield ""
        yield from lines_of_history(told["history"], len(told["history"]) if verbose else MOST_ACTS)


def _of_past(told: Mapping[str, Any], past: Past) -> Iterator[str]:
    from nacre.cli.words import sentences

    yield from lines_of_past(told, past)
    yield ""
    yield from sentences(told["_knows"])
    yield ""
    yield from aligned([fact for fact in _facts(told) if fact[0] in OF_PAST])


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
    yield "on disk", size(told["n_bytes"] or 0)


def _parameters(parameters: Any) -> str:
    """Those of a learner, or of the stages of a chain.

    >>> _parameters({"inner": {"learner": "KMeans", "parameters": {"tol": 0.1}}, "n_micro": 9})
    'inner=KMeans(tol=0.1), n_micro=9'
    """
    if isinstance(parameters, list):
        return "; ".join(f"{s['learner']}: {_parameters(s['parameters'])}" for s in parameters)
    return ", ".join(f"{name}={_value(value)}" for name, value in parameters.items())


def _value(value: Any) -> str:
    """A hyper-parameter; a learner in a learner with its own."""
    if isinstance(value, dict) and value.keys() == {"learner", "parameters"}:
        return f"{value['learner']}({_parameters(value['parameters'])})"
    return str(value)


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
