"""What `nacre score` does: listen to what rows say to a model, pass by pass, and say it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.base import is_clusterer

from nacre import __version__
from nacre.cli.failing import PARTIAL
from nacre.cli.fit import Reading
from nacre.cli.interrupt import twice_at_once
from nacre.cli.learning import quoted
from nacre.cli.nearest import nearest
from nacre.cli.options import Running
from nacre.cli.progress import Passes, bar
from nacre.cli.score import Judging
from nacre.cli.score_page import check, drawn, put
from nacre.cli.terminal import Terminal, aligned, counted, number, shown
from nacre.cli.words import learner_name
from nacre.errors import BadInput, BadParameter, Stopped
from nacre.estimator import bare, is_count, require
from nacre.evaluate.agreement import scored
from nacre.evaluate.asked import Asked
from nacre.evaluate.clusters import known_labels, scores_by
from nacre.evaluate.contingency import counted_by
from nacre.evaluate.heard import heard
from nacre.fitting import Limits, Watch, watching
from nacre.source.stitched import StitchedReader
from nacre.store.local import load

MOST_LINES = 24  # clusters on a screen; --json has them all
TOLD = {  # of the scores beside known labels, on a screen
    "adjusted_rand": "adjusted Rand index",
    "normalized_mutual_info": "normalized mutual information",
    "v_measure": "V-measure",
    "purity": "purity",
}
ON_CTRL_C = ("Ctrl-C: what is under way is dropped; once more stops at once.", "Stopped at once.")


class Dropped(Passes):
    """Watches passes that Ctrl-C drops, also when it was pressed between two of them."""

    def __init__(
        self, learner: Any, limits: Limits, terminal: Terminal, bar: Any, pressed: threading.Event
    ) -> None:
        super().__init__(learner, limits, terminal, bar)
        self.pressed = pressed

    def handing_out(self) -> None:
        """Between blocks."""
        self.interrupted = self.interrupted or self.pressed.is_set()
        super().handing_out()


@dataclass(frozen=True, eq=False)
class Found:
    """What was found out; None for what the model has not.

    Attributes:
        heard: the loss of these rows.
        scores: of clusters, as `nacre.evaluate.clusters` gives them.
        agreement: with the labels of --y, as `nacre.evaluate.agreement` gives it.
    """

    heard: Any = None
    scores: Any = None
    agreement: Any = None

    @property
    def rows(self) -> tuple[int, int]:
        """How many were scored, and how many bad ones left out."""
        told = self.heard or self.scores or self.agreement
        return told.n_rows, told.n_skipped


@dataclass(frozen=True)
class Scoring:
    """One run of `nacre score`."""

    model: str
    data: Sequence[str]
    judging: Judging
    reading: Reading
    running: Running
    terminal: Terminal

    def run(self) -> int:
        """Score, draw, report; the exit code."""
        with self.terminal.waiting("starting"):
            learner = load(self.model)
        found = Found(**self._watched(self._asked(learner)))
        n_rows, n_skipped = found.rows
        answer = {
            "verb": "score",
            "nacre": __version__,
            "model": self.model,
            "digest": learner.state_.digest,
            "n_rows": n_rows,
            "n_skipped": n_skipped,
            "loss": None if found.heard is None else found.heard.loss,
            "loss_of_fit": learner.loss(learner.state_.told),
            "scores": None if found.scores is None else _figures(found.scores),
            "clusters": None if found.scores is None else _clusters(found.scores),
            "y": self.judging.y,
            "agreement": None if found.agreement is None else found.agreement.scores,
            "page": self.judging.page,
        }
        if self.judging.page is not None:
            put(self.judging.page, drawn(learner, found, answer, self._command))
        self.terminal.report(self._lines(answer, learner), answer)
        return PARTIAL if n_skipped else 0

    def _asked(self, learner: Any) -> dict[str, Callable[[], Any]]:
        """Name -> work, of all that this model can be scored by; nothing is read yet.

        Raises:
            BadParameter: there is nothing to score, to compare or to draw; no such column.
            MissingExtra: what draws is not installed.
        """
        sample = self.judging.sample
        require(is_count(sample), "sample", sample, "an int, at least 1")
        asked = Asked(bare(learner), learner.state_.model)
        clustered = is_clusterer(learner) and "predict" in learner.answers
        measured = learner.loss(learner.state_.told) is not None
        self._check(learner, measured, clustered)
        plan = self._plan(learner)
        how = {"engine": self.running.engine, "memory": self.running.memory}
        work: dict[str, Callable[[], Any]] = {}
        if measured:
            work["heard"] = lambda: heard(asked, plan, **how)
        if clustered:
            known = known_labels(learner)
            work["scores"] = lambda: scores_by(asked, plan, known, sample, **how)
        if self.judging.y is not None:
            work["agreement"] = lambda: scored(counted_by(asked, plan, **how))
        return work

    def _check(self, learner: Any, measured: bool, clustered: bool) -> None:
        name, y = type(learner).__name__, self.judging.y
        if y is not None and "predict" not in learner.answers:
            raise BadParameter(
                got=f"--y {y} for {name}, which predicts no labels",
                wanted="a model that predicts",
                do="Leave --y out.",
            )
        if not measured and not clustered and y is None:
            raise BadParameter(
                got=f"{name}, which has no loss and finds no clusters",
                wanted="a model that can be scored",
                do=f"See what it knows: nacre show {self.model}",
            )
        if self.judging.page is None:
            return
        if not clustered and y is None:
            raise BadParameter(
                got=f"--page for {name}, which finds no clusters",
                wanted="something to draw",
                do="Leave --page out.",
            )
        check(self.judging.page)

    def _plan(self, learner: Any) -> Any:
        """The rows with the labels of --y: one plan for all passes."""
        data, y = self.reading.of(self.data), self.judging.y
        try:
            return learner._plan(data, y, None, reset=False)
        except BadInput:
            if y is not None:
                self._check_column(y, learner._plan(data, None, None, reset=False))
            raise

    def _check_column(self, y: str, plan: Any) -> None:
        """Raise BadParameter where it is --y that is not there; the nearest column is named."""
        for reader in plan.ids.values():
            if not isinstance(reader, StitchedReader):
                continue
            names = [*(column.name for column in reader.groups.columns), *reader.constants]
            if y not in names:
                near = nearest(y, names)
                raise BadParameter(
                    got=f"no column {y!r} for --y",
                    wanted="a column of the data",
                    do=f"Did you mean --y {near}?" if near else f"See: nacre show {self.data[0]}",
                    where=reader.where,
                )

    @property
    def _command(self) -> str:
        """What gives the same figures again, less --page."""
        said = {"--y": self.judging.y, "--columns": ",".join(self.reading.columns or ())}
        said |= {"--weight": self.reading.weight, "--root": self.reading.root}
        said["--bad"] = None if self.reading.bad == "error" else self.reading.bad
        said["--sample"] = None if self.judging.sample == 1000 else str(self.judging.sample)
        options = [word for name, value in said.items() if value for word in (name, value)]
        words = ["nacre", "score", self.model, *self.data, *options]
        return " ".join(map(quoted, words)) + self.reading.again

    def _watched(self, work: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
        """What each work gives, under a bar; Ctrl-C drops all."""
        with bar(self.terminal) as moving, twice_at_once(self.terminal, *ON_CTRL_C) as pressed:

            def watch(learner: Any, limits: Limits) -> Watch:
                return Dropped(learner, limits, self.terminal, moving, pressed)

            found, dropped = {}, False  # `pressed` is for the thread that hears it to set
            with watching(watch):
                for name, one in work.items():
                    try:
                        found[name] = one()
                    except (KeyboardInterrupt, Stopped):
                        dropped = True
                    except Exception:
                        if not pressed.is_set():
                            raise  # a library that is interrupted may raise an error of its own
                    if dropped or pressed.is_set():
                        break
        if (dropped or pressed.is_set()) and len(found) < len(work):
            raise Stopped(got="Ctrl-C", wanted="all scores", do="Run the same command again.")
        return found

    def _lines(self, answer: Mapping[str, Any], learner: Any) -> Iterator[str]:
        yield f"[bold]{learner_name(learner)}[/] on [bold]{answer['n_rows']:,} rows[/]"
        if answer["n_skipped"]:
            n = counted(answer["n_skipped"], "row")
            yield f"  [yellow]{n} left out[/], because of bad values"
        yield from aligned(list(_of_all(answer)))
        if answer["agreement"] is not None:
            yield ""
            yield f"Beside the labels of [bold]{shown(answer['y'])}[/]"
            yield from aligned(list(_of_agreement(answer)))
        if answer["clusters"]:
            yield ""
            yield from _of_clusters(answer["clusters"])
        if answer["page"]:
            yield ""
            yield f"Drawn in {shown(answer['page'])}, for any browser."


FIGURES = (
    *("silhouette", "silhouette_error", "silhouette_squared", "calinski_harabasz"),
    *("davies_bouldin", "inertia", "metric", "n_clusters", "n_left_out", "n_sampled"),
)


def _figures(scores: Any) -> dict[str, Any]:
    return {name: getattr(scores, name) for name in FIGURES}


def _clusters(scores: Any) -> list[dict[str, Any]]:
    """A cluster for each row of the table."""
    columns = [column.tolist() for column in scores.table.values()]
    return [dict(zip(scores.table, row, strict=True)) for row in zip(*columns, strict=True)]


def _of_all(answer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if answer["loss"] is not None:
        yield "loss", number(answer["loss"]), f"per row; in its fit {number(answer['loss_of_fit'])}"
    scores = answer["scores"]
    if scores is None:
        return
    error = scores["silhouette_error"]
    n = f"of {scores['n_sampled']:,} rows, each against all"
    of = f"±{number(error)}, {n}; 1 is the best" if error > 0 else "1 is the best"
    yield "silhouette", number(scores["silhouette"]), of
    yield "silhouette, squared", number(scores["silhouette_squared"]), "by squared distances"
    yield "Calinski-Harabasz", number(scores["calinski_harabasz"]), "higher is better"
    yield "Davies-Bouldin", number(scores["davies_bouldin"]), "lower is better"
    if scores["n_left_out"]:
        yield "in no cluster", f"{scores['n_left_out']:,}", "rows"


def _of_agreement(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, title in TOLD.items():
        yield title, number(answer["agreement"][name])


def _of_clusters(clusters: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line a cluster."""
    names = ("cluster", "rows", "share", "silhouette", "squared", "nearest")
    total = math.fsum(cluster["weight"] for cluster in clusters)
    rows = [tuple(f"[bold]{name}[/]" for name in names)]
    for one in clusters[:MOST_LINES]:
        figures = (number(one[name]) for name in ("silhouette", "silhouette_squared"))
        share = f"{one['weight'] / total:.1%}"
        nearby = shown(one["nearest"])
        rows.append((shown(one["label"]), number(one["weight"]), share, *figures, nearby))
    yield from aligned(rows, right=range(1, len(names)))
    if len(clusters) > MOST_LINES:
        yield f"  and {len(clusters) - MOST_LINES:,} more; --json has all"
