"""The wheel, built as it is published and tried in an empty environment with the core alone.

This takes about a minute, because the core's own wheels (NumPy, numba, SciPy, Arrow) are installed
anew: `make wheel` runs it, `make test` does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import nacre

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900)]

FIRST_FIT = """
import numpy as np
import nacre
X = np.random.default_rng(0).normal(size=(1000, 4))
model = nacre.KMeans(n_clusters=3, random_state=0).fit(X)
assert model.predict(X).shape == (1000,)
print(model.state_.digest)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints, run where nothing of the repository can be seen."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder)
    (built,) = folder.glob("nacre-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and the core."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pins = ROOT / "constraints.txt"
    run(python, "-m", "pip", "install", "-q", "-c", pins, wheel, cwd=folder)
    return python


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "nacre/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in names)
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"nacre", f"nacre-{nacre.__version__}.dist-info"}


def test_it_imports_with_the_core_alone(python: Path, tmp_path: Path) -> None:
    code = "import nacre; print(nacre.__version__, nacre.__file__)"
    version, place = run(python, "-c", code, cwd=tmp_path).split()
    assert version == nacre.__version__
    assert Path(place).is_relative_to(python.parents[1])


def test_its_first_fit(python: Path, tmp_path: Path) -> None:
    assert len(run(python, "-c", FIRST_FIT, cwd=tmp_path).strip()) == 32


def test_its_command(python: Path, tmp_path: Path) -> None:
    assert "fit" in run(python.parent / "nacre", "--help", cwd=tmp_path)
