"""Loading runs nothing: seen by the interpreter's own audit, in a process of its own."""

from __future__ import annotations

import json
import pickletools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import nacre
from nacre.store import container
from nacre.store import format as stored
from nacre.store.format import BUILT_IN
from tests.faults.test_damage import forged, other
from tests.store.models import dense, fitted

ROOT = Path(__file__).parents[2]
LOAD = """
import json, sys
import nacre, nacre.record, nacre.store.local
if sys.argv[1] == "ready":
    from nacre.store.format import registry
    registry()
    import tests.store.models
else:
    import numpy, numba, nacre.estimator
seen = []
sys.addaudithook(lambda event, arguments: seen.append([event, [str(a) for a in arguments[:2]]]))
told = []
for path in sys.argv[2:]:
    del seen[:]
    before = set(sys.modules)
    try:
        name = type(nacre.load(path)).__name__
    except nacre.errors.NacreError as error:
        name = type(error).__name__
    told.append([name, list(seen), sorted(set(sys.modules) - before)])
print(json.dumps(told))
"""
RUNS = ("exec", "compile", "marshal.", "pickle.", "ctypes.", "code.", "function.", "object.__")
REACHES = ("os.system", "os.exec", "os.spawn", "os.posix", "os.fork", "subprocess.", "socket.")
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.", "os.chmod")


@dataclass
class Loaded:
    """What came of loading: a class of learners or errors, audit events, modules that are new."""

    name: str
    events: list[tuple[str, list[str]]]
    modules: list[str]

    def of(self, *kinds: str) -> list[tuple[str, list[str]]]:
        """The events whose names begin so."""
        return [event for event in self.events if event[0].startswith(kinds)]


def loaded(paths: list[Path], how: str) -> list[Loaded]:
    """What a fresh process sees that loads these, when all it may need is imported or not."""
    command = [sys.executable, "-c", LOAD, how, *map(str, paths)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [Loaded(*told) for told in json.loads(run.stdout)]


def test_loading_imports_compiles_and_starts_nothing(tmp_path: Path) -> None:
    models = {"Chain": fitted("chain"), "Density": dense(), "KMeans": fitted("kmeans")}
    for name, model in models.items():
        model.save(tmp_path / name)
    for name, told in zip(
        models, loaded([tmp_path / name for name in models], "ready"), strict=True
    ):
        path = tmp_path / name
        assert told.name == name
        assert told.modules == []
        assert told.of("import", *RUNS, *REACHES, *CHANGES) == []
        files = {file.name for file in path.rglob("*")}
        opened = [Path(arguments[0]) for _, arguments in told.of("open")]
        assert opened[0] == path
        assert {file.name for file in opened[1:]} == files
        assert all(file.is_absolute() or str(file) in files for file in opened)


def test_a_learner_is_imported_from_the_closed_list_alone(tmp_path: Path) -> None:
    fitted("scale").save(tmp_path)
    (told,) = loaded([tmp_path], "not ready")
    assert told.name == "Scale"
    ours = {name for name in told.modules if name.startswith("nacre.learn.")}
    assert BUILT_IN["nacre.scale"] in ours
    assert not ours & {BUILT_IN["nacre.kmeans"], BUILT_IN["nacre.chain"], BUILT_IN["nacre.pca"]}


def test_a_tag_is_never_a_module_to_look_for(tmp_path: Path) -> None:
    tags = ("os.system/1", "nacre.cli.main.app/1", "nacre.pca.Popen/1", "antigravity.x/1")
    box = container.opened(stored.to_bytes(fitted("pca")))
    paths = []
    for at, tag in enumerate(tags):
        text = box.text.replace(b"nacre.pca.PCA/1", tag.encode())
        assert text != box.text
        data = container.packed({}, text)
        paths.append(forged(tmp_path / str(at), other("learner", data), data))
    for told in loaded(paths, "ready"):
        assert told.name == "NewerFormat"
        assert told.modules == []
        assert told.of("import", *RUNS, *REACHES, *CHANGES) == []


def test_no_file_of_a_model_is_pickled(tmp_path: Path) -> None:
    dense().save(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            with pytest.raises(ValueError, match=r"opcode|exhausted|expected|not enough"):
                list(pickletools.genops(path.read_bytes()))


def test_nothing_in_the_store_knows_how_to_run_or_unpickle() -> None:
    folder = Path(nacre.__file__).parent / "store"
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    for word in ("pickle", "eval(", "exec(", "__import__", "subprocess", "getattr(importlib"):
        assert word not in text
