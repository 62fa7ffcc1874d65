"""Forgetting on purpose, one policy for every learner; and a running summary with a clock.

An exponential weight of age is a product: so a sum is aged as a whole, by the difference to what it
is joined with, and late data is aged by its own distance from the newest (forward decay: Cormode,
Shkapenyuk, Srivastava & Xu, ICDE 2009). Nothing grows, so nothing overflows; what is very old
becomes 0. Windows drop leaves, and age nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from nacre.contract import Summary
from nacre.errors import BadParameter, CannotForget
from nacre.evolve.spans import span, spelled

if TYPE_CHECKING:
    from nacre.evolve.leaves import Leaves

Unit = Literal["time", "rows"]
What = Literal["never", "half-life", "window", "last"]
_ROWS = re.compile(r"(\d+) *rows?", re.ASCII)
_BATCHES = re.compile(r"last +(\d+)( *batch(es)?)?", re.ASCII)


def faded_by(told: Summary, age: float, half_life: float | None) -> Summary:
    """A summary that is `age` older; as it is where that is not more than 0."""
    if half_life is None or age <= 0:
        return told
    return told.scale(2.0 ** -(age / half_life))


def refuse_to_fade(told: Summary) -> None:
    """Raise CannotForget where a summary has a field of a kind that no factor scales."""
    told.scale(0.5)


@dataclass(frozen=True, eq=False)
class Running:
    """One summary that goes along with a moving frame, and the time that it is told at.

    Attributes:
        told: with every row scaled by its age at `clock`.
        clock: the newest event, ns since 1970; or how many rows there were.
        half_life: in the units of the clock; None: nothing is forgotten.
    """

    told: Summary
    clock: int
    half_life: float | None = None

    def absorb(self, told: Summary, at: int) -> Self:
        """With what a batch says, whose last event was `at`.

        A late batch is scaled by its own age; the sum so far only by the time that has passed.

        Raises:
            CannotForget: a field of a kind that no factor scales.
        """
        if self.half_life is not None:
            refuse_to_fade(told)
        clock = max(self.clock, at)
        before = faded_by(self.told, clock - self.clock, self.half_life)
        return type(self)(
            before + faded_by(told, clock - at, self.half_life), clock, self.half_life
        )


@dataclass(frozen=True)
class Policy:
    """What is forgotten.

    Attributes:
        what: "never"; "half-life": a batch counts half for each that it is old; "window": what is
            older than a span of event time is left out; "last": all but the last batches are.
        amount: ns of a half-life in time and of a window, rows, or batches.
        unit: of a half-life.

    >>> Policy.of("90d"), str(Policy.of("last 30"))
    (Policy(what='half-life', amount=7776000000000000, unit='time'), 'last 30 batches')
    """

    what: What = "never"
    amount: int = 0
    unit: Unit = "time"

    @classmethod
    def of(cls, told: str | Policy | None) -> Policy:
        """The policy of a text.

        "never" or None; "90d" (half-life in event time), "1000000 rows" (half-life in rows);
        "last 90d" (sliding window), "last 30" (batches). "half-life 90d" says it in full.

        Raises:
            BadParameter: none of these.
        """
        if isinstance(told, Policy):
            return told
        if told is None or told == "never":
            return cls()
        text = str(told).strip().replace("_", "").replace(",", "")
        half_life = text.removeprefix("half-life").strip()
        if (found := _ROWS.fullmatch(half_life)) and int(found[1]):
            return cls("half-life", int(found[1]), "rows")
        if (found := _BATCHES.fullmatch(text)) and int(found[1]):
            return cls("last", int(found[1]))
        window = text.startswith("last ")
        if not half_life[:1].isdigit() and not window:
            _refuse(told)
        if window and "row" in text:
            raise BadParameter(
                got=f"forget={told!r}",
                wanted="a span of time or a number of batches",
                do="Batches are kept or dropped whole: write batches, or a half-life in rows.",
            )
        try:
            ns = span(text.removeprefix("last ") if window else half_life)
        except BadParameter as error:
            raise BadParameter(**{**error.fields(), "got": f"forget={told!r}"}) from None
        return cls("window" if window else "half-life", ns)

    def __str__(self) -> str:
        match self.what:
            case "never":
                return "never"
            case "last":
                return f"last {self.amount} batches"
            case "window":
                return f"last {spelled(self.amount)}"
        return f"half-life {f'{self.amount} rows' if self.unit == 'rows' else spelled(self.amount)}"

    def kept(self, leaves: Leaves) -> Leaves:
        """The leaves that are not dropped; `covered` says what that is.

        Raises:
            Folded: a limit lies within a fold.
        """
        if self.what == "window":
            return leaves.window(self.amount)
        return leaves.last(self.amount) if self.what == "last" else leaves

    def told(self, leaves: Leaves) -> Summary:
        """What the leaves say under the policy.

        Raises:
            CannotForget: a field of a kind that no factor scales.
            Folded: a limit lies within a fold.
            NotFound: there are no leaves.
        """
        if self.what == "half-life":
            return leaves.faded(self.amount, self.unit)
        return self.kept(leaves).total()

    def running(self, told: Summary, clock: int) -> Running:
        """A running summary that forgets so.

        Raises:
            CannotForget: it would have to drop batches, which it does not keep apart; or a field of
                a kind that no factor scales.
        """
        if self.what in ("window", "last"):
            raise CannotForget(
                got=f"forget={str(self)!r} for one running summary",
                wanted="a half-life",
                do="Write one, or learn with Micro, which keeps batches apart.",
            )
        if self.what == "half-life":
            try:
                refuse_to_fade(told)
            except CannotForget as error:
                do = "Forget nothing, or learn with Micro, which keeps batches apart."
                raise CannotForget(**{**error.fields(), "do": do}) from None
        return Running(told, clock, float(self.amount) if self.what == "half-life" else None)


def _refuse(told: object) -> None:
    raise BadParameter(
        got=f"forget={told!r}",
        wanted='"never", "90d" or "1000000 rows" (half-lives), "last 90d" or "last 30" (batches)',
        do="Write one of these.",
    )
