"""Answers to all rows, written into files: shard by shard, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nacre import canon, drive
from nacre.errors import BadParameter
from nacre.estimator import Estimator, bare, require
from nacre.fitting import chosen, once
from nacre.source.kept import contents, kept_of, tabled
from nacre.source.terms import Read
from nacre.store.parts import Job, Parts, parts_of, spelled

ANSWERED_BY = (  # of what was read
    *("columns", "bad", "dtype", "schema", "delimiter", "header"),
    *("image_size", "image_mode"),
)


@dataclass(frozen=True)
class Written:
    """What `predict_to` left in a directory.

    Attributes:
        n_rows: of the answers in all; n_skipped of them are empty, because their rows were bad.
        n_parts: files in all; n_written of them by this very call.
        columns: of each file.
    """

    n_rows: int
    n_skipped: int
    n_parts: int
    n_written: int
    columns: tuple[str, ...]


def predict_to(
    learner: Estimator,
    data: Any,
    directory: Any,
    *,
    want: str = "predict",
    keep: Sequence[str] = (),
    engine: Any = None,
    memory: int | str | None = None,
    arrived: Callable[[int, int], None] = lambda n_rows, n_rows_in_all: None,
) -> Written:
    """Write the answers to all rows into Parquet files, one for each shard; a few shards at a time
    are in memory.

    A row for each row, in reading order; a row that `bad="skip"` leaves out has empty answers. A
    file is there when it is whole, and what is there is not written again; the manifest comes last.

    Args:
        learner: fitted.
        data: as `fit` takes it.
        directory: not there yet, empty, or begun with these very answers.
        want: one of the learner's `answers`.
        keep: columns of the data that pass through, with their types.
        engine, memory: as `fit` takes them.
        arrived: told how many rows are there, of how many, whenever that changes.

    Raises:
        BadInput: data that the model cannot answer to.
        BadParameter: it does not answer `want`, or with sparse rows; `keep` is not there, or has
            the name of an answer.
        Occupied: the directory holds something else.
    """
    if _is_wide(learner, want):
        raise BadParameter(
            got=f"want={want!r}, which answers with sparse rows",
            wanted="dense answers: files hold no sparse rows",
            do=f"Call {want}(data) from Python, or fit a chain that makes them dense.",
        )
    names, keep = answer_names(learner, want), tuple(dict.fromkeys(keep))
    require(not set(keep) & set(names), "keep", list(keep), f"columns beside {names}")
    state = learner.state_
    data, table = tabled(data, keep, state.schema)
    plan = learner._plan(data, None, None, reset=False)
    kept = kept_of(plan, keep, table)
    asked = data if isinstance(data, Read) else Read(data)
    terms = [getattr(asked, name) for name in ANSWERED_BY]
    how = canon.digest(str(terms), plan.shard_rows, plan.batch_rows)  # other answers, other cuts
    numbers = vars(learner).get("cluster_numbers_") if want == "predict" else None
    how += "" if numbers is None else f" {canon.digest(numbers)}"
    source = {name: f"{content} {how}" for name, content in contents(plan, table, keep).items()}
    job = Job(state.digest, type(learner).__name__, want, keep, source)
    there = Parts(Path(directory), job, parts_of(plan))
    with there.open() as missing, chosen(engine, once(plan, memory)) as worker:
        n_there = plan.n_rows - sum(part.rows for part in missing.values())
        arrived(n_there, plan.n_rows)
        some = replace(plan, shards=[shard for shard in plan.shards if shard.key in missing])
        passed = bare(learner), worker, some, state.model, (want,)
        for i, at, answers in drive.answer_shards(*passed) if missing else ():
            shard, answers = some.shards[i], learner.numbered(answers)
            columns = kept.of(shard) | spelled(answers[want], at - shard.first, shard.rows, names)
            there.write(missing[shard.key], columns, shard.rows - len(at))
            n_there += shard.rows
            arrived(n_there, plan.n_rows)
        n_skipped = there.finish()["skipped"]
    return Written(plan.n_rows, n_skipped, len(there.parts), len(missing), (*keep, *names))


def _is_wide(learner: Any, want: str) -> bool:
    last = getattr(learner, "stages", (learner,))[-1]
    return want == "transform" and "sparse" in last.gives


def answer_names(learner: Any, want: str) -> list[str]:
    """The names of the columns of an answer: `predict`, or as `get_feature_names_out` has it.

    Raises:
        BadParameter: the learner does not answer `want`.
    """
    require(want in learner.answers, "want", want, f"one of {list(learner.answers)}")
    learner._check_fitted()
    if want != "transform":
        return [want]
    return [str(name) for name in learner.get_feature_names_out()]
