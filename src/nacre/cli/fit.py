"""`nacre fit`: learn a model from files, say what was learned, save it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from nacre.cli.learners import LEARNERS, OWN_COLUMNS, hyperparameters, loaded, summary
from nacre.cli.nearest import no_assignments, unknown_command
from nacre.cli.options import Group, Running, Speech, spread

DATA = "Parquet, Arrow, CSV, NumPy, images: files, a directory, a glob in quotes."


@dataclass(frozen=True)
class Before(Group):
    """Stages that rows go through before the learner sees them."""

    panel: ClassVar[str] = "Before it"

    impute: Annotated[bool, Option("--impute", help="Fill missing values with means.")] = False
    scale: Annotated[bool, Option("--scale", help="Bring columns to mean 0, deviation 1.")] = False
    pca: Annotated[
        int | None, Option("--pca", metavar="N", help="Reduce columns to N principal components.")
    ] = None
    micro: Annotated[
        bool,
        Option(
            "--micro",
            help="Let clusters live on: what each file says is kept apart, for later ones, windows "
            "and corrections.",
        ),
    ] = False

    def stages(self) -> list[Any]:
        """The learners, unfitted, in their order."""
        asked = {"impute": self.impute, "scale": self.scale, "pca": self.pca is not None}
        return [
            loaded(name)(**({"n_components": self.pca} if name == "pca" else {}))
            for name, wanted in asked.items()
            if wanted
        ]

    def kept_apart(self, learner: Any) -> Any:
        """The learner, on micro-clusters if it is to live on."""
        if not self.micro:
            return learner
        from nacre.learn.cluster.micro import Micro

        return Micro(learner)


@dataclass(frozen=True)
class Reading(Group):
    """What concerns the data: `nacre.read`."""

    panel: ClassVar[str] = "Data"

    columns: Annotated[
        list[str] | None,
        Option("--columns", metavar="A,B,...", help="Columns to learn from; all, if not said."),
    ] = None
    weight: Annotated[
        str | None, Option("--weight", metavar="COLUMN", help="Column of weights.")
    ] = None
    dtype: Annotated[
        str | None,
        Option("--dtype", metavar="TYPE", help="float32 (if not said) or float64."),
    ] = None
    bad: Annotated[
        str,
        Option(
            "--bad", metavar="POLICY", help="Rows with NaN or inf: error, or skip and count them."
        ),
    ] = "error"
    id: Annotated[str | None, Option("--id", metavar="ID", help="Id of a single file.")] = None
    root: Annotated[
        str | None, Option("--root", metavar="DIR", help="Folder that ids of files are below.")
    ] = None
    time: Annotated[
        str | None,
        Option(
            "--time",
            metavar="TIME",
            help="When it happened: 2013-02-01, a column of times, or a pattern for the ids.",
        ),
    ] = None

    schema: Annotated[
        str,
        Option(
            "--schema",
            metavar="POLICY",
            help="Other columns than the first file's, or the fit's: error, ignore or pad.",
        ),
    ] = "error"
    delimiter: Annotated[
        str | None,
        Option("--delimiter", metavar="MARK", help="Between fields of text: ';', or tab."),
    ] = None
    header: Annotated[
        bool,
        Option("--header/--no-header", help="The first line of text names the columns."),
    ] = True
    image_size: Annotated[
        str | None,
        Option("--image-size", metavar="HxW", help="Height and width images are brought to."),
    ] = None
    image_mode: Annotated[
        str | None,
        Option("--image-mode", metavar="MODE", help="What images are brought to: L (grey) or RGB."),
    ] = None

    @property
    def again(self) -> str:
        """What must be said again of other data of this kind, as options; with a blank before."""
        from nacre.cli.learning import quoted

        said = {"--delimiter": self.delimiter, "--image-size": self.image_size}
        said |= {"--image-mode": self.image_mode}
        said |= {"--schema": None if self.schema == "error" else self.schema}
        options = [f"{name} {quoted(value)}" for name, value in said.items() if value is not None]
        return "".join(f" {one}" for one in (*options, *([] if self.header else ["--no-header"])))

    def of(self, data: Sequence[str]) -> Any:
        """The data with all that was said of them."""
        from nacre.source.read import read

        return read(
            data[0] if len(data) == 1 else list(data),
            listed(self.columns),
            weight=self.weight,
            dtype=self.dtype,
            bad=self.bad,  # type: ignore[arg-type]  # read says which there are
            id=self.id,
            root=self.root,
            time=self.time,
            schema=self.schema,  # type: ignore[arg-type]
            delimiter="\t" if self.delimiter in ("tab", "\\t") else self.delimiter,
            header=self.header,
            image_size=_pixels(self.image_size),
            image_mode=self.image_mode,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Result(Group):
    """Where the model goes."""

    panel: ClassVar[str] = "Result"

    output: Annotated[
        str, Option("--output", "-o", metavar="DIR", help="Directory that the model is saved to.")
    ]
    start: Annotated[
        str | None,
        Option("--start", metavar="MODEL", help="Go on from a saved model of the same kind."),
    ] = None


@dataclass(frozen=True)
class Limiting(Group):
    """When the fit ends early."""

    panel: ClassVar[str] = "Running"

    max_seconds: Annotated[
        float | None,
        Option("--max-seconds", metavar="S", help="After S seconds keep the model that is there."),
    ] = None
    max_passes: Annotated[
        int | None,
        Option("--max-passes", metavar="N", help="Keep the model of the N-th pass over the rows."),
    ] = None


class Learners(TyperGroup):
    """The learners, each with its own options."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table."""
        return list(LEARNERS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a learner; None where there is none."""
        if cmd_name not in LEARNERS:
            return None
        one = typer.Typer(add_completion=False)
        one.command(cmd_name, help=summary(cmd_name))(command_of(cmd_name))
        return typer.main.get_command(one)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The learner; an unknown one names the nearest."""
        if args[0] not in LEARNERS and not args[0].startswith("-"):
            raise unknown_command(args[0], list(LEARNERS), ctx.command_path, "learner")
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Learners, add_completion=False, invoke_without_command=True)


