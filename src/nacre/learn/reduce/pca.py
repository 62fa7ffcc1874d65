"""Principal components: from the covariance of the columns in one pass, exact however it is cut; of
wide or sparse rows from what the covariance does to blocks of directions, in a few passes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nacre.canon import later
from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.errors import BadParameter
from nacre.estimator import (
    ClassNamePrefixFeaturesOutMixin,
    Estimator,
    Incremental,
    Transforms,
    is_count,
    require,
)
from nacre.forms import is_sparse
from nacre.kernel.action import NONE, dense_action, rows_together, sparse_action
from nacre.kernel.moments import pivot_of
from nacre.kinds import SUM, of
from nacre.learn.count.moments import ColumnMoments, freedom, moments_of
from nacre.learn.reduce import krylov
from nacre.learn.reduce.projection import brought_back, doubt, likelihood, projected

NARROW = 2_048  # columns: their covariance takes 32 MB and one pass
WIDE = 8_000  # columns: beyond, a covariance takes more than 512 MB
DEAR = 32  # columns per direction of a block: fewer, and the covariance costs less work
WIDEST = 1_024  # directions in a block that is to hold all there are
MOST_BLOCKS = 20  # then the search ends where it is
KEPT = 6  # blocks' worth of directions in memory; of more only the best two blocks' worth go on


@dataclass(frozen=True, eq=False, kw_only=True)
class Directions(Model):
    """Orthonormal directions of greatest variance.

    Attributes:
        components: (k, d) float64, by falling variance, the largest entry of each positive; 0
            beyond the numerical rank.
        variance: (k,); total: of all columns; mean: (d,).
        noise: mean variance of a direction that is left out.
        whiten: answers have unit variance.
    """

    d: int
    mean: Array | None = None
    components: Array | None = None
    variance: Array | None = None
    total: float = 0.0
    noise: float = later(0.0)
    whiten: bool = False

    @property
    def can_answer(self) -> bool:
        """Once a pass has been made."""
        return self.components is not None


@dataclass(frozen=True, eq=False, kw_only=True)
class Components(Directions):
    """From the covariance of d columns, of rows of a dtype."""

    frame: ClassVar[tuple[str, ...]] = ("d",)
    last_look: ClassVar[bool] = True
    dtype: str = later("float64")


@dataclass(frozen=True, eq=False, kw_only=True)
class Searching(Directions):
    """Asks what the covariance does to a block of directions, to find the next.

    Attributes:
        basis: (d, l) float64, orthonormal: the block.
        centre: (d,) float64, near the mean; the rows' dtype holds it exactly.
        dtype: in which products are made.
        found, images: (d, m) the blocks before, and what the covariance makes of them.
        n_blocks: how many there were.
        width: of the first block.
    """

    frame: ClassVar[tuple[str, ...]] = ("basis", "centre", "dtype", "width")
    basis: Array
    centre: Array
    dtype: str
    width: int
    found: Array | None = None
    images: Array | None = None
    n_blocks: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Settled(Directions):
    """The best directions that were found, and some more: their action is all that is kept.

    Attributes:
        basis, centre, dtype: as of Searching.
        converged: whether the search ended by its tolerance.
    """

    frame: ClassVar[tuple[str, ...]] = ("basis", "centre", "dtype", "converged")
    basis: Array
    centre: Array
    dtype: str
    converged: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Actions(Summary):
    """What rows do to a block of directions Q (d, l), about the model's centre c; float64.

    Attributes:
        sums: (d,) of x - c, by weight.
        squares: of |x - c|^2.
        actions: (d, l) of (x - c) ((x - c) . Q).
    """

    sums: Array = of(SUM)
    squares: float = of(SUM)
    actions: Array = of(SUM)


class Spectrum(NamedTuple):
    """Variances (m,) by falling size and their directions (d, m), of rows with a mean (d,).

    total: the variance of all columns; n_rows: how many there are, for the rank; least: the
    share of the largest variance below which all is rounding.
    """

    values: Array
    vectors: Array
    mean: Array
    total: float
    n_rows: int
    least: float


@dataclass(eq=False, repr=False)
class PCA(ClassNamePrefixFeaturesOutMixin, Transforms, Incremental, Estimator):
    """Project rows on the directions of greatest variance.

    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> PCA(n_components=1).fit(X).explained_variance_ratio_
    array([1.])
    >>> PCA(n_components=0.9).fit(X).n_components_
    1

    Args:
        n_components: how many directions; between 0 and 1: as few as hold more than this share of
            the variance; None: all, at most one for each row.
        whiten: divide by the deviation along each direction.
        solver: "covariance" (one pass, exact), "krylov" (blocks of directions, a few passes; for
            wide or sparse rows), or "auto".
        tol: "krylov" ends when no direction is further than this from an eigenvector, as a share of
            its variance.
        random_state: an int, or None for 0: of the first block of "krylov".
    """

    n_components: int | float | None = None
    whiten: bool = False
    solver: str = later("auto")
    tol: float = later(1e-4)
    random_state: int | None = later(None)

    answers: ClassVar[Sequence[str]] = ("transform", "score_samples")
    takes: ClassVar[Sequence[str]] = ("sparse",)

    @property
    def grade(self) -> Mapping[str, Grade]:  # type: ignore[override]  # of this very solver
        """A covariance adds up exactly; a block that stands still may miss what comes later."""
        state = vars(self).get("state_")
        blocks = self.solver == "krylov" if state is None else isinstance(state.model, Settled)
        later: Grade = "heuristic" if blocks else "bits"
        return {"space": "rounding", "time": later, "erasure": later}

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        k, seed = self.n_components, self.random_state
        require(
            k is None or is_count(k) or is_share(k),
            "n_components",
            k,
            "None, an int from 1, or a share of the variance between 0 and 1",
        )
        require(isinstance(self.whiten, bool), "whiten", self.whiten, "True or False")
        solvers = '"auto", "covariance" or "krylov"'
        require(self.solver in ("auto", "covariance", "krylov"), "solver", self.solver, solvers)
        require(is_share(self.tol), "tol", self.tol, "a number between 0 and 1")
        require(
            seed is None or (isinstance(seed, Integral) and not isinstance(seed, bool)),
            "random_state",
            seed,
            "an int, or None for 0",
        )

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width; or the first block of directions."""
        d, dtype, k = head.X.shape[1], head.X.dtype.name, self.n_components
        if is_count(k) and k > d:
            raise BadParameter(
                got=f"n_components={k} for {d} columns",
                wanted=f"at most {d}",
                do="Lower n_components.",
            )
        if not self._by_blocks(d, is_sparse(head.X)):
            return Components(d=d, dtype=dtype)
        basis = krylov.first_block(d, self._width(d, n), int(self.random_state or 0))
        dtype = "float64" if is_sparse(head.X) else dtype  # of the sums, whatever the values are
        return Searching(d=d, basis=basis, centre=middle(head), dtype=dtype, width=basis.shape[1])

    def observe(self, model: Any, batch: Batch) -> Summary:
        """Moments of all pairs of columns; or what the rows do to the block."""
        if isinstance(model, Components):
            return ColumnMoments.told(model, batch, moments=moments_of(batch, full=True))
        frame = NONE if batch.weight is None else batch.weight, model.basis, model.centre
        if is_sparse(batch.X):
            acted = sparse_action(batch.X, *frame)
        else:  # dense rows may follow sparse ones: in a dtype that holds the centre
            acted = dense_action(batch.X.astype(model.dtype, copy=False), *frame)
        return Actions.told(model, batch, **acted._asdict())

    def advance(self, model: Any, told: Any) -> Model:
        """Eigenvectors of the covariance (Pearson 1901), n counted by weight."""
        if isinstance(model, Components):
            return replace(model, **self._known(_of_moments(model, told)))
        seen = Seen.of(model, told)
        if isinstance(model, Settled):
            least = doubt(model.dtype, len(seen.mean))
            found = krylov.nystrom(model.basis, seen.images, least)
            return replace(model, **self._known(seen.spectrum(*found, least)))
        return self._searched(model, seen)

    def resume(self, model: Any) -> Any:
        """The same rows' dtype: it says what is rounding."""
        return replace(super().resume(model), dtype=model.dtype)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: (n, k) in the rows' dtype; score_samples: (n,) float64 log-likelihood."""
        n, d = batch.X.shape
        block = n if is_sparse(batch.X) else rows_together(d)
        blocks = [batch.X[at : at + block] for at in range(0, max(n, 1), max(block, 1))]
        tell = {"transform": projected, "score_samples": likelihood}
        columns = {name: [tell[name](model, rows) for rows in blocks] for name in want}
        return {name: np.concatenate(parts) for name, parts in columns.items()}

    def ended(self, model: Any) -> str:
        """By the tolerance, or before that because blocks were too many."""
        return "converged" if getattr(model, "converged", True) else f"{MOST_BLOCKS} blocks"

    def inverse_transform(self, X: Array) -> Array:
        """Rows (n, d) in the old columns, of (n, k) that `transform` gave; integers become float64.

        Raises:
            BadInput: rows of another width.
        """
        return brought_back(self._model(), X)

    def score_samples(
        self, data: Any, *, engine: Any = None, memory: int | str | None = None
    ) -> Array:
        """(n,) log-likelihood of each row under probabilistic PCA (Tipping & Bishop 1999)."""
        return self._ask(data, "score_samples", engine, memory)

    def score(self, data: Any, y: Any = None) -> float:
        """Mean log-likelihood of the rows: the higher the better, as a search wants it."""
        return float(np.mean(self.score_samples(data), dtype=np.float64))

    def get_covariance(self) -> Array:
        """(d, d) float64: the covariance that the components and the noise stand for."""
        model = self._model()
        more = np.maximum(model.variance - model.noise, 0.0)
        covariance: Array = (model.components.T * more) @ model.components
        covariance[np.diag_indices_from(covariance)] += model.noise
        return covariance

    @property
    def components_(self) -> Array:
        """(k, d) orthonormal rows, in the rows' dtype."""
        return self._model().components.astype(self.state_.schema.dtype)

    @property
    def mean_(self) -> Array:
        """(d,) float64."""
        return self._model().mean

    @property
    def explained_variance_(self) -> Array:
        """(k,) float64, divided by n - 1."""
        return self._model().variance

    @property
    def explained_variance_ratio_(self) -> Array:
        """(k,) shares of the variance of all columns."""
        model = self._model()
        return model.variance / (model.total or 1.0)

    @property
    def noise_variance_(self) -> float:
        """Mean variance of the min(n, d) - k directions that are left out."""
        return float(self._model().noise)

    @property
    def singular_values_(self) -> Array:
        """(k,) of the centred rows."""
        model = self._model()
        return np.sqrt(model.variance * freedom(self.state_.told.weight))

    @property
    def n_components_(self) -> int:
        """Number of directions."""
        return self._n_features_out

    @property
    def _n_features_out(self) -> int:
        return len(self._model().components)

    def _by_blocks(self, d: int, sparse: bool) -> bool:
        """Whether directions are looked for block by block."""
        if self.solver != "auto":
            if sparse and self.solver == "covariance":
                raise BadParameter(
                    got='solver="covariance" for sparse rows',
                    wanted='"krylov", which does not make them dense',
                    do='Leave solver at "auto".',
                )
            return self.solver == "krylov"
        if sparse or d > WIDE:
            return True
        k = self.n_components
        return is_count(k) and d > max(NARROW, DEAR * (int(k or 0) + krylov.EXTRA))

    def _width(self, d: int, n: int | None) -> int:
        """Directions in a block: some more than are wanted, or all there are."""
        k = self.n_components
        if is_count(k):
            return min(d, int(k or 0) + krylov.EXTRA)
        there = d if n is None else max(1, min(d, n))
        if there > WIDEST:
            raise BadParameter(
                got=f"n_components={k} for blocks of directions, {there:,} in all",
                wanted=f"an int, where there are more than {WIDEST:,}",
                do="Say how many components you want.",
            )
        return there

    def _searched(self, model: Searching, seen: Seen) -> Model:
        """The next block, or the best directions where the search is at its end."""
        width, least = model.width, doubt(model.dtype, len(seen.mean))
        basis, images = model.basis, seen.images
        if model.found is not None and model.images is not None:
            basis, images = np.hstack([model.found, basis]), np.hstack([model.images, images])
        best = krylov.ritz(basis, images, 2 * width)
        result = self._known(seen.spectrum(best.values[:width], best.vectors[:, :width], least))
        block, k = krylov.next_block(seen.images, basis), len(result["components"])
        near = np.maximum(self.tol * best.values, least * best.values[0])
        converged = bool((best.residuals <= near)[:k].all()) or block.shape[1] == 0
        common = {"d": model.d, "dtype": model.dtype, **result}
        common["centre"] = rounded(seen.mean, model.dtype)
        if converged or model.n_blocks + 1 == MOST_BLOCKS:
            return Settled(basis=best.vectors[:, :width], converged=converged, **common)
        if basis.shape[1] >= KEPT * width:
            basis, images = best.vectors, best.images
        n_blocks = model.n_blocks + 1
        return Searching(
            basis=block, width=width, found=basis, images=images, n_blocks=n_blocks, **common
        )

    def _known(self, seen: Spectrum) -> dict[str, Any]:
        """What a model knows besides its frame."""
        d, most = len(seen.mean), max(1, min(len(seen.mean), seen.n_rows))
        values = np.maximum(seen.values, 0.0)
        nothing = seen.least * values.max(initial=0.0)
        k = self._count(values, seen.total, most)
        rank = int(min((values > nothing).sum(), max(seen.n_rows - 1, 0), k))
        components, variance = np.zeros((k, d)), np.zeros(k)  # beyond the rank any is as good
        components[:rank], variance[:rank] = seen.vectors.T[:rank], values[:rank]
        largest = components[np.arange(k), np.abs(components).argmax(axis=1)]
        components *= np.where(largest < 0, -1.0, 1.0)[:, None]
        noise = (seen.total - float(variance.sum())) / max(most - k, 1)
        return {
            "mean": seen.mean,
            "components": components,
            "variance": variance,
            "total": seen.total,
            "noise": noise if most > k and noise > nothing else 0.0,
            "whiten": self.whiten,
        }

    def _count(self, values: Array, total: float, most: int) -> int:
        """How many directions are wanted of those with these variances."""
        k = self.n_components
        if k is None:
            return most
        if is_count(k):
            return int(k)
        held = np.cumsum(values) / (total or 1.0)
        enough = int(np.searchsorted(held, float(k), side="right")) + 1
        return min(enough, len(values), most)


