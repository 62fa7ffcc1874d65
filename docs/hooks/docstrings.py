"""Docstrings and signatures as the site shows them.

An example is a block of code, parameters that share a sentence have it each, and `later(3)` is the
default 3.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


SHARED = re.compile(r"^    (\w+(?:, \w+)+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def apart(doc: str) -> str:
    """A docstring in which each parameter has an entry of its own.

    >>> apart("Args:\\n    a, b: numbers.")
    'Args:\\n    a: numbers.\\n    b: numbers.'
    """
    return SHARED.sub(
        lambda match: "\n".join(f"    {name}: {match[2]}" for name in match[1].split(", ")), doc
    )


def fenced(doc: str) -> str:
    """A docstring with its examples as fenced blocks.

    >>> fenced("One.\\n\\n>>> 1 + 1\\n2\\n\\nTwo.")
    'One.\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```\\n\\nTwo.'
    """
    return EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", doc)


class Shown(griffe.Extension):
    """Rewrites what griffe found."""

    def on_object(self, *, obj: Any, **more: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(apart(obj.docstring.value))

    def on_package(self, *, pkg: Any, **more: Any) -> None:
        """Called by griffe when all of a package is known: constructors of dataclasses too."""
        self._constructors(pkg)

    def _constructors(self, home: Any) -> None:
        for member in home.members.values():
            if not member.is_alias and (member.is_module or member.is_class):
                self._constructors(member)
            if not member.is_alias and member.is_class:
                for parameter in member.parameters:
                    parameter.default = _itself(parameter.default)


def _itself(default: Any) -> Any:
    is_later = isinstance(default, griffe.ExprCall) and str(default.function) == "later"
    return default.arguments[0] if is_later else default
