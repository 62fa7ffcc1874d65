"""The name that was meant: the nearest verb, learner or option. It is named, never run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

from nacre.errors import BadParameter, NacreError, UnknownName

ALSO = {  # what others call it -> our options, the first that a verb has
    "k": ("n-clusters", "n-components"),
    "n": ("n-clusters", "n-components"),
    "clusters": ("n-clusters",),
    "components": ("n-components",),
    "dims": ("n-components",),
    "seed": ("random-state",),
    "iterations": ("max-iter",),
    "n-iter": ("max-iter",),
    "epochs": ("max-passes",),
    "features": ("columns",),
    "cols": ("columns",),
    "sample-weight": ("weight",),
    "standardize": ("scale",),
    "normalize": ("scale",),
    "fill": ("impute",),
    "threads": ("engine",),
    "workers": ("engine",),
    "n-jobs": ("engine",),
    "jobs": ("engine",),
    "timeout": ("max-seconds",),
    "mem": ("memory",),
    "out": ("output",),
    "save": ("output",),
    "silent": ("quiet",),
}


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like this one, if any is.

    >>> nearest("fti", ["fit", "predict"]), nearest("zzz", ["fit"])
    ('fit', None)
    """
    low = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), low, n=1, cutoff=0.5)
    return low[found[0]] if found else None


def unknown_command(name: str, names: Sequence[str], path: str, noun: str) -> NacreError:
    """The error for a verb or learner that is not there."""
    near = nearest(name, names)
    return UnknownName(
        got=f"no {noun} {name!r}",
        wanted=f"one of {', '.join(names)}",
        do=f"Did you mean: {path} {near}" if near else f"See: {path} --help",
    )


def unknown_option(option: str, context: Any) -> NacreError:
    """The error for an option that a command has not.

    Args:
        option: as it was written.
        context: click's, of the command.
    """
    names = [name for param in context.command.params for name in param.opts if name[:2] == "--"]
    near = meant(option, names)
    see = f"See: {context.command_path} --help"
    if hasattr(context.command, "commands"):
        near, see = None, f"Other options come later: {context.command_path} ... {option}"
    return UnknownName(
        got=f"no option {option} here",
        wanted=f"an option of {context.command_path}",
        do=f"Did you mean {near}? {see}" if near else see,
    )


def meant(option: str, names: Sequence[str]) -> str | None:
    """The option that a wrong one stands for.

    >>> meant("--k", ["--n-clusters", "--max-iter"]), meant("--n_clusters", ["--n-clusters"])
    ('--n-clusters', '--n-clusters')
    """
    bare = option.lstrip("-").replace("_", "-").lower()
    for also in ALSO.get(bare, ()):
        if f"--{also}" in names:
            return f"--{also}"
    near = nearest(bare, [name.removeprefix("--") for name in names])
    return near and f"--{near}"


def no_assignments(context: typer.Context, items: list[str]) -> list[str]:
    """The same items; typer asks it for arguments that are data.

    Raises:
        BadParameter: one of them is an option as Python would write it, such as k=8.
    """
    names = [n for param in context.command.params for n in param.opts if n[:2] == "--"]
    for item in items or ():
        match = re.fullmatch(r"([A-Za-z_]\w*)=(.*)", item)
        if match is None or Path(item).exists():
            continue
        near = meant(match[1], names) or "--option"
        raise BadParameter(
            got=f"{item!r} where data was wanted",
            wanted="a path; options begin with --",
            do=f"Did you mean {near} {match[2]}? See: {context.command_path} --help",
        )
    return items
