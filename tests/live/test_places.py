"""A live model on S3: a real server, and the same promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import nacre
from nacre.errors import Conflict, Fenced
from tests.live.lives import batch, is_sum_of, opened
from tests.store.buckets import served


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URI of an empty bucket."""
    with served() as uri:
        yield uri


def test_it_lives_in_a_bucket(bucket: str) -> None:
    """6 s: some hundred requests to a server in this process."""
    uri = f"{bucket}/models/flights"
    live = opened(uri)
    rows = {f"b{number}": batch(number) for number in range(5)}
    for name, X in rows.items():
        live.absorb(X, id=name)
    second = nacre.open(uri)
    is_sum_of(second, rows)
    second.absorb(batch(5), id="b5")
    with pytest.raises(Fenced):
        live.absorb(batch(6), id="b6")
    live.reopen()
    assert live.absorb(batch(5), id="b5").n_known == 1
    with pytest.raises(Conflict):
        live.absorb(batch(7), id="b5")
    live.erase("b3")
    del rows["b3"]
    again = nacre.open(uri)
    is_sum_of(again, rows | {"b5": batch(5)})
    assert again.verify().problems == again.verify().strays == ()
    assert nacre.merge(again, again).state.digest == again.state.digest
