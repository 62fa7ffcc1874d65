"""`nacre demo`: see it work on a year of real flights, by the way that `fit` and `predict` go.

The clusters of 336,776 flights: found, told in plain words, written, saved and drawn.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from typer import Option

from nacre.cli.options import Group, Running, Speech, spread
from nacre.cli.terminal import Terminal, aligned, seconds, shown, size

N_CLUSTERS, N_COMPONENTS = 7, 5  # fewer tell less, more split what people see as one
COMMANDS = (
    f'nacre fit kmeans "your/*.parquet" --columns a,b,c --impute --scale --n-clusters {N_CLUSTERS} '
    "-o your-model/",
    'nacre predict your-model/ "your/*.parquet" -o your-labels/',
    "nacre show your-model/",
)


@dataclass(frozen=True)
class Where(Group):
    """Where the demo writes."""

    panel: ClassVar[str] = "Output"

    out: Annotated[
        str, Option("--out", "-o", metavar="DIR", help="Directory of all that the demo writes.")
    ] = "nacre-demo"


def demo(*, where: Where, running: Running, speech: Speech) -> int:
    """See it work: cluster the 336,776 flights of 2013 from New York.

    Writes the flights as twelve Parquet files, fits k-means behind imputing, scaling and principal
    components, says what the clusters are, writes every flight's cluster, saves the model, and
    draws a report that opens in any browser, offline. It needs: pip install 'nacre[demo]'
    """
    return Demo(Path(where.out), running, speech.terminal).run()


app = typer.Typer(add_completion=False)
app.command("demo")(spread(demo))


@dataclass(frozen=True)
class Backstage(Terminal):
    """A terminal on which bars move as ever, while what a verb reports is kept for the demo."""

    told: dict[str, Any] = field(default_factory=dict)

    def report(self, lines: Any, answer: Mapping[str, Any]) -> None:
        """Keep the object, leave the lines."""
        self.told.update(answer)

    def say(self, line: str, *, wish: bool = True) -> None:
        """Under -v what the verbs say; else the demo speaks, at its end."""
        super().say(line, wish=wish and self.verbose)


@dataclass(frozen=True)
class Demo:
    """One run of `nacre demo`."""

    out: Path
    running: Running
    terminal: Terminal

    def run(self) -> int:
        """All of it; the exit code."""
        from nacre.cli import flights
        from nacre.cli.demo_page import drawn, seen
        from nacre.store.local import load

        began = time.monotonic()
        flights.required()
        with self._doing("writing the flights of 2013"):
            paths, reused = flights.written(self.out / "flights")
        fit, code = self._fit(paths)
        if code:  # Ctrl-C: the model of the last whole pass is saved
            self.terminal.say("Stopped before the end of the fit. To begin again: nacre demo")
            return code
        answers = self._predict(paths)
        with self._doing("looking at the clusters"):
            found = seen(load(self.out / "model"), paths, self.out / "labels")
        with self._doing("drawing the report"):
            n_bytes = sum(path.stat().st_size for path in paths)
            _put(self.out / "report.html", drawn(found, fit, COMMANDS, n_bytes))
        places = {name: str(self.out / name) for name in ("flights", "model", "labels")}
        told = {
            "verb": "demo",
            **places,
            "report": str(self.out / "report.html"),
            **{name: fit[name] for name in ("nacre", "digest", "n_rows", "n_batches", "loss")},
            "n_passes": len(fit["passes"]),
            "n_labels": answers["n_rows"],
            "n_bytes": n_bytes,
            "reused": reused,
            "seconds_of_fit": fit["seconds"],
            "seconds": time.monotonic() - began,
            "clusters": found.plain,
            "commands": COMMANDS,
        }
        self.terminal.report(_lines(told), told)
        return 0

    def _fit(self, paths: Sequence[Path]) -> tuple[dict[str, Any], int]:
        """What `nacre fit kmeans --impute --scale --pca 5 --n-clusters 7` does."""
        from nacre.cli.fit import Before, Limiting, Reading, Result, chained
        from nacre.cli.flights import FEATURES
        from nacre.cli.learners import loaded
        from nacre.cli.learning import Fitting

        stages = Before(impute=True, scale=True, pca=N_COMPONENTS).stages()
        learner = chained(stages, loaded("kmeans")(n_clusters=N_CLUSTERS))
        reading = Reading(columns=[feature.column for feature in FEATURES])
        result, stage = Result(output=str(self.out / "model")), self._backstage()
        data, running = list(map(str, paths)), self.running
        code = Fitting(learner, data, reading, result, Limiting(), running, stage).run()
        return stage.told, code

    def _predict(self, paths: Sequence[Path]) -> dict[str, Any]:
        """What `nacre predict --keep date,airline,...` does; labels of other flights or of another
        model, which an earlier demo left, make room.
        """
        from nacre.cli.fit import Reading
        from nacre.cli.flights import KEEP
        from nacre.cli.predict import Asking, Predicting
        from nacre.errors import Occupied

        labels, stage = self.out / "labels", self._backstage()
        asking = Asking(output=str(labels), keep=list(KEEP))
        model, data = str(self.out / "model"), list(map(str, paths))
        predicting = Predicting(model, data, asking, Reading(), self.running, stage)
        try:
            predicting.run()
        except Occupied:
            _clear(labels)
            predicting.run()
        return stage.told

    def _backstage(self) -> Backstage:
        speech = self.terminal
        return Backstage(speech.json, speech.quiet, speech.verbose, speech.debug)

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Say on a terminal what is being done."""
        if not self.terminal.is_animated:
            yield
            return
        with self.terminal.err.status(what):
            yield


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    kinds = f"[bold]{len(told['clusters'])} kinds[/] that nobody had named"
    yield f"[bold]{told['n_rows']:,} flights[/] of 2013 from New York fall into {kinds}"
    took = f"{told['n_passes']} passes in {seconds(told['seconds_of_fit'])}"
    yield f"  [dim]impute, scale, {N_COMPONENTS} principal components, k-means: {took}[/]"
    for cluster in told["clusters"]:
        yield ""
        yield from _cluster(cluster)
    yield ""
    yield "[bold]What is where[/]"
    yield from aligned(list(_places(told)))
    yield ""
    yield "[bold]The same with your own files[/]"
    yield from (f"  [cyan]{shown(command)}[/]" for command in told["commands"])
    here = Path(sys.executable).with_name("nacre")
    if shutil.which("nacre") is None and here.exists():  # as after `make run`
        yield f"[dim]`nacre` is {shown(str(here))}, or anywhere after this:[/]"
        yield f"  [cyan]. {shown(str(here.parent))}/activate[/]"


