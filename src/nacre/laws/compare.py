"""Equal in bits, or equal as real numbers: the comparisons of the laws. Nobody picks a tolerance.

Rounding is UNIT, by the dtype of the rows, because products are computed in it. What it may change
in a sum is judged element by element, against what was added there: the sum of the absolute values
of what each row says alone. So a column of 1e-6 is looked at as closely as one of 1e6 beside it,
and a sum whose terms cancel is not asked for more than its terms allow. Moments are judged by the
deviations from the mean, which sums of squares of rows far from 0 would have lost. Where the terms
are not known (models, answers), the largest number of a column stands for them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nacre import canon, forms
from nacre.contract import Array, Summary
from nacre.kinds import KEYED, KeyedMoments, KeyedSums, Kind, MomentSums

UNIT = {"float64": 1e-9, "float32": 1e-5}
FAR = 2.0**-48  # what float64 loses of rows that lie far from 0, times their distance


class LawBroken(AssertionError):
    """A learner or an engine does not keep a law."""


def parts(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) of all arrays, numbers and texts in a value that last."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.metadata.get("lasting", True):
                yield from parts(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple | list):
        for at, item in enumerate(value):
            yield from parts(item, f"{path}[{at}]")
    elif forms.is_sparse(value):
        yield path, value.toarray()
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from parts(value[key], f"{path}[{key!r}]")
    else:
        yield path, value


def same_bits(got: Any, wanted: Any, law: str) -> None:
    """Raise LawBroken, naming the first part that differs, unless the canonical bytes agree."""
    if canon.digest(got) == canon.digest(wanted):
        return
    for (path, a), (_, b) in zip(parts(got), parts(wanted), strict=False):
        if canon.digest(a) != canon.digest(b):
            raise LawBroken(f"{law}: {path or 'the value'} differs in bits: {a!r} and {b!r}")
    raise LawBroken(f"{law}: {type(got).__name__} and {type(wanted).__name__} are made differently")


def same_numbers(got: Any, wanted: Any, unit: float, law: str) -> None:
    """Raise LawBroken unless all parts are equal but for rounding; what is no float: in bits."""
    for (path, a), (_, b) in _paired(got, wanted, law):
        size = np.maximum(_largest(a), _largest(b)) if _is_float(a) or _is_float(b) else 0.0
        _near(a, b, unit * size, f"{law}: {path or 'the value'}")


def same_sum(
    got: Summary, wanted: Summary, terms: Sequence[Summary], unit: float, law: str
) -> None:
    """Raise LawBroken unless each field is equal, in bits where its kind owes them.

    Args:
        got, wanted: two sums of one thing.
        terms: what was added; the finer they are, the sharper the law.
        unit: of the rows' dtype, see UNIT.
        law: for the message.
    """
    for name, kind in got.kinds().items():
        a, b, what = (
            getattr(got, name),
            getattr(wanted, name),
            f"{law}: {type(got).__name__}.{name}",
        )
        if is_exact(kind, a) and is_exact(kind, b):  # counts become weights where rows have them
            same_bits(a, b, what)
        elif kind.name not in ALLOWED:
            same_numbers(a, b, unit, what)
        else:
            allowed = ALLOWED[kind.name]([getattr(term, name) for term in terms], unit)
            pairs = zip(_paired(a, b, what), parts(allowed), strict=True)
            for ((path, x), (_, y)), (_, most) in pairs:
                _near(x, y, most, what + path)


def is_exact(kind: Kind, value: Any) -> bool:
    """Whether a field owes the same bits in any grouping: an exact kind, or a sum of integers."""
    if kind.exact:
        return True
    return kind.name in ("SUM", "COUNT", "KEYED") and not any(
        _is_float(leaf) for _, leaf in parts(value)
    )


def _of_sum(values: list[Any], unit: float) -> Any:
    return unit * sum(np.abs(value) for value in values)


def _of_keyed(values: list[KeyedSums], unit: float) -> KeyedSums:
    sizes = [KeyedSums(value.keys, unit * np.abs(value.values)) for value in values]
    return functools.reduce(_joined, sizes)


def _joined(a: KeyedSums, b: KeyedSums) -> KeyedSums:
    both: KeyedSums = KEYED.join(a, b)
    return both


def _of_moments(values: list[MomentSums], unit: float) -> MomentSums:
    """M2: `unit` of the squared deviations, and what a mean does that far rows have moved."""
    weights = [_stretched(value.n, value.mean) for value in values]
    pairs = list(zip(weights, values, strict=True))
    total: Array = np.maximum(sum(weights), np.finfo(np.float64).tiny)
    centre = sum(w * v.mean for w, v in pairs) / total
    squares = sum(w * (v.mean - centre) ** 2 + _within(v) for w, v in pairs)
    near: Array = np.sqrt(squares)
    most = np.max([np.where(w > 0, np.abs(v.mean), 0.0) for w, v in pairs], axis=0)
    far = FAR * np.sqrt(total) * most
    form = np.ndim(values[0].m2) - np.ndim(values[0].mean)
    if form == 1:
        m2 = unit * _outer(near, near) + _outer(near, far) + _outer(far, near) + _outer(far, far)
    else:
        m2 = unit * near * near + 2 * near * far + far * far
    if form < 0:
        m2 = m2.sum(axis=tuple(range(np.ndim(values[0].m2), m2.ndim)))
    mean = unit * sum(w * np.abs(v.mean) for w, v in pairs) / total
    return MomentSums(unit * sum(np.abs(value.n) for value in values), mean, m2)


def _of_keyed_moments(values: list[KeyedMoments], unit: float) -> KeyedMoments:
    """As of MOMENTS: a group that a value lacks is one without rows."""
    keys = functools.reduce(np.union1d, (value.keys for value in values))
    most = _of_moments([value.over(keys) for value in values], unit)
    return KeyedMoments(np.zeros(len(keys)), most.n, most.mean, most.m2)


def _stretched(n: Any, mean: Array) -> Array:
    n = np.asarray(n, np.float64)
    return n.reshape(n.shape + (1,) * (np.ndim(mean) - n.ndim)) + np.zeros(np.shape(mean))


def _within(value: MomentSums) -> Any:
    """M2 by column: the diagonal, itself, or an equal share of what was summed over columns."""
    form = np.ndim(value.m2) - np.ndim(value.mean)
    if form == 1:
        return np.diagonal(value.m2, axis1=-2, axis2=-1)
    return value.m2 if form == 0 else _stretched(value.m2, value.mean) / np.shape(value.mean)[-1]


def _outer(a: Array, b: Array) -> Array:
    return a[..., :, None] * b[..., None, :]


ALLOWED: Mapping[str, Callable[[list[Any], float], Any]] = {
    "SUM": _of_sum,
    "KEYED": _of_keyed,
    "KEYED_MOMENTS": _of_keyed_moments,
    "MOMENTS": _of_moments,
}


def _paired(got: Any, wanted: Any, law: str) -> Iterator[tuple[tuple[str, Any], tuple[str, Any]]]:
    a, b = list(parts(got)), list(parts(wanted))
    if [path for path, _ in a] != [path for path, _ in b]:
        raise LawBroken(f"{law}: {[path for path, _ in a]} and {[path for path, _ in b]}")
    return zip(a, b, strict=True)


def _is_float(leaf: Any) -> bool:
    return leaf is not None and np.asarray(leaf).dtype.kind == "f"


def _largest(leaf: Any) -> Any:
    """The largest finite number of each column; of all that is no table."""
    size = np.abs(np.asarray(leaf, np.float64))
    size = np.where(np.isfinite(size), size, 0.0)
    return size.max(axis=tuple(range(size.ndim - 1)) if size.ndim > 1 else None, initial=0.0)


def _near(a: Any, b: Any, allowed: Any, what: str) -> None:
    if not _is_float(a) and not _is_float(b):
        same_bits(a, b, what)
        return
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise LawBroken(f"{what}: shapes {a.shape} and {b.shape}")
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    wrong = ~(apart <= allowed)
    if wrong.any():
        at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        most = float(np.broadcast_to(allowed, apart.shape)[at])
        place = f"{what}{[int(i) for i in at]}" if at else what
        raise LawBroken(f"{place}: {a[at]!r} and {b[at]!r}, rounding allows {most:.3g}")
