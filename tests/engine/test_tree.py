"""The canonical sum: any order, grouping, duplicates and overlaps give the same bits; gaps are
named.
"""

from __future__ import annotations

import functools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.canon import hash64, pack
from nacre.engine.tree import Partial, Trie, fold
from nacre.errors import MissingShards

composite = st.builds(
    pack,
    st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3),
    st.integers(0, 2**64 - 1) | st.sampled_from([hash64("a"), hash64("b")]),
    st.integers(0, 2**32 - 1) | st.integers(0, 5),
)
keys_of = st.sets(composite, min_size=1, max_size=40)


def values(n: int, seed: int) -> Any:
    """Numbers whose float sum depends on the order: 16 decades, both signs."""
    draw = np.random.default_rng(seed)
    return draw.normal(size=n) * 10.0 ** draw.integers(-8, 8, n)


@given(keys_of, st.integers(0, 2**32 - 1))
def test_any_order_grouping_duplicates_and_overlaps_give_the_same_bits(
    keys: set[int], seed: int
) -> None:
    rnd = random.Random(seed)
    trie = Trie(keys)
    n = len(trie.keys)
    x = dict(zip(trie.keys, values(n, seed), strict=True))
    want = fold(x)
    partials = []
    for at in [*range(n), *rnd.choices(range(n), k=5)]:
        one = Partial(trie)
        one.put((at, at + 1), x[trie.keys[at]])
        partials.append(one)
    for _ in range(5):  # overlaps
        both = Partial(trie)
        for other in rnd.sample(partials, 2):
            both.merge(other.nodes)
        partials.append(both)
    rnd.shuffle(partials)
    while len(partials) > 1:
        a = partials.pop(rnd.randrange(len(partials)))
        b = partials.pop(rnd.randrange(len(partials)))
        a.merge(b.nodes)
        partials.append(a)
    assert partials[0].missing() == []
    assert partials[0].total() == want  # exact: the same float


@given(keys_of, st.integers(0, 2**32 - 1), st.integers(1, 70))
def test_blocks_summed_by_their_subtries_give_the_same_bits(
    keys: set[int], seed: int, most: int
) -> None:
    trie = Trie(keys)
    x = values(len(trie.keys), seed)
    blocks = trie.blocks(most)
    assert [at for span in blocks for at in range(*span)] == list(range(len(x)))
    assert all(stop - start <= most for start, stop in blocks)
    whole = Partial(trie)
    for block in reversed(blocks):
        part = Partial(trie.below(block))
        for at in range(*block):
            part.put((at, at + 1), x[at])
        assert list(part.nodes) == [block]  # one sum is sent
        whole.merge(part.nodes)
    assert whole.total() == fold(dict(zip(trie.keys, x, strict=True)))


@given(keys_of, st.data())
def test_missing_leaves_are_named(keys: set[int], data: st.DataObject) -> None:
    trie = Trie(keys)
    lost = data.draw(st.sets(st.integers(0, len(trie.keys) - 1), min_size=1))
    partial = Partial(trie)
    for at in range(len(trie.keys)):
        if at not in lost:
            partial.put((at, at + 1), 1.0)
    assert {at for start, stop in partial.missing() for at in range(start, stop)} == lost
    with pytest.raises(
        MissingShards, match=f"{len(trie.keys) - len(lost)} of {len(trie.keys)} shards"
    ):
        partial.total()


def test_erasing_a_leaf_has_the_bits_of_never_seen() -> None:
    draw = random.Random(0)
    for _ in range(50):
        keys = [pack(0, draw.getrandbits(64), 0) for _ in range(draw.randrange(3, 40))]
        x = dict(zip(keys, values(len(keys), draw.getrandbits(30)), strict=True))
        gone = draw.choice(keys)
        rest = {key: value for key, value in x.items() if key != gone}
        shuffled = dict(sorted(rest.items(), key=lambda _: draw.random()))
        assert fold(rest) == fold(shuffled)


def test_a_late_sum_of_a_larger_subtree_takes_the_place_of_its_parts() -> None:
    trie = Trie(range(4))
    partial = Partial(trie)
    partial.put((0, 1), "a")
    partial.put((0, 2), "ab")
    partial.put((1, 2), "b")
    assert partial.nodes == {(0, 2): "ab"}
    partial.merge({(2, 4): "cd"})
    assert partial.total() == "abcd"


def test_a_sum_of_another_plan_is_refused() -> None:
    partial = Partial(Trie([0, 1, 2, 3, 4]))
    with pytest.raises(MissingShards, match="another"):
        partial.put((1, 3), 1.0)


def test_two_shards_with_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        Trie([3, 3])


def test_many_shards_are_quick_and_a_block_sends_few_sums() -> None:
    trie = Trie(pack(0, hash64("one"), number) for number in range(100_000))
    blocks = trie.blocks(64)
    assert len(blocks) <= 2 * 100_000 / 64
    partial = Partial(trie)
    for block in random.Random(0).sample(blocks, len(blocks)):
        partial.put(block, 1)
    assert len(partial.nodes) == 1
    assert partial.total() == len(blocks)


def test_the_sum_of_a_batch_is_one_subtree() -> None:
    shards = {pack(0, hash64(name), number): name for name in "abc" for number in range(5)}
    trie = Trie(shards)
    joined = {key: frozenset([name]) for key, name in shards.items()}
    spans: dict[tuple[int, int], frozenset[str]] = {}

    def visit(start: int, stop: int) -> frozenset[str]:
        names = [joined[trie.keys[at]] for at in range(start, stop)]
        spans[start, stop] = functools.reduce(frozenset.union, names)
        return spans[start, stop]

    for span in [trie.root, *trie.family]:
        visit(*span)
    for name in "abc":
        at = [i for i, key in enumerate(trie.keys) if shards[key] == name]
        assert spans[at[0], at[-1] + 1] == {name}
