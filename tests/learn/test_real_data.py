"""k-means on real and published data is as good as scikit-learn's from one start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans as TheirKMeans

from nacre import KMeans
from nacre.kinds import Array

SEEDS = range(3)


def letters(path: Path) -> Array:
    """(5000, 16) float64: the first letters, without their names."""
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, 17), max_rows=5_000)


# Sets on which one start of scikit-learn is steady: its inertia over ten seeds varies by at most
# 1 %. On sets such as sipu/a3 it varies by 6 %, and three seeds could not tell 2 %.
@pytest.mark.parametrize(
    ("path", "read", "k"),
    [
        ("tabular_letter/letterdata.csv.gz", letters, 26),
        ("clustering_suite/wut/windows.data.gz", np.loadtxt, 5),
    ],
)
def test_as_good_as_one_start_of_scikit_learn(
    path: str, read: Callable[[Path], Array], k: int, needs_shared_data: Callable[[str], Path]
) -> None:
    X = read(needs_shared_data(path))
    ours = [KMeans(k, random_state=seed).fit(X).inertia_ for seed in SEEDS]
    theirs = [TheirKMeans(k, n_init=1, random_state=seed).fit(X).inertia_ for seed in SEEDS]
    assert np.mean(ours) <= 1.02 * np.mean(theirs)
