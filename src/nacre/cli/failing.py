"""What went wrong, as a sentence and an exit code: no traceback, the remedy last."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from nacre.cli.nearest import unknown_option
from nacre.cli.terminal import ReaderLeft, Terminal, shown
from nacre.errors import (
    BadParameter,
    DiskFull,
    NacreError,
    NotFound,
    OutOfMemory,
    Stopped,
    Unavailable,
)

INTERNAL, PARTIAL, INTERRUPTED, CLOSED_PIPE = 1, 10, 130, 141

EXIT_CODES = {
    0: "done",
    1: "an error inside nacre",
    2: "a command, option or value that does not exist",
    3: "data that cannot be learned from",
    4: "a file, directory or model that is not there",
    5: "a conflict with what is there already",
    6: "a damaged model, or one of a newer nacre",
    7: "no room: memory, disk or a limit",
    8: "not allowed by a service: no or wrong credentials",
    9: "something that cannot be used now: workers, a service, a file without permission",
    10: "done, but some rows were skipped",
    130: "stopped by Ctrl-C; a model that could answer was written",
    141: "the reader of the output went away",
    143: "ended by SIGTERM",
}


class Internal(NacreError, RuntimeError):
    """A bug of nacre; the log has it all."""

    exit_code, code = INTERNAL, "internal"


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # click's, which typer brings under no fixed name


def guarded(work: Callable[[], int | None], argv: Sequence[str]) -> int:
    """The exit code of a verb; what it raises is said, and becomes one."""
    quiet = "-q" in argv or "--quiet" in argv
    terminal = Terminal(json="--json" in argv, quiet=quiet, debug="--debug" in argv)
    try:
        with _warnings_said(terminal):
            return work() or 0
    except (BrokenPipeError, ReaderLeft):
        _forget_stdout()
        return CLOSED_PIPE
    except BaseException as error:
        if isinstance(error, SystemExit | GeneratorExit):
            raise
        if terminal.debug:
            terminal.err.print(shown_trace(error), soft_wrap=True)
        return told(known(error, argv), terminal)


@contextmanager
def _warnings_said(terminal: Terminal) -> Iterator[None]:
    """Warnings as messages, without the line of code that they come from."""

    def say(message: Any, category: Any, *where: Any) -> None:
        terminal.say(f"[yellow]warning[/]  {shown(message)}")

    with warnings.catch_warnings():
        warnings.showwarning = say  # type: ignore[assignment]  # as its docs allow
        yield


def told(error: NacreError, terminal: Terminal) -> int:
    """Say an error; its exit code."""
    for line in lines_of(error):
        terminal.err.print(line, soft_wrap=True)
    if terminal.json:
        fields = {**error.fields(), "code": error.code, "exit_code": error.exit_code}
        del fields["says"]
        terminal.write({"error": fields})
    return error.exit_code


def lines_of(error: NacreError) -> list[str]:
    """An error for people: what it is, where, what was wanted; what to do stands last."""
    pairs = [
        ("stopped" if isinstance(error, Stopped) else "error", error.got),
        ("where", error.where),
        ("wanted", error.wanted),
        ("do", error.do),
    ]
    style = {"error": "[bold red]error[/]", "stopped": "[bold]stopped[/]", "do": "[bold]do[/]"}
    return [
        f"{style.get(name, name)}{' ' * (9 - len(name))}{shown(in_options(text))}"
        for name, text in pairs
        if text
    ]


def in_options(text: str) -> str:
    """What a message says about calls from Python, said for the command line.

    >>> in_options('Leave them out: nacre.read(data, bad="skip"), or nacre.Impute().')
    'Leave them out: --bad skip, or --impute.'
    >>> in_options("nacre.read(data, columns=['a', 'b']); got n_clusters=0")
    '--columns a,b; got --n-clusters 0'
    """
    text = re.sub(r"nacre\.read\(data, ([^()]*)\)", lambda m: _as_options(m[1]), text)
    text = text.replace("nacre.Impute()", "--impute")
    text = re.sub(r"\b([a-z]+(?:_[a-z]+)+)=", lambda m: f"--{m[1].replace('_', '-')} ", text)
    return re.sub(r"(?<![\w.-])(memory|engine|root|time|columns)=", r"--\1 ", text)


def _as_options(arguments: str) -> str:
    name, _, value = arguments.partition("=")
    value = value.strip()
    if value.startswith("["):
        value = ",".join(part.strip(" \"'") for part in value.strip("[]").split(","))
    elif len(value) > 1 and value[0] in "\"'":
        value = value.strip("\"'")
    return f"--{name.strip().replace('_', '-')} {value}"


def known(error: BaseException, argv: Sequence[str] = ()) -> NacreError:
    """The same failure as an error that says what to do; one nobody foresaw is logged."""
    if isinstance(error, NacreError):
        return error if error.exit_code != INTERNAL else _logged(error, error.where)
    if isinstance(error, USAGE_ERROR):
        return _of_usage(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Stopped(got="Ctrl-C", wanted="the end of the work", do="Run it again to go on.")
    if isinstance(error, MemoryError):
        return OutOfMemory(
            got="no memory left",
            wanted="memory for the rows in work",
            do="Say how much there is: --memory 1GB.",
        )
    if isinstance(error, OSError):
        return _of_system(error)
    return _logged(error)


def _of_usage(error: Any) -> NacreError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "nacre"
    see = f"See: {path} --help"
    if context is not None and hasattr(error, "option_name") and hasattr(error, "possibilities"):
        return unknown_option(error.option_name, context)
    param = getattr(error, "param", None)
    if type(error).__name__ == "MissingParameter" and param is not None:
        name = " or ".join(param.opts) if param.opts[0][:1] == "-" else param.metavar
        return BadParameter(got=f"no {name}", wanted=param.help or "one", do=see)
    message = " ".join(error.format_message().split())
    return BadParameter(got=_sentence(message), wanted="", do=see)


def _sentence(message: str) -> str:
    """Click's wording in ours."""
    message = re.sub(r"^(Invalid value) for", "a wrong value for", message)
    return message.rstrip(".")


def _of_system(error: OSError) -> NacreError:
    path = "" if error.filename is None else str(error.filename)
    got = f"{error.strerror or type(error).__name__}".lower()
    if error.errno in FULL:
        return DiskFull(got=got, wanted="room", do="Make room, then run it again.", where=path)
    if isinstance(error, FileNotFoundError):
        return NotFound(got=got, wanted="a path that is there", do="Check the path.", where=path)
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        do = "Choose another path, or change its permissions."
        return Unavailable(got=got, wanted="a path that may be used", do=do, where=path)
    return _logged(error)


def _logged(error: BaseException, where: str = "") -> Internal:
    got = error.got if isinstance(error, NacreError) else f"{type(error).__name__}: {error}"
    try:
        log = f"All of it is in {logged(error)}: send that with your report, or see --debug."
    except OSError as failed:
        log = f"Run it again with --debug (no log could be written: {failed.strerror})."
    return Internal(got=f"an error inside nacre: {got}", wanted="", do=log, where=where)


def logged(error: BaseException) -> str:
    """Write the traceback of an error where only this user reads it; the path."""
    handle, path = tempfile.mkstemp(prefix="nacre-", suffix=".log")  # of mode 0600
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(shown_trace(error, markup=False))
    return path


def shown_trace(error: BaseException, *, markup: bool = True) -> str:
    """The traceback of an error; its lines stay lines, what else could move the cursor does not."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(shown(line) if markup else line for line in lines) + "\n"


def _forget_stdout() -> None:
    """Nobody reads any more: what is still buffered must not fail at the end of the interpreter."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.close(quiet)
