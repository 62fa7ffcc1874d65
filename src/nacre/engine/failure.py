"""A failure with its place, and which of several is raised: that of the lowest key."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator

from nacre.errors import BadParameter, LearnerFailed, NacreError


@contextlib.contextmanager
def located(where: str) -> Iterator[None]:
    """Add `where` to a NacreError; make any other Exception a LearnerFailed, which can travel."""
    try:
        yield
    except NacreError as error:
        raise error.at(where) from error.__cause__
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise LearnerFailed(
            got=f"{type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})",
            wanted="no failure",
            do="This is a bug of the learner, or of the task: report it with these rows.",
            where=where,
        ) from error


def closed_meanwhile() -> BadParameter:
    """The error for blocks that nobody works on any more."""
    return BadParameter(
        got="a pass on an engine that is closed meanwhile",
        wanted="one that is open to the end",
        do="Close it afterwards.",
    )
