"""What there is to know of a model, in plain values: for `nacre show`, for people, for JSON."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from nacre.store import manifest as manifests
from nacre.store.files import Folder
from nacre.store.ledger import Entry, Job
from nacre.store.local import absolute, check_fitted, drafted, is_live, read_manifest
from nacre.store.manifest import Manifest, Tree


def describe(model: str | os.PathLike[str] | Any) -> dict[str, Any]:
    """What there is to know of a saved model, or of a fitted learner. Blobs are not read.

    Args:
        model: the directory of a model, or a fitted learner.

    Returns:
        learner: "KMeans", "chain(Scale, KMeans)"; parameters: name -> value, of a chain a list of
            learner and parameters; columns: names or None; n_columns; dtype: that learning saw.
        n_rows, n_skipped, weight: rows that the last pass looked at, bad rows that were left out,
            the rows' weight.
        complete: whether the fit came to its end; ended: why it ended.
        loss: what the last pass measured, or None; passes: of the last fit, each with phase,
            n_rows, weight, seconds, loss; seconds: of all fits; n_updates: calls of `partial_fit`.
        engine, n_workers, memory, shard_rows, batch_rows, random_state, start: of the last fit.
        digest: of the state; base: of the model; schema_digest.
        versions, kernel_class: where the last job ran.
        n_batches: in the model; ledger: of each that is listed id, time, origin, n_rows, n_skipped,
            content, n_bytes, note.
        path, saved, n_bytes: where it is, since when (UTC), what it takes on disk; None if unsaved.
        life: of a live model version, n_ended, forget, retain, n_bytes_of_leaves, streams,
            positions; else None.

    Raises:
        NotFound, CorruptState, NewerFormat, Unavailable: as `nacre.load`.
        BadType, NotFittedError: no learner, or one that has not learned yet.
    """
    if not isinstance(model, str | os.PathLike):
        check_fitted(model)
        record = model._record
        ledger = [getattr(batch, "entry", batch) for batch in record.batches]
        here = {"path": None, "saved": None, "n_bytes": None, "life": None}
        return {**told(drafted(model, ledger, record)), **here}
    path = absolute(model)
    if is_live(path):
        import nacre

        with nacre.open(path) as live:
            return live.about()
    with Folder.at(path) as folder:
        manifest = read_manifest(folder)
    size = len(manifests.spelled(manifest)) + sum(blob.n_bytes for blob in manifest.blobs)
    return {
        **told(manifest),
        **{"path": path, "saved": manifest.saved, "n_bytes": size, "life": None},
    }


def told(manifest: Manifest) -> dict[str, Any]:
    """What a manifest says, in plain values."""
    learner = plain(manifest.learner.value)
    schema = plain(manifest.schema.value)["parameters"]
    state = dataclasses.asdict(manifest.state)
    return {
        "learner": name_of(learner),
        "parameters": learner["parameters"].get("stages", learner["parameters"]),
        "columns": schema["names"],
        "n_columns": schema["n_columns"],
        "dtype": schema["dtype"],
        **state,
        "schema_digest": manifest.schema.digest,
        **_of_jobs(manifest.jobs),
        "n_batches": len(manifest.ledger) + manifest.n_unlisted,
        "ledger": [_of_entry(entry) for entry in manifest.ledger],
    }


def _of_jobs(jobs: tuple[Job, ...]) -> dict[str, Any]:
    fits = [job for job in jobs if job.what == "fit"]
    last = fits[-1] if fits else None
    names = ("ended", "engine", "n_workers", "memory", "shard_rows", "batch_rows", "start")
    turns = [dataclasses.asdict(turn) for turn in last.turns] if last else []
    return {
        **{name: getattr(last, name, None) for name in names},
        "random_state": dict(last.random_state) if last else {},
        "passes": turns,
        "loss": turns[-1]["loss"] if turns else None,
        "seconds": sum(job.seconds for job in fits),
        "n_updates": sum(job.n_calls for job in jobs if job.what == "partial_fit"),
        "versions": dict(jobs[-1].versions) if jobs else {},
        "kernel_class": jobs[-1].kernel_class if jobs else "",
    }


def _of_entry(entry: Entry) -> dict[str, Any]:
    return dataclasses.asdict(entry)


def name_of(learner: Mapping[str, Any]) -> str:
    """The name of a plain learner, of a chain with its stages."""
    stages = learner["parameters"].get("stages")
    if not isinstance(stages, list):
        return str(learner["learner"])
    return f"chain({', '.join(name_of(stage) for stage in stages)})"


def plain(node: Tree) -> Any:
    """What a tree of nacre.store.format says to people; of arrays dtype and shape.

    >>> plain({"class": "nacre.scale.Scale/1", "fields": {"with_mean": True}})
    {'learner': 'Scale', 'parameters': {'with_mean': True}}
    """
    match node:
        case {"float": str(text)}:
            return float.fromhex(text)
        case {"array": dtype, "shape": shape}:
            return f"array of {dtype}, shape {tuple(shape)}"
        case {"scalar": dtype}:
            return f"number of {dtype}"
        case {"list": items}:
            return [plain(item) for item in items]
        case {"dict": items}:
            return {key: plain(item) for key, item in items.items()}
        case {"class": str(tag), "fields": fields}:
            name = tag.rpartition("/")[0].rpartition(".")[2]
            return {"learner": name, "parameters": {key: plain(v) for key, v in fields.items()}}
        case list():
            return [plain(item) for item in node]
    return node
