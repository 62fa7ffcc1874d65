"""The command `nacre`: finds the verb, and turns what goes wrong into a sentence and an exit code.

A verb is a module of this folder with a typer `app`; it is imported when it is named.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from nacre import __version__
from nacre.cli.failing import EXIT_CODES, guarded
from nacre.cli.nearest import unknown_command
from nacre.cli.terminal import Terminal, aligned


class Verb(NamedTuple):
    """A verb: where it is, and what it does."""

    module: str
    does: str


VERBS = {
    "fit": Verb("nacre.cli.fit", "learn a model from files, and save it"),
    "predict": Verb("nacre.cli.predict", "ask a model about every row, and write the answers"),
    "score": Verb("nacre.cli.score", "say how good a model is on data"),
    "show": Verb("nacre.cli.show", "say what a model knows, or what data holds"),
    "absorb": Verb("nacre.cli.absorb", "take new files into a model, each once and for good"),
    "follow": Verb("nacre.cli.follow", "absorb what comes, as it comes, until it is stopped"),
    "replace": Verb("nacre.cli.replace", "put a corrected file in the place of an old one"),
    "erase": Verb("nacre.cli.erase", "have batches go as if they had never been absorbed"),
    "merge": Verb("nacre.cli.merge", "make one model of several that learned apart"),
    "ledger": Verb("nacre.cli.ledger", "list every batch that a model has absorbed"),
    "diff": Verb("nacre.cli.diff", "say what changed between two versions of a model"),
    "verify": Verb("nacre.cli.verify", "read every byte of a model on disk: is it whole?"),
    "doctor": Verb("nacre.cli.doctor", "check that this machine has all that nacre needs"),
    "demo": Verb("nacre.cli.demo", "see it work: a year of real flights"),
}

EXAMPLES = (
    'nacre fit kmeans "flights/*.parquet" --n-clusters 8 --scale -o model/',
    'nacre predict model/ "flights/*.parquet" -o labels/',
)


class Verbs(TyperGroup):
    """The verbs, each loaded when it is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a verb; None where there is none."""
        if cmd_name not in VERBS:
            return None
        command = typer.main.get_command(importlib.import_module(VERBS[cmd_name].module).app)
        command.name = cmd_name
        command.help = _paragraphs(command.help or "")
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb; an unknown one names the nearest."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise unknown_command(args[0], list(VERBS), ctx.command_path, "verb")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The page; it loads no verb."""
        Terminal().data([*front(), *more()], {})


def _paragraphs(text: str) -> str:
    """A docstring with each paragraph on one line: where it ends is for the terminal to say."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def front() -> list[str]:
    """What `nacre` alone says: two examples and the verbs."""
    return [
        "[bold]nacre[/] learns clusters, components and statistics from rows that are too many for "
        "memory.",
        "",
        *[f"  [cyan]{example}[/]" for example in EXAMPLES],
        "",
        *aligned([(f"[bold]{name}[/]", verb.does) for name, verb in VERBS.items()]),
        "",
        "Each has its own help, such as: nacre fit --help",
    ]


def more() -> list[str]:
    """What `nacre --help` says beside: options and exit codes."""
    options = [
        ("--version", "the version, and nothing else"),
        ("--install-completion", "let your shell complete verbs and options"),
        ("--help", "this page"),
    ]
    codes = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    return [
        "",
        "Options",
        *aligned(options),
        "",
        "Every verb knows --json (one JSON object on stdout), -q, -v and --debug.",
        "",
        "Exit codes",
        *aligned(codes, right=[0]),
    ]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"nacre {__version__}")
        raise typer.Exit


app = typer.Typer(cls=Verbs, invoke_without_command=True, pretty_exceptions_enable=False)


@app.callback()
def nacre(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """Learn from rows that are too many for memory."""
    if context.invoked_subcommand is None:
        Terminal().data(front(), {})


def run(argv: Sequence[str]) -> int:
    """Do what a command line says; the exit code."""

    def work() -> int:
        command = typer.main.get_command(app)
        code = command.main(args=list(argv), prog_name="nacre", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0

    return guarded(work, argv)


def main() -> NoReturn:
    """The entry point of the command `nacre`."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # real files
    code = run(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done, and all is said
    sys.exit(code)
