"""Axis-parallel Gaussians: arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np

from nacre.contract import Array

NONE = 1e-300


def posterior(weights: Array, means: Array, variances: Array, X: Array) -> tuple[Array, Array]:
    """log p(x) (n,) of rows X (n, d), and the shares r (n, k) of the components in them."""
    terms = [
        np.log(weight) - (np.log(2 * np.pi * variance) + (X - mean) ** 2 / variance).sum(1) / 2
        for weight, mean, variance in zip(weights, means, variances, strict=True)
    ]
    log_p = np.logaddexp.reduce(terms)
    return log_p, np.exp(np.stack(terms, axis=1) - log_p[:, None])


def residuals(means: Array, X: Array, r: Array) -> tuple[Array, Array, Array]:
    """N (k,), A (k, d), M (k, d): the sums of r, r (x - mean) and r (x - mean)^2."""
    A, M = np.empty_like(means), np.empty_like(means)
    for j, mean in enumerate(means):
        apart = X - mean
        A[j], M[j] = r[:, j] @ apart, r[:, j] @ apart**2
    return r.sum(0), A, M


def maximised(means: Array, N: Array, A: Array, M: Array) -> tuple[Array, Array, Array, Array]:
    """Weights, means, variances under the prior of Fraley and Raftery; and its variance (d,).

    Its variance is that of all rows, k^(-2/d) times; residuals are all that it needs.
    """
    (k, d), N = A.shape, N[:, None]
    shift = A / np.maximum(N, NONE)
    means, within = means + shift, np.maximum(M - A * shift, 0.0)
    centre = (N * means).sum(0) / N.sum()
    prior = (within + N * (means - centre) ** 2).sum(0) / N.sum() * k ** (-2 / d)
    least = (1e-15 * centre) ** 2 + 1e-150  # for columns that do not vary
    variances = np.maximum((within + prior) / (N + d + 2), least)
    return np.maximum(N[:, 0] / N.sum(), NONE), means, variances, prior + least


def revived(weights: Array, means: Array, variances: Array, unit: Array, j: Any) -> None:
    """Component j becomes half of the widest one, cut along its widest column, in place.

    Width is variance in units of `unit` (d,); mean and variance of the two halves are the whole's.
    """
    wide = weights[:, None] * variances / unit
    i, column = np.unravel_index(wide.argmax(), wide.shape)
    half = np.sqrt(variances[i, column]) / 2
    variances[i, column] *= 0.75
    weights[[i, j]], means[j], variances[j] = weights[i] / 2, means[i], variances[i]
    means[i, column] -= half
    means[j, column] += half


def far_apart(X: Array, weight: Array, draws: Array) -> list[int]:
    """One row for each draw in [0, 1): k-means++ (Arthur and Vassilvitskii, SODA 2007)."""
    chosen: list[int] = []
    nearest = np.ones(len(X))
    for draw in draws:
        chance = np.cumsum(weight * nearest)
        at = np.searchsorted(chance, draw * chance[-1], side="right")
        chosen.append(min(int(at), len(X) - 1))
        nearest = ((X[:, None] - X[chosen]) ** 2).sum(2).min(1)
    return chosen
