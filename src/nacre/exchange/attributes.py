"""The attributes of a fitted scikit-learn estimator: read and checked, copied, never called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput

MOST = {"float32": float(np.finfo(np.float32).max), "float64": 1e150}  # squares must not overflow
DTYPES = tuple(MOST)
MOST_COUNTED = 1 << 53


@dataclass(frozen=True)
class Attributes:
    """What lies in the `__dict__` of an estimator: no property and no method of it is used."""

    of: Any

    @property
    def name(self) -> str:
        """Of the class: "StandardScaler"."""
        return type(self.of).__name__

    @property
    def is_fitted(self) -> bool:
        """Whether there is any attribute that only a fit leaves."""
        return any(name.endswith("_") and name[:1] != "_" for name in vars(self.of))

    def has(self, name: str) -> bool:
        """Whether there is such an attribute, other than None."""
        return vars(self.of).get(name) is not None

    def get(self, name: str) -> Any:
        """An attribute as it is.

        Raises:
            BadInput: it is not there: another version, or a fit that did not keep it.
        """
        if name not in vars(self.of):
            raise self.bad(f"no attribute {name}", "one that this fit has kept")
        return vars(self.of)[name]

    def values(self, name: str) -> Array:
        """A copy of numbers (float64) of any shape; NaN may be among them."""
        raw = self.get(name)
        try:
            return np.array(raw, np.float64)
        except (TypeError, ValueError):
            raise self.bad(f"{name}={raw!r}"[:80], "numbers") from None

    def array(self, name: str, *shape: int | None) -> Array:
        """A copy of finite numbers (float64) of a shape; None stands for any length."""
        values = self.values(name)
        pairs = zip(shape, values.shape, strict=False)
        fits = all(want is None or want == got for want, got in pairs)
        finite = np.isfinite(values).all()
        if values.ndim != len(shape) or not fits or not finite:
            got = f"{name} of shape {values.shape}" if values.ndim else f"{name}={float(values):g}"
            got += "" if finite or not values.ndim else ", with NaN or infinity"
            lengths = ", ".join("any" if length is None else str(length) for length in shape)
            raise self.bad(got, f"finite numbers of shape ({lengths})")
        return values

    def point(self, name: str, dtype: str, *shape: int | None) -> Array:
        """Numbers that lie where rows of a dtype may, or between them: means, centres."""
        values = self.array(name, *shape)
        if np.abs(values).max(initial=0.0) > MOST[dtype]:
            got, wanted = f"{name} up to {np.abs(values).max():g}", f"at most {MOST[dtype]:g}"
            raise self.bad(got, f"{wanted} for rows of {dtype}", "Scale the data, and fit again.")
        return values

    def spread(self, name: str, *shape: int | None) -> Array:
        """Numbers of at least 0: variances."""
        values = self.array(name, *shape)
        if values.min(initial=0.0) < 0:
            raise self.bad(f"{name} down to {values.min():g}", "numbers of at least 0")
        return values

    def number(self, name: str) -> float:
        """A finite number of at least 0."""
        value = float(self.array(name))
        if value < 0:
            raise self.bad(f"{name}={value:g}", "a number of at least 0")
        return value

    def count(self, name: str) -> int:
        """A whole number of at least 1."""
        value = self.number(name)
        if not 1 <= value <= MOST_COUNTED or value != int(value):
            raise self.bad(f"{name}={value:g}", "a whole number from 1 to 2**53")
        return int(value)

    def flag(self, name: str) -> bool:
        """True or False."""
        value = self.get(name)
        if not isinstance(value, bool | np.bool_):
            raise self.bad(f"{name}={value!r}"[:80], "True or False")
        return bool(value)

    def dtype_of(self, name: str) -> str:
        """float32 or float64: of an array that keeps the dtype of the rows."""
        found = str(getattr(self.get(name), "dtype", ""))
        if found not in DTYPES:
            raise self.bad(
                f"{name} of {found or type(self.get(name)).__name__}", "of float32 or 64"
            )
        return found

    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns of the fit; None where they had none."""
        if not self.has("feature_names_in_"):
            return None
        names = np.asarray(self.get("feature_names_in_"), object)
        if names.ndim != 1:
            raise self.bad(f"feature_names_in_ of shape {names.shape}", "a name for each column")
        return tuple(str(name) for name in names)

    def bad(self, got: str, wanted: str, do: str = "") -> BadInput:
        """The error for an attribute that cannot be read."""
        do = do or "Fit it with the scikit-learn that is installed, or fit nacre's own learner."
        return BadInput(got=f"{self.name} with {got}", wanted=wanted, do=do)
