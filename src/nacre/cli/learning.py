"""What `nacre fit` does: learn under a bar, save, say what was learned."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.cli.failing import INTERRUPTED, PARTIAL
from nacre.cli.fit import Limiting, Reading, Result
from nacre.cli.interrupt import once_more, twice_at_once
from nacre.cli.models import learned, model_of
from nacre.cli.options import Running
from nacre.cli.progress import Passes, bar
from nacre.cli.terminal import Terminal, shown
from nacre.cli.words import end_of, knowledge, learner_name, parameters, sentences
from nacre.errors import BadParameter, Occupied, Stopped, Unavailable
from nacre.estimator import bare
from nacre.fitting import Limits, Report, Watch, watching
from nacre.live.opening import begin
from nacre.live.taking import Began, Source, began
from nacre.store.describe import describe
from nacre.store.local import is_model, load

KEEPING = "Ctrl-C: the model of the last whole pass is kept; once more stops at once."


@dataclass(frozen=True)
class Fitting:
    """One run of `nacre fit`."""

    learner: Any
    data: Sequence[str]
    reading: Reading
    result: Result
    limiting: Limiting
    running: Running
    terminal: Terminal

    def run(self) -> int:
        """Fit, save, report; the exit code."""
        output = self.result.output
        there = occupant(output)
        first, report = self._fitted()
        with once_more(self.terminal), begin(output, self.learner, first) as live:
            learner = live.model
        knows = knowledge(learner)
        told = {"verb": "fit", **model_of(output), **knows}
        told |= {"replaced": there, "next": self._next()}
        self.terminal.report(self._lines(told, knows), told)
        self.terminal.say(f"Next: [cyan]{shown(told['next'])}[/]", wish=not self.terminal.json)
        return INTERRUPTED if report.ended == "Ctrl-C" else PARTIAL if told["n_skipped"] else 0

    def _fitted(self) -> tuple[Began, Report]:
        """Fit under a bar; Ctrl-C once ends it early, twice at once."""
        watches: list[Passes] = []
        limiting, running = self.limiting, self.running

        def watch(learner: Any, limits: Limits) -> Watch:
            watches.append(Passes(learner, limits, self.terminal, moving))
            return watches[-1]

        start = None if self.result.start is None else started(self.learner, self.result.start)
        data = self.reading.of(self.data)
        source = Source(data, engine=running.engine, memory=running.memory)
        limits = Limits(limiting.max_seconds, limiting.max_passes)
        with (
            warnings.catch_warnings(),
            bar(self.terminal) as moving,
            watching(watch),
            twice_at_once(self.terminal, KEEPING, "Stopped at once; nothing was written."),
        ):
            warnings.filterwarnings("ignore", ".*stopped by.*", RuntimeWarning)  # it is said below
            try:
                first = began(bare(self.learner), source, limits=limits, start=start)
            except Stopped:
                raise _too_soon(watches[-1]) from None
        return first, watches[-1].report

    def _lines(self, told: Mapping[str, Any], knows: dict[str, Any]) -> Iterator[str]:
        yield from learned(told, learner_name(self.learner))
        yield ""
        yield from sentences(knows)
        yield ""
        instead = f", in the place of {told['replaced'][:8]}" if told["replaced"] else ""
        yield f"Model {told['digest'][:8]} is in {shown(self.result.output)}{instead}."

    def _next(self) -> str:
        """The command that comes next."""
        model = quoted(self.result.output)
        answers = self.learner.answers
        if not answers or "sparse" in self.learner.gives:  # which files do not hold
            return f"nacre show {model}"
        want = "" if "predict" in answers else f" --want {answers[0]}"
        data = " ".join(quoted(item) for item in self.data)
        again = self.reading.again
        return (
            f"nacre predict {model} {data}{again}{want} -o {'labels/' if not want else 'columns/'}"
        )


def _too_soon(watch: Passes) -> Stopped:
    why = end_of(watch.report.ended)
    return Stopped(
        got=f"the fit {why} in pass {watch.at} ({watch.looks_for}), so nothing was written",
        wanted="a whole pass that gives a model",
        do="Let it run longer.",
    )


def quoted(word: str) -> str:
    """A word as a shell takes it, in double quotes where these are enough.

    >>> print(quoted("a.parquet"), quoted("flights/*.parquet"), quoted("$x"))
    a.parquet "flights/*.parquet" '$x'
    """
    plain = shlex.quote(word)
    return f'"{word}"' if plain != word and not set(word) & set('"$`\\!') else plain


def occupant(output: str) -> str | None:
    """The digest of the model that a directory holds, None where it is free; before a long fit.

    Raises:
        Occupied: it holds something else.
        Unavailable: it cannot be written.
        CorruptState, NewerFormat: a model that cannot be read.
    """
    path = Path(output)
    if path.is_dir():
        if is_model(path):
            return str(describe(path)["digest"])
        others = sorted(name for name in os.listdir(path) if name[:1] != "." and name != "blobs")
        if others:
            raise _occupied(f"{others[0]} in {output}, which is no model")
    elif path.exists():
        raise _occupied(f"the file {output}")
    above = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not os.access(above, os.W_OK):
        raise Unavailable(
            got=f"no permission to write to {above}",
            wanted="a directory that may be written",
            do="Choose another --output.",
        )
    return None


def _occupied(got: str) -> Occupied:
    return Occupied(
        got=got, wanted="a new directory, or that of a model", do="Choose another --output."
    )


def started(learner: Any, path: str) -> Any:
    """The state of a saved model of the same kind, to go on from.

    Raises:
        BadParameter: a model of another kind, or with other hyper-parameters.
        NotFound, CorruptState, NewerFormat: as `nacre.load`.
    """
    other = load(path)
    mine, theirs = parameters(learner), parameters(other)
    differ = sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
    differ = [name for name in differ if name.rpartition("__")[2] not in ("max_iter", "tol")]
    if learner_name(learner) != learner_name(other) or differ:
        what = f"{learner_name(other)}" + (f" with another {differ[0]}" if differ else "")
        raise BadParameter(
            got=f"a model that is {what} in {path}",
            wanted=f"{learner_name(learner)} with the same parameters",
            do="Fit with the options of that model, or without --start.",
        )
    return other.state_
