"""A live model at another time: what `nacre show --at`, `--as-of` and `--window` say, and what was
done to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

from typer import Option

from nacre import __version__
from nacre.cli.living import lived, second
from nacre.cli.options import Group
from nacre.cli.terminal import aligned, counted, shown

MOST_ACTS = 5  # on a screen; -v and --json have them all


@dataclass(frozen=True)
class Past(Group):
    """Which batches a model is to be made of."""

    panel: ClassVar[str] = "Time"

    at: Annotated[
        str | None,
        Option("--at", metavar="MOMENT", help="As it stood then: 2013-05-03, 2013-05-03T12:00."),
    ] = None
    as_of: Annotated[
        str | None,
        Option("--as-of", metavar="TIME", help="Of what happened until then, with corrections."),
    ] = None
    window: Annotated[
        str | None,
        Option("--window", metavar="SPAN", help="Of what happened in the last 90d, 12h, 2w."),
    ] = None
    until: Annotated[
        str | None,
        Option("--until", metavar="TIME", help="Where the window ends; its last event, if not."),
    ] = None

    @property
    def is_now(self) -> bool:
        """Whether nothing was said."""
        return self == NOW

    def check(self) -> None:
        """Raise BadParameter for options that do not go together."""
        from nacre.errors import BadParameter

        said = [name for name in ("at", "as_of", "window") if getattr(self, name) is not None]
        if len(said) > 1:
            both = " and ".join(f"--{name.replace('_', '-')}" for name in said)
            raise BadParameter(got=both, wanted="one of them", do="Leave the others out.")
        if self.until is not None and self.window is None:
            raise BadParameter(
                got="--until without --window", wanted="both", do="Add --window 90d, or the like."
            )
        for name in ("at", "as_of", "until"):
            _check_moment(f"--{name.replace('_', '-')}", getattr(self, name))

    def of(self, live: Any) -> Any:
        """The learner as fitted by the batches of that time."""
        if self.at is not None:
            return _at(live, self.at)
        if self.as_of is not None:
            return live.as_of(self.as_of)
        return live.window(self.window, until=self.until)

    @property
    def title(self) -> str:
        """In words."""
        if self.at is not None:
            return f"as it stood at {self.at}"
        if self.as_of is not None:
            return f"of what happened until {self.as_of}"
        end = "the newest event" if self.until is None else self.until
        return f"of the {self.window} up to {end}"


NOW = Past()


def _check_moment(option: str, text: str | None) -> None:
    from nacre.errors import BadParameter
    from nacre.source.times import nanoseconds

    try:
        nanoseconds(text or "1970")
    except BadParameter:
        raise BadParameter(
            got=f"{option} {text}",
            wanted="a moment",
            do="Write 2013-05-03, or 2013-05-03T12:00; without a zone it is UTC.",
        ) from None


def _at(live: Any, moment: str) -> Any:
    """As it stood then; who asks for a time of events is told how to."""
    from nacre.errors import NotFound

    try:
        return live.at(moment)
    except NotFound:
        begun = second(next(live.history()).moment)
        raise NotFound(
            got=f"nothing absorbed by {moment}",
            wanted=f"a moment from {begun} on",
            do=f"Ask for what happened until then, whenever it was absorbed: --as-of {moment}.",
        ) from None


def of_past(path: str, past: Past) -> dict[str, Any]:
    """A live model at another time, in plain values; what begins with "_" is for people alone."""
    from nacre.cli.words import knowledge, learner_name
    from nacre.store.describe import describe

    past.check()
    with lived(path) as live:
        learner = past.of(live)
    covered, knows = learner.covered_, knowledge(learner)
    told = {"nacre": __version__, "kind": "model", "model": path, **describe(learner)}
    told |= {"n_batches": covered.n_batches, "covered": asdict(covered), **knows}
    asked = {name: value for name, value in asdict(past).items() if value is not None}
    return {**told, "asked": asked, "_knows": knows, "_name": learner_name(learner)}


def lines_of_past(told: Mapping[str, Any], past: Past) -> Iterator[str]:
    """From how much it is made, and of what time."""
    covered = told["covered"]
    rows = f"{covered['n_rows']:,} rows of {counted(covered['n_batches'], 'batch', 'batches')}"
    yield f"[bold]{told['_name']}[/] {shown(past.title)}: {rows}"
    yield from aligned(list(_spans(covered)))
    for one in covered["missing"]:
        yield f"  [yellow]missing[/]  {shown(one['id'])}: {shown(one['why'])}"
    if covered["beside"]:
        n = counted(len(covered["beside"]), "batch", "batches")
        yield f"  {n} came too late for the sum of older ones; so this one is rounded otherwise"


def _spans(covered: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    spans = {"events": ("first", "last"), "absorbed": ("absorbed_first", "absorbed")}
    for name, ends in spans.items():
        first, last = (covered[end] for end in ends)
        if last is not None:
            yield name, f"{second(last if first is None else first)} to {second(last)}"


def history_of(path: str) -> list[dict[str, Any]]:
    """What every commit of a live model did, from the first on."""
    with lived(path) as live:
        return [asdict(act) for act in live.history()]


def lines_of_history(acts: Sequence[Mapping[str, Any]], most: int) -> Iterator[str]:
    """The last of them."""
    yield f"What was done: {counted(len(acts), 'commit')}"
    last = acts[-most:]
    if len(last) < len(acts):
        yield f"  {len(acts) - len(last):,} before; -v has all"
    rows = [
        (
            f"{act['number']:,}",
            second(act["moment"]),
            act["what"],
            f"{act['n_rows']:,} rows",
            shown(act["note"]),
        )
        for act in last
    ]
    yield from aligned(rows, right=[0, 3])
