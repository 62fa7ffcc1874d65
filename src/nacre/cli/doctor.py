"""`nacre doctor`: check that this machine has all that nacre needs; fit to be shown to others."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from nacre import __version__
from nacre.cli.options import Speech, spread
from nacre.cli.terminal import aligned, counted, seconds, shown, size

Status = Literal["ok", "warning", "broken"]

CORE = {  # package -> its module
    "numpy": "numpy",
    "numba": "numba",
    "scikit-learn": "sklearn",
    "pyarrow": "pyarrow",
    "fsspec": "fsspec",
    "safetensors": "safetensors",
    "typer": "typer",
    "rich": "rich",
}
EXTRAS = {  # extra -> what it is for
    "demo": "the demo's flights",
    "plot": "charts",
    "image": "folders of images",
}
LITTLE_MEMORY, LITTLE_DISK, LITTLE_SHARED = 1 << 30, 1 << 30, 64 << 20  # bytes
FEW_FILES = 256
TOO_FAST = 20e-6  # seconds; no disk has written by then
N_SYNCS = 16

# Writes, syncs, says so, and waits to be killed.
WRITER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"nacre" * 200000)
os.fsync(fd)
print("synced", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        status: broken where nacre cannot work.
        says: what was found.
        do: the remedy; empty where nothing is wrong.
    """

    name: str
    status: Status
    says: str
    do: str = ""


def doctor(*, speech: Speech) -> int:
    """Check that this machine has all that nacre needs.

    What it says holds no names of users, machines or folders: it can be shown to others. Its exit
    code is 0, also with warnings, and 1 where something is broken.
    """
    terminal = speech.terminal
    checks = list(all_checks())
    broken = sum(check.status == "broken" for check in checks)
    warned = sum(check.status == "warning" for check in checks)
    answer = {
        "verb": "doctor",
        "nacre": __version__,
        "n_broken": broken,
        "n_warnings": warned,
        "checks": [asdict(check) for check in checks],
    }
    terminal.data(_lines(checks, broken, warned), answer)
    return 1 if broken else 0


app = typer.Typer(add_completion=False)
app.command("doctor")(spread(doctor))


def all_checks() -> Iterator[Check]:
    """Everything that is looked at; what fails unforeseen is broken."""
    for name, look in LOOKS.items():
        try:
            yield from look()
        except Exception as error:
            says = hidden(f"{type(error).__name__}: {error}".partition("\n")[0])
            yield Check(name, "broken", says, "Report this, with all that stands here.")


def packages() -> Iterator[Check]:
    """Whether the core can be imported, and in which versions."""
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Check("nacre", "ok", f"{__version__}, {system}")
    from importlib.metadata import PackageNotFoundError, version

    found, lost = [], []
    for package, module in CORE.items():
        try:
            importlib.import_module(module)
            found.append(f"{package} {version(package)}")
        except (ImportError, PackageNotFoundError) as error:
            lost.append(f"{package}: {error}")
    yield Check("packages", "ok", ", ".join(found))
    for line in lost:
        yield Check("packages", "broken", hidden(line), "Install nacre again: pip install nacre")


def processor() -> Iterator[Check]:
    """Cores, and the kernels that decide bits."""
    from nacre.kernel.kernel_class import kernel_class
    from nacre.settings import cores

    yield Check("cores", "ok", f"{cores()} of {os.cpu_count()}{_quota()}")
    yield Check("kernels", "ok", hidden(kernel_class()))


def memory() -> Iterator[Check]:
    """Memory, and how much of it processes can share."""
    total, free = _memory()
    limit = _first_number("/sys/fs/cgroup/memory.max")
    says = f"{size(free)} free of {size(total)}"
    if limit is not None and limit < total:
        says, free = f"{says}, at most {size(limit)} for this process", min(free, limit)
    little = free < LITTLE_MEMORY
    do = "Say how much fits may take: --memory 500MB." if little else ""
    yield Check("memory", "warning" if little else "ok", says, do)
    with contextlib.suppress(OSError):
        there = shutil.disk_usage("/dev/shm")
        small = there.free < LITTLE_SHARED
        do = "processes:N will use temporary files instead." if small else ""
        says = f"{size(there.free)} free of {size(there.total)}"
        yield Check("/dev/shm", "warning" if small else "ok", says, do)


def files() -> Iterator[Check]:
    """How many files may be open at once."""
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = 0 <= soft < FEW_FILES
    do = "Raise it: ulimit -n 4096." if few else ""
    yield Check("open files", "warning" if few else "ok", f"at most {soft}", do)


