"""Every exception of nacre: each says what was got, what was wanted and what to do.

All survive the wire, so their fields are keywords only: an exception with positional arguments
does not come back from a pickle. The engine that saw the failure adds `where`: source, shard, rows.
"""

from __future__ import annotations

from typing import Any, ClassVar


class NacreError(Exception):
    """Base of all errors: got, wanted, do.

    Args:
        got: what was found.
        wanted: what would have been right.
        do: what the user can do now.
        where: source, shard and rows, where they are known.
        says: a sentence that another library promises for this failure; it stands first.

    >>> str(BadInput(got="3 columns", wanted="2", do="Pass the columns of the fit."))
    'got 3 columns; wanted 2. Pass the columns of the fit.'
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "internal"

    def __init__(self, *, got: str, wanted: str, do: str, where: str = "", says: str = "") -> None:
        self.got, self.wanted, self.do, self.where, self.says = got, wanted, do, where, says
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole text: place, promised sentence, got, wanted, do."""
        place = f"{self.where}: " if self.where else ""
        says = f"{self.says} " if self.says else ""
        return f"{place}{says}got {self.got}; wanted {self.wanted}. {self.do}".strip()

    def fields(self) -> dict[str, str]:
        """The keywords that make an equal error."""
        return dict(got=self.got, wanted=self.wanted, do=self.do, where=self.where, says=self.says)

    def at(self, where: str) -> NacreError:
        """The same error with its place, unless it has one already."""
        return type(self)(**{**self.fields(), "where": self.where or where})

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.fields())


def _again(kind: type[NacreError], fields: dict[str, str]) -> NacreError:
    return kind(**fields)


class BadInput(NacreError, ValueError):
    """Data that no learner can take: NaN, inf, too large, wrong width, too few, bad weights."""

    exit_code, code = 3, "bad_input"


class BadType(NacreError, TypeError):
    """Data of a kind that nacre does not read."""

    exit_code, code = 3, "bad_type"


class BadParameter(NacreError, ValueError):
    """A hyper-parameter or option outside its range."""

    exit_code, code = 2, "bad_parameter"


class UnknownName(NacreError, AttributeError):
    """A name that nacre does not have; the nearest one is named."""

    exit_code, code = 2, "unknown_name"


class NotFound(NacreError, LookupError):
    """A path, file or model that is not there."""

    exit_code, code = 4, "not_found"


class SameId(NacreError, ValueError):
    """Two batches under one id."""

    exit_code, code = 5, "same_id"


class Occupied(NacreError, ValueError):
    """A path that holds something else than what would be written there."""

    exit_code, code = 5, "occupied"


class Conflict(NacreError, ValueError):
    """A live model knows the id with other content, or a run of a stream in another way."""

    exit_code, code = 5, "conflict"


class Fenced(NacreError, RuntimeError):
    """Another writer has committed since this one opened the live model; nothing was changed."""

    exit_code, code = 5, "fenced"


class Erased(NacreError, ValueError):
    """A batch that was erased on purpose is absorbed again."""

    exit_code, code = 5, "erased"


class Folded(NacreError, ValueError):
    """A span of time whose batches were folded into one sum: they cannot be told apart any more."""

    exit_code, code = 5, "folded"


class OtherBase(NacreError, ValueError):
    """Summaries of two models were added, or a model was advanced by another model's summary."""

    exit_code, code = 5, "other_base"


class NeedsRefit(NacreError, ValueError):
    """The frame moved and the learner cannot carry its summary over."""

    exit_code, code = 5, "needs_refit"


class CannotForget(NacreError, ValueError):
    """A summary was scaled that has a field which no factor can scale."""

    exit_code, code = 2, "cannot_forget"


class MissingShards(NacreError, RuntimeError):
    """A total was asked of a sum that is not complete."""

    exit_code, code = 9, "missing_shards"


class WorkerLost(NacreError, RuntimeError):
    """Workers died again and again over the same rows."""

    exit_code, code = 9, "worker_lost"


class LearnerFailed(NacreError, RuntimeError):
    """A learner raised something that is no NacreError: a bug of the learner, with its place."""

    exit_code, code = 1, "learner_failed"


class Stopped(NacreError, RuntimeError):
    """A fit was stopped before there was a model that can answer."""

    exit_code, code = 130, "stopped"


class CorruptState(NacreError, ValueError):
    """A stored file is not what its digest or format says."""

    exit_code, code = 6, "corrupt_state"


class NewerFormat(NacreError, ValueError):
    """A stored file was written by a newer nacre."""

    exit_code, code = 6, "newer_format"


class OutOfMemory(NacreError, MemoryError):
    """The memory limit cannot be kept."""

    exit_code, code = 7, "out_of_memory"


class DiskFull(NacreError, OSError):
    """There is no room for a file: the disk, or what the user may take of it."""

    exit_code, code = 7, "disk_full"


class Unavailable(NacreError, OSError):
    """A file or directory that cannot be used now: permissions, a failing disk, a lock."""

    exit_code, code = 9, "unavailable"


class MissingExtra(NacreError, ImportError):
    """An optional part of nacre is not installed."""

    exit_code, code = 2, "missing_extra"
