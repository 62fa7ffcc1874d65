"""What the verbs of live models share: how one is opened, and what is done where somebody else was
faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from typer import Option

from nacre.cli.options import Group

AGAIN = 5  # times that a commit is tried again when somebody else has committed meanwhile
MODEL = "A model that nacre fit wrote: a directory, or a URI such as s3://bucket/model."


@dataclass(frozen=True)
class Into(Group):
    """Which model takes rows in, and from whom."""

    panel: ClassVar[str] = "Model"

    model: Annotated[str, Option("--model", "-m", metavar="MODEL", help=MODEL)]
    principal: Annotated[
        str, Option("--principal", metavar="NAME", help="In whose name the rows come.")
    ] = ""


@contextmanager
def living(model: str) -> Iterator[Any]:
    """The live model of a path; what goes wrong with it is said in the words of the command line.

    Raises:
        NotFound: there is none.
    """
    import nacre
    from nacre.errors import NacreError

    try:
        with nacre.open(model) as live:
            yield live
    except NacreError as error:
        raise _in_words(error, model) from None


@contextmanager
def lived(model: str) -> Iterator[Any]:
    """The same for verbs that only read: a saved model does not begin to live by being looked at.

    Raises:
        NotFound: there is none, or one that has absorbed nothing since its fit.
    """
    from nacre.cli.learning import quoted
    from nacre.errors import NotFound

    if is_saved(model):
        raise NotFound(
            got=f"a saved model in {model}, which has no history yet",
            wanted="one that lives",
            do=f"It begins to live when it absorbs: nacre absorb DATA -m {quoted(model)}.",
        )
    with living(model) as live:
        yield live


def is_saved(model: str) -> bool:
    """Whether a path holds a model that was saved, and does not live."""
    from nacre.store.local import is_live, is_model
    from nacre.store.place import is_local

    return is_local(model) and is_model(model) and not is_live(model)


def settled(live: Any, work: Callable[[], Any]) -> Any:
    """What work on a live model gives; done again, on the newest version, where it was fenced."""
    from nacre.errors import Fenced

    for _ in range(AGAIN):
        try:
            return work()
        except Fenced:
            live.reopen()
    return work()


def second(ns: int) -> str:
    """A moment to the second, in UTC.

    >>> second(1_500_000_000)
    '1970-01-01T00:00:01Z'
    """
    from nacre.evolve.spans import moment

    day, _, clock = moment(ns - ns % 10**9).partition("T")
    return f"{day}T{clock or '00:00:00'}Z"


def _in_words(error: Any, model: str) -> Any:
    """An error whose remedy is a command."""
    from nacre.cli.learning import quoted
    from nacre.errors import Conflict, Fenced, NeedsRefit, NotFound

    do, here = error.do, quoted(model)
    if isinstance(error, Conflict):
        do = f"Put it in the old one's place: nacre replace ID DATA -m {here}; or say another --id."
    elif isinstance(error, Fenced):
        do = "Run it again: somebody else commits all the time."
    elif isinstance(error, NeedsRefit):
        do = f"Fit it anew with --micro: nacre fit kmeans DATA --micro -o {here}."
    elif isinstance(error, NotFound) and ("nacre.open(" in do or error.wanted == "a model"):
        do = f"Begin with a fit: nacre fit LEARNER DATA -o {here}."
    elif isinstance(error, NotFound) and "ledger lists" in do:
        do = f"See what there is: nacre ledger {here}."
    return type(error)(**{**error.fields(), "do": do})
