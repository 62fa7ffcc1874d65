"""What a newcomer waits for: imports, help, the very first fit and the second. Fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

import _stage

FIT = """
import numpy as np, nacre
X = np.random.default_rng(0).normal(size=(10_000, 8)).astype(np.float32)
nacre.KMeans(8).fit(X).labels_
"""


def python(code: str, **env: str) -> Callable[[int], float]:
    """Run code in a fresh process."""

    def run(seed: int) -> float:
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            env={**os.environ, **env},
            stdout=subprocess.DEVNULL,
        )
        return 0.0

    return run


def first_fit(seed: int) -> float:
    """With an empty numba cache."""
    with tempfile.TemporaryDirectory() as cache:
        return python(FIT, NUMBA_CACHE_DIR=cache)(seed)


def main() -> None:
    """Seconds of whole processes, the interpreter's start included."""
    options = _stage.options(__doc__ or "").parse_args()
    _stage.await_quiet(options.tiny)
    on = _stage.machine()
    contest = _stage.Contest(
        "first contact",
        {
            "python -c pass": python("pass"),
            "import nacre": python("import nacre"),
            "sklearn.base": python("import sklearn.base"),
            "nacre.KMeans": python("import nacre; nacre.KMeans"),
            "nacre --help": python("import sys; sys.argv[1:] = ['--help']; import nacre.__main__"),
            "second fit": python(FIT),
            "very first fit": first_fit,
        },
        float,
    )
    contest.run(1 if options.tiny else options.runs)
    _stage.finish("first_contact", [contest], options.tiny, on)


if __name__ == "__main__":
    main()
