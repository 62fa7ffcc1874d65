"""`nacre predict`: ask a model about every row, and write the answers as Parquet, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer
from typer import Argument, Option

from nacre import __version__
from nacre.cli.failing import PARTIAL
from nacre.cli.fit import DATA, Reading, listed
from nacre.cli.nearest import no_assignments
from nacre.cli.options import Group, Running, Speech, spread
from nacre.cli.terminal import Terminal, counted, shown


@dataclass(frozen=True)
class Asking(Group):
    """What is asked, and where the answers go."""

    panel: ClassVar[str] = "Answers"

    output: Annotated[
        str, Option("--output", "-o", metavar="DIR", help="Directory of the answers.")
    ]
    want: Annotated[
        str | None,
        Option(
            "--want",
            metavar="WHAT",
            help="predict, transform or select; the first of them that the model has, if not said.",
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        Option("--keep", metavar="A,B,...", help="Columns of the data to write beside them."),
    ] = None


def predict(
    model: Annotated[str, Argument(metavar="MODEL", help="What nacre fit wrote.")],
    data: Annotated[list[str], Argument(metavar="DATA", help=DATA, callback=no_assignments)],
    *,
    asking: Asking,
    reading: Reading,
    running: Running,
    speech: Speech,
) -> int:
    """Ask a model about every row, and write the answers.

    There is a row of answers for each row, in the same order. Run again after an interruption, it
    writes what is missing.

    Example: nacre predict model/ "flights/*.parquet" --keep id,date -o labels/
    """
    running.check()
    return Predicting(model, data, asking, reading, running, speech.terminal).run()


app = typer.Typer(add_completion=False)
app.command("predict")(spread(predict, without={"weight", "dtype", "id", "time"}))


ON_CTRL_C = (
    "Ctrl-C: what is under way is waited for; once more stops at once.",
    "Stopped at once; the files that are written are whole.",
)


@dataclass(frozen=True)
class Predicting:
    """One run of `nacre predict`."""

    model: str
    data: Sequence[str]
    asking: Asking
    reading: Reading
    running: Running
    terminal: Terminal

    def run(self) -> int:
        """Answer, report; the exit code."""
        with self.terminal.waiting("starting"):
            from nacre.store.local import load

            learner = load(self.model)
        want = self.asking.want or first_answer(learner, self.model)
        written = self._written(learner, want)
        answer = {
            "verb": "predict",
            "nacre": __version__,
            "model": self.model,
            "digest": learner.state_.digest,
            "output": self.asking.output,
            "want": want,
            "columns": list(written.columns),
            "n_rows": written.n_rows,
            "n_skipped": written.n_skipped,
            "n_parts": written.n_parts,
            "n_written": written.n_written,
        }
        self.terminal.report(self._lines(answer), answer)
        return PARTIAL if written.n_skipped else 0

    def _written(self, learner: Any, want: str) -> Any:
        from nacre.cli.interrupt import twice_at_once
        from nacre.cli.progress import bar, writing
        from nacre.errors import Stopped
        from nacre.writing import predict_to

        there = (0, 0)
        with bar(self.terminal) as moving, twice_at_once(self.terminal, *ON_CTRL_C) as pressed:
            told = writing(moving)

            def arrived(n_rows: int, n_rows_in_all: int) -> None:
                nonlocal there
                there = n_rows, n_rows_in_all
                told(n_rows, n_rows_in_all)

            try:
                return predict_to(
                    learner,
                    self.reading.of(self.data),
                    self.asking.output,
                    want=want,
                    keep=listed(self.asking.keep) or (),
                    engine=self.running.engine,
                    memory=self.running.memory,
                    arrived=arrived,
                )
            except (KeyboardInterrupt, Exception) as error:
                if not isinstance(error, KeyboardInterrupt) and not pressed.is_set():
                    raise  # a library that is interrupted may raise an error of its own
                raise Stopped(
                    got=f"Ctrl-C when answers to {there[0]:,} of {there[1]:,} rows were written",
                    wanted="all of them",
                    do="Run the same command again: it writes what is missing.",
                ) from None

    def _lines(self, answer: Mapping[str, Any]) -> Iterator[str]:
        n_parts, n_written = answer["n_parts"], answer["n_written"]
        rows = f"{answer['n_rows']:,} rows"
        yield f"Answers to [bold]{rows}[/] are in {shown(answer['output'])}: {_files(answer)}"
        yield f"  columns  {shown(', '.join(_few(answer['columns'])))}"
        if answer["n_skipped"]:
            n = counted(answer["n_skipped"], "row")
            yield f"  [yellow]{n} without an answer[/], because of bad values"
        if n_written < n_parts:
            were = "all" if n_written == 0 else f"{n_parts - n_written:,}"
            yield f"  {were} of the files were there already"


def first_answer(learner: Any, model: str) -> str:
    """What is asked of a model when nobody says.

    Raises:
        BadParameter: it answers nothing.
    """
    from nacre.errors import BadParameter

    if not learner.answers:
        raise BadParameter(
            got=f"a {type(learner).__name__}, which answers nothing about rows",
            wanted="a model that predicts or transforms",
            do=f"See what it knows: nacre show {model}",
        )
    return str(learner.answers[0])


def _files(answer: Mapping[str, Any]) -> str:
    return counted(answer["n_parts"], "Parquet file")


def _few(names: Sequence[str], most: int = 12) -> list[str]:
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return [*names[:most], *more]