def _places(told: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    folders = {name: f"{shown(told[name])}/" for name in ("flights", "model", "labels")}
    files = f"{told['n_batches']} Parquet files, {size(told['n_bytes'])}"
    yield "report", _link(Path(told["report"])), "for any browser; it needs no network"
    yield "labels", folders["labels"], f"the cluster of each of {told['n_labels']:,} flights"
    yield "model", folders["model"], f"digest {told['digest']}, the same on every run"
    yield "flights", folders["flights"], files


def _cluster(cluster: Mapping[str, Any]) -> Iterator[str]:
    of = f"{cluster['share']:.1%}, {cluster['n_rows']:,} flights, cluster {cluster['cluster']}"
    yield f"[bold]{shown(cluster['name'])}[/]  [dim]{of}[/]"
    for one in cluster["apart"]:
        yield f"  {shown(one['says'])} [dim]({shown(one['of_all'])})[/]"
    if cluster["lacks"]:
        yield f"  [dim]no {shown(', '.join(cluster['lacks']))}[/]"
    yield f"  [dim]such as {shown('; '.join(cluster['examples']))}[/]"


def _clear(labels: Path) -> None:
    """Remove answers from a directory; whatever else is in it stays."""
    from nacre.store.parts import MANIFEST, about, read_manifest

    if read_manifest(labels) is not None:
        (labels / MANIFEST).unlink()
    for path in labels.glob("part-*.parquet"):
        if about(path) is not None:
            path.unlink()


def _put(path: Path, text: str) -> Path:
    from nacre.store.files import Folder

    with Folder.made(str(path.parent.absolute())) as folder:
        folder.write(path.name, text.encode())
        folder.sync()
    return path


def _link(path: Path) -> str:
    """A path that a terminal may open by a click."""
    return f"[link={path.absolute().as_uri()}]{shown(path)}[/link]"
