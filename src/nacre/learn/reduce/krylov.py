"""Eigenvectors of a covariance that is known by its action on blocks of directions alone.

Randomized block Krylov (Musco & Musco 2015): the blocks Q, C Q, C C Q, ... are made orthonormal,
one block a pass over the rows. Every action C Q_i is kept, so the best vectors in the span of all
blocks (Rayleigh & Ritz) and how far each is from an eigenvector are known without another pass.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array

EXTRA = 10  # directions beyond those asked for: the gap behind them decides how fast blocks settle
NOTHING = 1e-11  # of a block's size: what is left of a direction is rounding


class Ritz(NamedTuple):
    """The best vectors in a span, by falling value.

    Attributes:
        values: (m,).
        vectors: (d, m) orthonormal.
        images: (d, m), the covariance times the vectors.
    """

    values: Array
    vectors: Array
    images: Array

    @property
    def residuals(self) -> Array:
        """(m,) lengths of C u - value u: some eigenvalue lies no further from the value."""
        apart: Array = np.linalg.norm(self.images - self.vectors * self.values, axis=0)
        return apart


def first_block(d: int, width: int, seed: int) -> Array:
    """(d, width) orthonormal, addressed by column and direction; all directions where they fit.

    >>> first_block(2, 5, 0)
    array([[1., 0.],
           [0., 1.]])
    """
    if width >= d:
        return np.eye(d)
    drawn = hash01(np.arange(d)[:, None], np.arange(width), f"pca block {seed}")
    return np.linalg.qr(2.0 * drawn - 1.0)[0]


def ritz(basis: Array, images: Array, width: int) -> Ritz:
    """The `width` best vectors in the span of an orthonormal basis (d, m), given C basis (d, m)."""
    within = basis.T @ images
    values, turn = np.linalg.eigh((within + within.T) / 2)
    turn = turn[:, ::-1][:, :width]
    return Ritz(values[::-1][:width], basis @ turn, images @ turn)


def next_block(images: Array, basis: Array) -> Array:
    """An orthonormal basis of what the images (d, l) have outside the span of a basis (d, m).

    (d, r), r less than l where the rest is rounding; none where the span is invariant.
    """
    size = np.linalg.norm(images, axis=0).max(initial=0.0)
    rest = images
    for _ in range(2):  # once leaves what rounding mixed in (Kahan & Parlett: twice is enough)
        rest = rest - basis @ (basis.T @ rest)
    left, values, _ = np.linalg.svd(rest, full_matrices=False)
    block = left[:, values > NOTHING * size]
    block = block - basis @ (basis.T @ block)
    return np.linalg.qr(block)[0]


def nystrom(basis: Array, images: Array, doubt: float) -> tuple[Array, Array]:
    """Eigenvalues (m,) and eigenvectors (d, m) of C, from an orthonormal basis and C basis (d, l).

    Of all that fit these two, the least positive one (Nystrom; Tropp, Yurtsever, Udell & Cevher
    2017): a step of power iteration better than the best vectors in the basis.

    Args:
        basis, images: (d, l).
        doubt: values below this share of the largest are rounding.
    """
    within = basis.T @ images
    values, turn = np.linalg.eigh((within + within.T) / 2)
    known = values > max(doubt * values[-1], 0.0)
    root = images @ (turn[:, known] / np.sqrt(values[known]))
    vectors, roots, _ = np.linalg.svd(root, full_matrices=False)
    return roots**2, vectors
