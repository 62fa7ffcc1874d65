"""What clusters are, in words: a name, what sets it apart, and from what.

How people speak of a column is its Feature; one without goes by its name, and is high or low.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nacre.kinds import Array
from nacre.plot.profile import Profile

NAMED = 0.7  # standard deviations from which a column may name a cluster
TOLD = 0.35  # and from which it is told of
FAR = 3.0  # and from which a stronger word is used
MOST_TOLD = 3  # columns that are told of a cluster
HOLDS = "{} is {}"


def number(value: float) -> str:
    """Four digits that count, thousands apart.

    >>> number(336776), number(0.12345), number(-1234.56), number(2.0), number(1e149)
    ('336,776', '0.1235', '-1,235', '2', '1e+149')
    """
    if not abs(value) < 1e15:  # or NaN
        return f"{value:.4g}"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


class Apart(NamedTuple):
    """What sets a cluster apart, and from what: "arrives 94 min late", "the average is 7 min"."""

    says: str
    of_all: str

    def __str__(self) -> str:
        return f"{self.says} ({self.of_all})"


@dataclass(frozen=True)
class Feature:
    """How people speak of a column.

    Attributes:
        column: its name in the data.
        title: what stands on an axis; else its name.
        show: a value with its unit.
        says: a sentence of a mean: "arrives 94 min late"; else "arr_delay is 94".
        average: the mean of all rows, beside it: "7 min late"; else as `show` has it.
        high, low: words for rows far above or below the mean, the last for those very far.
    """

    column: str
    title: str = ""
    show: Callable[[float], str] = number
    says: Callable[[float], str] | None = None
    average: Callable[[float], str] | None = None
    high: tuple[str, ...] = ()
    low: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The title, else the column."""
        return self.title or self.column

    def apart(self, mean: float, of_all: float) -> Apart:
        """What is said of a mean, beside that of all rows."""
        says = self.says(mean) if self.says else HOLDS.format(self.name, self.show(mean))
        return Apart(says, f"the average is {(self.average or self.show)(of_all)}")

    def word(self, deviation: float) -> str:
        """What rows so many standard deviations from the mean are called."""
        side = "high" if deviation > 0 else "low"
        words = (self.high if deviation > 0 else self.low) or (f"{side} {self.name}",)
        return words[-1] if abs(deviation) >= FAR else words[0]


@dataclass(frozen=True)
class Described:
    """A cluster in words.

    Attributes:
        name: unlike that of any other.
        apart: that of the largest deviation first.
        lacks: titles of the columns in which it has no value.
    """

    name: str
    apart: tuple[Apart, ...]
    lacks: tuple[str, ...]


def described(of: Profile, features: Sequence[Feature]) -> list[Described]:
    """Each cluster in words, by its number.

    >>> from nacre.plot.profile import profile
    >>> X = np.array([[1.0], [1.0], [9.0], [9.0]])
    >>> [d.name for d in described(profile([(X, np.array([0, 0, 1, 1]))], k=2), [Feature("size")])]
    ['low size', 'high size']

    Args:
        of: k clusters, d columns.
        features: (d,) of the columns.
    """
    deviation, mean, of_all = of.deviation, of.mean, of.of_all.mean
    names = _names([_words(row, features) for row in deviation])
    found = []
    for j, name in enumerate(names):
        told = _told(deviation[j])
        apart = [features[i].apart(float(mean[j, i]), float(of_all[i])) for i in told]
        lacks = [f.name for f, z in zip(features, deviation[j], strict=True) if np.isnan(z)]
        found.append(Described(name, tuple(apart), tuple(lacks)))
    return found


def _ranked(deviation: Array) -> list[int]:
    """Columns by how far they are apart; those without a value are left out."""
    order = np.argsort(-np.abs(deviation), kind="stable")
    return [int(i) for i in order if not np.isnan(deviation[i])]


def _told(deviation: Array) -> list[int]:
    ranked = _ranked(deviation)
    return [i for i in ranked[:MOST_TOLD] if abs(deviation[i]) >= TOLD] or ranked[:1]


def _words(deviation: Array, features: Sequence[Feature]) -> list[str]:
    """What a cluster may be called, the strongest word first."""
    ranked = _ranked(deviation)
    words = [features[i].word(deviation[i]) for i in ranked if abs(deviation[i]) >= NAMED]
    return list(dict.fromkeys(words)) or ["average" if ranked else "empty"]


def _names(words: Sequence[list[str]]) -> list[str]:
    """A name for each: its first word; more of them where names are the same; at last a number."""
    n_words = [1] * len(words)
    while True:
        names = [", ".join(some[:n]) for some, n in zip(words, n_words, strict=True)]
        same = {j for j, name in enumerate(names) if names.count(name) > 1}
        longer = [j for j in same if n_words[j] < len(words[j])]
        if not longer:
            return _numbered(names, same)
        for j in longer:
            n_words[j] += 1


def _numbered(names: list[str], same: set[int]) -> list[str]:
    taken = set(names)
    for j in sorted(same):
        numbers = (f"{names[j]} {i}" for i in itertools.count(1))
        names[j] = next(name for name in numbers if name not in taken)
        taken.add(names[j])
    return names
