"""Where compiled kernels are kept: beside the code, else in a cache of the user or the process.

numba refuses to import a cached kernel where it finds no place to write, as in a container with a
read-only package and no home. This must be imported before numba is.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made where it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def find_place() -> None:
    """Set NUMBA_CACHE_DIR to a folder of this process where numba would find no place."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if writable(Path(__file__).parent / "__pycache__") or writable(Path(home) / "numba"):
        return
    place = tempfile.mkdtemp(prefix="nacre-kernels-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = place


find_place()