def disks() -> Iterator[Check]:
    """Room where models are written, and whether what a disk calls written is."""
    for name, folder in (("this folder", Path.cwd()), ("temporary", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        says = f"{size(free)} free, {filesystem(folder)}"
        if not os.access(folder, os.W_OK):
            yield Check(name, "warning", "may not be written", "Write models somewhere else.")
        elif free < LITTLE_DISK:
            yield Check(name, "warning", says, "Make room before a large job.")
        else:
            yield Check(name, "ok", says)
    folder = Path.cwd() if os.access(Path.cwd(), os.W_OK) else Path(tempfile.gettempdir())
    yield synced(folder)


def synced(folder: Path) -> Check:
    """Whether what was synced is there after its writer was killed, and how long a sync takes."""
    with tempfile.TemporaryDirectory(prefix=".nacre-doctor-", dir=folder) as scratch:
        path = Path(scratch) / "written"
        with subprocess.Popen(
            [sys.executable, "-S", "-c", WRITER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None, "it is a pipe"
            child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        if not path.exists() or path.read_bytes() != b"nacre" * 200000:
            return Check(
                "fsync",
                "broken",
                "what was synced is lost when its writer is killed",
                "Write models to another disk.",
            )
        took = _sync_seconds(Path(scratch) / "timed")
    return _judged(took, filesystem(folder))


def _judged(took: float, kind: str) -> Check:
    says = f"{seconds(took) if took >= 0.01 else f'{took * 1e3:.2f} ms'} each, on {kind}"
    if kind in ("tmpfs", "ramfs"):
        do = "This folder lies in memory: models in it end with the machine."
        return Check("fsync", "warning", says, do)
    if took < TOO_FAST:
        do = "That is faster than a disk can be: a power cut may lose the last model."
        return Check("fsync", "warning", says, do)
    return Check("fsync", "ok", says)


def _sync_seconds(path: Path) -> float:
    """The median time of a small write that is synced."""
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(N_SYNCS):
            began = time.perf_counter()
            file.write(b"n" * 4096)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return sorted(took)[N_SYNCS // 2]


def learning() -> Iterator[Check]:
    """Whether compiled kernels can be kept, and a small fit."""
    import numpy as np

    from nacre.kernel import assign
    from nacre.learn.cluster.kmeans import KMeans

    began = time.perf_counter()
    rows = np.arange(4096, dtype=np.float64).reshape(-1, 4) % 97
    KMeans(3).fit(rows)
    first = time.perf_counter() - began
    began = time.perf_counter()
    KMeans(3).fit(rows)
    again = time.perf_counter() - began
    yield Check("a small fit", "ok", f"{seconds(first)} the first time, then {seconds(again)}")
    places = {kept_in(value) for value in vars(assign).values()} - {None}
    place = next(iter(places), None)
    if place and os.access(place, os.W_OK) and "nacre-kernels-" not in place:
        yield Check("kernel cache", "ok", "compiled kernels are kept")
    else:
        yield Check(
            "kernel cache",
            "warning",
            "compiled kernels cannot be kept: each process compiles them anew",
            "Name a folder that can be written: NUMBA_CACHE_DIR=...",
        )


def kept_in(kernel: Any) -> str | None:
    """The folder in which numba keeps a kernel that is compiled; None for what is no kernel."""
    cache = getattr(kernel, "_cache", None)
    return str(cache.cache_path) if cache is not None and hasattr(cache, "cache_path") else None


def extras() -> Iterator[Check]:
    """Optional parts, and how to install them."""
    from importlib.metadata import PackageNotFoundError, requires

    for extra, what in EXTRAS.items():
        try:
            wanted = [line for line in requires("nacre") or [] if f"extra == '{extra}'" in line]
        except PackageNotFoundError:
            wanted = []
        names = [line.split(";")[0].strip().split(">")[0] for line in wanted]
        lost = [name for name in names if not _is_installed(name)]
        do = f'For {what}: pip install "nacre[{extra}]"' if lost else ""
        yield Check(f"extra {extra}", "ok", f"without {', '.join(lost)}" if lost else "there", do)


def _is_installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


LOOKS: dict[str, Callable[[], Iterator[Check]]] = {
    "packages": packages,
    "processor": processor,
    "memory": memory,
    "open files": files,
    "disks": disks,
    "learning": learning,
    "extras": extras,
}


def filesystem(folder: Path) -> str:
    """The kind of filesystem that a folder lies on, where that can be known."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "an unknown filesystem"
    real = folder.resolve()
    above = [(place, kind) for _, place, kind, *_ in mounts if real.is_relative_to(place)]
    return max(above, key=lambda found: len(found[0]))[1] if above else "an unknown filesystem"


def hidden(text: str) -> str:
    """A text without the folders of this user."""
    for folder, name in ((sys.prefix, "<python>"), (str(Path.home()), "~"), (str(Path.cwd()), ".")):
        if len(folder) > 1:
            text = text.replace(folder, name)
    return text


def _memory() -> tuple[float, float]:
    """(in all, free) in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable"))
        return total, 1024.0 * int(free.split()[1])
    return total, float(page * os.sysconf("SC_AVPHYS_PAGES"))


def _quota() -> str:
    """What a container may use of the cores, where it is limited."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return ""
    return "" if quota == "max" else f", time of {int(quota) / int(period):.1f}"


def _first_number(path: str) -> float | None:
    try:
        return float(Path(path).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _lines(checks: list[Check], broken: int, warned: int) -> Iterator[str]:
    styles = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "broken": "[red]broken[/]"}
    rows = [(styles[check.status], check.name, shown(check.says)) for check in checks]
    for line, check in zip(aligned(rows, indent=0), checks, strict=True):
        yield line
        if check.do:
            yield f"         {shown(check.do)}"
    yield ""
    if broken:
        yield f"{counted(broken, 'thing')} broken, {counted(warned, 'warning')}."
    else:
        yield f"Nothing is broken, {counted(warned, 'warning')}."