class Seen(NamedTuple):
    """A pass about a centre, told about the mean.

    Attributes:
        mean: (d,); images: (d, l) the covariance times the block.
        total: variance of all columns; n_rows: how many there are, for the rank.
    """

    mean: Array
    images: Array
    total: float
    n_rows: int

    @classmethod
    def of(cls, model: Searching | Settled, told: Actions) -> Seen:
        """From the sums of a pass."""
        n, free = told.weight, freedom(told.weight)
        shift = told.sums / (n or 1.0)
        images = (told.actions - np.outer(told.sums, shift @ model.basis)) / free
        total = (told.squares - float(told.sums @ shift)) / free
        return cls(model.centre + shift, images, total, counted(n, told.n_rows))

    def spectrum(self, values: Array, vectors: Array, least: float) -> Spectrum:
        """With the directions that were found."""
        return Spectrum(values, vectors, self.mean, self.total, self.n_rows, least)


def _of_moments(model: Components, told: ColumnMoments) -> Spectrum:
    n, mean, m2 = told.moments.n, told.moments.mean, told.moments.m2
    free = freedom(n)
    values, vectors = np.linalg.eigh(m2 / free)
    least, total = doubt(model.dtype, model.d), float(np.trace(m2)) / free
    return Spectrum(values[::-1], vectors[:, ::-1], mean, total, counted(n, told.n_rows), least)


def counted(n: float, n_rows: int) -> int:
    """How many rows a weight stands for; weights that are shares count none."""
    return math.ceil(n) if n > 1 else n_rows


def middle(head: Batch) -> Array:
    """(d,) float64 near the mean of some rows, exact in their dtype; 0 where none has weight."""
    weight = NONE if head.weight is None else head.weight
    if not is_sparse(head.X):
        return pivot_of(head.X, weight).astype(np.float64)
    total = head.counted[1]
    return rounded((head.weights @ head.X) / (total or 1.0), head.X.dtype.name)


def rounded(values: Array, dtype: str) -> Array:
    """float64 values that a dtype can hold."""
    return values.astype(dtype).astype(np.float64)


def is_share(value: Any) -> bool:
    """Whether a hyper-parameter is a number between 0 and 1, neither included."""
    if isinstance(value, Integral) or not isinstance(value, Real):
        return False
    return 0 < float(value) < 1
