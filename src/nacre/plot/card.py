"""A learner on a card, as notebooks show it: what it is, what it learned from, what it knows.

One piece of HTML: no script, no link, nothing fetched; every text escaped and cut to a length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from html import escape
from typing import Any

from nacre.plot.picture import printable
from nacre.plot.theme import DARK, FONT, LIGHT, Theme
from nacre.plot.words import number

MOST_TEXT = 60  # characters of a name or a value
MOST_NAMES = 12  # columns that are named
MOST_STAGES = 12  # of a chain
DIGEST = 12  # characters of the digest that are shown; all of them are its tooltip
FIGURES: Mapping[str, Sequence[tuple[str, str]]] = {  # class -> what it is called, the attribute
    "KMeans": (("clusters", "n_clusters_"), ("inertia", "inertia_")),
    "Micro": (("clusters", "n_clusters_"), ("inertia", "inertia_")),
    "PCA": (("components", "n_components_"), ("variance kept", "explained_variance_ratio_")),
}
Row = tuple[str, str]  # what it is, and HTML that says it


def card(learner: Any) -> str:
    """The HTML of a learner, fitted or not: a few kB.

    >>> class Named:
    ...     pass
    >>> "<b>Named</b>" in card(Named()), "not fitted" in card(Named())
    (True, True)
    """
    fitted = "state_" in vars(learner)
    whole = fitted and learner.state_.complete
    status = "fitted" if whole else "fitted, stopped early" if fitted else "not fitted"
    kind = "on" if whole else "off"
    rows = [*_parameters(learner), *(_learned(learner) if fitted else ())]
    table = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{html}</td></tr>' for name, html in rows
    )
    head = f'<b>{_title(learner)}</b> <span class="{kind}">{status}</span>'
    return (
        f'<div class="nacre-card"><style>{STYLE}</style><p>{head}</p><table>{table}</table></div>'
    )


def _title(learner: Any) -> str:
    """Its class; of a chain its stages."""
    stages = _stages(learner)
    more = " → …" if len(stages) > MOST_STAGES else ""
    return " → ".join(_text(type(stage).__name__) for stage in stages[:MOST_STAGES]) + more


def _stages(learner: Any) -> Sequence[Any]:
    return tuple(getattr(learner, "stages", ())) or (learner,)


def _parameters(learner: Any) -> Iterator[Row]:
    """The hyper-parameters that are not as they come."""
    stages = _stages(learner)
    for stage in stages[:MOST_STAGES]:
        own = [f"{_text(name)}={_text(_shown(value))}" for name, value in _changed(stage)]
        told = ", ".join(own) if own else "as they come"
        if own or len(stages) == 1:
            title = type(stage).__name__ if len(stages) > 1 else "parameters"
            yield title, told


def _changed(stage: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(stage) if hasattr(stage, "__dataclass_fields__") else ():
        value = getattr(stage, field.name)
        if field.default is MISSING or not _same(value, field.default):
            yield field.name, value


def _shown(value: Any) -> str:
    """As Python has it; of an array its shape."""
    shape = getattr(value, "shape", None)
    return repr(value) if shape is None else f"array of shape {shape}"


def _same(value: Any, default: Any) -> bool:
    """Whether a parameter is its default; of arrays, which may stand in tuples, none is."""
    return type(value) is type(default) and repr(value) == repr(default)


def _learned(learner: Any) -> Iterator[Row]:
    """What a fitted learner knows, and from what."""
    state = learner.state_
    told, schema = state.told, state.schema
    left_out = f", {told.n_skipped:,} left out" if told.n_skipped else ""
    weight = f", weight {number(told.weight)}" if told.weight != told.n_rows else ""
    yield "rows", f"{told.n_rows:,}{weight}{left_out}"
    yield "columns", f"{schema.n_columns:,} {_text(schema.dtype)}{_names(schema.names)}"
    yield from _passes(learner)
    yield from _figures(learner)
    digest = state.digest
    yield "digest", f'<code title="{_text(digest)}">{_text(digest[:DIGEST])}</code>'


def _names(names: Sequence[str] | None) -> str:
    if names is None:
        return ""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return f": {', '.join(map(_text, names[:MOST_NAMES]))}{more}"


def _passes(learner: Any) -> Iterator[Row]:
    """How the last fit went."""
    jobs = getattr(vars(learner).get("_record"), "jobs", ())
    fits = [job for job in jobs if job.what == "fit"]
    if fits:
        n, took = len(fits[-1].turns), f" in {fits[-1].seconds:.3g} s" if fits[-1].turns else ""
        yield "passes", f"{n}{took}"
        yield "ended", _text(fits[-1].ended)
    later = sum(job.n_calls for job in jobs if job.what == "partial_fit")
    if later:
        yield "partial_fit", f"{later:,} more calls"


def _figures(learner: Any) -> Iterator[Row]:
    """Numbers that sum up the model: those of the last stage."""
    stages = getattr(learner, "stages", ())
    last = learner.fitted_stage(len(stages) - 1) if stages else learner
    for kind in type(last).__mro__:
        for title, attribute in FIGURES.get(kind.__name__, ()):
            value = getattr(last, attribute)
            share = attribute == "explained_variance_ratio_"
            yield title, f"{float(value.sum()):.1%}" if share else number(float(value))


def _text(value: str) -> str:
    cut = value if len(value) <= MOST_TEXT else f"{value[: MOST_TEXT - 1]}…"
    return escape(printable(cut), quote=True)


def _colours(theme: Theme) -> str:
    return (
        f"--ink:{theme.ink};--quiet:{theme.quiet};--line:{theme.line};--page:{theme.page};"
        f"--mark:{theme.clusters[0]}"
    )


STYLE = (
    f".nacre-card{{{_colours(LIGHT)};font:13px/1.5 {FONT};color:var(--ink);background:var(--page);"
    "border:1px solid var(--line);border-left:3px solid var(--mark);border-radius:6px;"
    "padding:.6em .9em;max-width:44em;overflow-wrap:anywhere}"
    f"@media (prefers-color-scheme:dark){{.nacre-card{{{_colours(DARK)}}}}}"
    ".nacre-card p{margin:0 0 .3em;font-size:15px}"
    ".nacre-card span{color:var(--quiet);font-size:12px;margin-left:.4em;white-space:nowrap}"
    ".nacre-card .on::before{content:'● ';color:var(--mark)}"
    ".nacre-card .off::before{content:'○ '}"
    ".nacre-card table{border-collapse:collapse;margin:0;width:auto}"
    ".nacre-card tr{background:none}"
    ".nacre-card th,.nacre-card td{border:0;padding:.1em 0;text-align:left;vertical-align:top;"
    "color:inherit;background:none;font-size:13px}"
    ".nacre-card th{color:var(--quiet);font-weight:normal;padding-right:1.2em;white-space:nowrap}"
    ".nacre-card code{color:inherit;background:none;padding:0}"
)
