"""Options in groups: a dataclass is a group, its fields are options, a verb takes whole groups.

    def show(path: Annotated[str, Argument()], *, speech: Speech) -> int: ...
    app.command()(spread(show))

typer sees one parameter for each field; the verb gets the dataclasses.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, ClassVar, get_type_hints

from typer import Option

from nacre.cli.terminal import Terminal
from nacre.errors import Stopped

Parameter = inspect.Parameter


class Group:
    """A group of options: a dataclass whose fields say what they are by `Annotated`."""

    panel: ClassVar[str]


@dataclass(frozen=True)
class Speech(Group):
    """How a verb speaks."""

    panel: ClassVar[str] = "Output"

    json: Annotated[bool, Option("--json", help="One JSON object on stdout.")] = False
    quiet: Annotated[bool, Option("--quiet", "-q", help="Say nothing but errors.")] = False
    verbose: Annotated[bool, Option("--verbose", "-v", help="Say more.")] = False
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False

    @property
    def terminal(self) -> Terminal:
        """Where it speaks."""
        return Terminal(self.json, self.quiet, self.verbose, self.debug)


@dataclass(frozen=True)
class Running(Group):
    """Where the work runs."""

    panel: ClassVar[str] = "Running"

    engine: Annotated[
        str | None,
        Option(
            "--engine",
            metavar="NAME",
            help="serial, threads:N or processes:N; threads, one per core, where nothing is said.",
        ),
    ] = None
    memory: Annotated[
        str | None,
        Option("--memory", metavar="SIZE", help="Memory for decoded rows in all, such as 500MB."),
    ] = None

    def check(self) -> None:
        """Raise BadParameter before any work is done for an engine or a size that is none."""
        from nacre.engine.choose import check
        from nacre.settings import in_bytes

        check(self.engine)
        in_bytes(self.memory)


def parameters(group: type[Any]) -> list[Parameter]:
    """One keyword parameter for each field of a group, under its panel."""
    hints = get_type_hints(group, include_extras=True)
    found = []
    for field in fields(group):
        kind, option = hints[field.name].__origin__, copy.copy(hints[field.name].__metadata__[0])
        option.rich_help_panel = option.rich_help_panel or group.panel
        default = Parameter.empty if field.default is MISSING else field.default
        found.append(keyword(field.name, Annotated[kind, option], default))
    return found


def keyword(name: str, annotation: Any, default: Any) -> Parameter:
    """A keyword parameter."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def spread(
    verb: Callable[..., Any], *more: Parameter, into: str = "", without: Collection[str] = ()
) -> Callable[..., Any]:
    """A verb as typer wants it: each group spread into its options.

    Args:
        verb: takes groups by name.
        more: options that it takes as a dict of name -> value in its parameter `into`.
        into: that parameter.
        without: fields of groups that are no options of this verb.
    """
    hints = get_type_hints(verb, include_extras=True)
    plain: list[Parameter] = []
    options: list[Parameter] = list(more)
    groups: dict[str, type[Any]] = {}
    for name, parameter in inspect.signature(verb).parameters.items():
        kind = hints[name]
        if isinstance(kind, type) and issubclass(kind, Group):
            groups[name] = kind
            options += [option for option in parameters(kind) if option.name not in without]
        elif name != into:
            plain.append(parameter.replace(annotation=kind))

    @functools.wraps(verb)
    def spreading(**given: Any) -> Any:
        taken = {
            name: kind(**{f.name: given.pop(f.name, f.default) for f in fields(kind)})
            for name, kind in groups.items()
        }
        if into:
            taken[into] = {parameter.name: given.pop(parameter.name) for parameter in more}
        try:
            return verb(**given, **taken)
        except KeyboardInterrupt:  # here, because typer would make of it an exit without a word
            raise Stopped(
                got="Ctrl-C", wanted="to come to the end", do="Run the same command again."
            ) from None

    del spreading.__wrapped__  # its signature is another
    ordered = [*plain, *options]
    spreading.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    spreading.__annotations__ = {option.name: option.annotation for option in ordered}
    return spreading