@app.callback()
def fit(context: typer.Context) -> None:
    """Learn a model from files, and save it.

    Example: nacre fit kmeans "flights/*.parquet" --n-clusters 8 --scale -o model/

    Each learner has its own options: nacre fit kmeans --help
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


def command_of(name: str) -> Any:
    """The command of a learner, as typer wants it."""

    def learn(
        data: Annotated[list[str], Argument(metavar="DATA", help=DATA, callback=no_assignments)],
        *,
        own: dict[str, Any],
        before: Before,
        reading: Reading,
        result: Result,
        limiting: Limiting,
        running: Running,
        speech: Speech,
    ) -> int:
        with speech.terminal.waiting("starting"):
            from nacre.cli.learning import Fitting

            if OWN_COLUMNS in own:
                own["columns"] = listed(own.pop(OWN_COLUMNS))
            learner = chained(before.stages(), before.kept_apart(loaded(name)(**own)))
        learner.check_parameters()
        running.check()
        return Fitting(learner, data, reading, result, limiting, running, speech.terminal).run()

    others = {"impute", "scale", "pca", "micro"} - set(LEARNERS[name].stages)
    return spread(learn, *hyperparameters(name), into="own", without=others)


def chained(stages: Sequence[Any], learner: Any) -> Any:
    """A learner behind stages; itself where there are none."""
    from nacre.learn.chain import chain

    return chain(*stages, learner) if stages else learner


def _pixels(size: str | None) -> Any:
    """Height and width of "28x28"; what is no such text is left to `read`, which refuses it."""
    parts = (size or "").lower().split("x")
    return tuple(int(n) for n in parts) if all(n.isdecimal() for n in parts) else size


def listed(items: Sequence[str] | None) -> list[str] | None:
    """Names that were given apart or with commas between them.

    >>> listed(["a,b", "c"]), listed(None), listed([])
    (['a', 'b', 'c'], None, None)
    """
    names = [name.strip() for item in items or () for name in item.split(",")]
    return [name for name in names if name] or None
