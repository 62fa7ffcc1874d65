"""Values come back from their bytes bit for bit, and equal values have equal bytes."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import nacre
from nacre import canon
from nacre.contract import Learner, Model, Schema, State, View
from nacre.errors import BadType, CorruptState, NewerFormat, OtherBase
from nacre.kinds import KeyedSums, MomentSums, Rows, Table
from nacre.store import format as stored
from nacre.store.checks import spelled
from nacre.store.container import opened, packed
from tests.store.values import (
    GOLDEN,
    Everything,
    Halves,
    Halving,
    Holds,
    Stranger,
    everything,
    ids,
    rows,
    small_state,
)

DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
numbers = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
wide = st.lists(texts.filter(lambda text: "\x00" not in text), max_size=4).map(
    lambda items: np.array(items, dtype="<U8")
)
scalars = st.sampled_from(DTYPES[:12]).flatmap(lambda dtype: arrays.from_dtype(np.dtype(dtype)))
plain = st.none() | st.booleans() | st.integers(-(2**256) + 1, 2**256 - 1) | st.floats() | texts
kinds = (
    st.builds(lambda a: MomentSums(a[0], a, np.multiply.outer(a, a)), st.just(np.arange(3.0)))
    | st.builds(lambda a: Rows(ids(len(a)), (a, a)), arrays.arrays("f4", st.integers(0, 3)))
    | st.builds(lambda a: KeyedSums(np.arange(len(a)), a), arrays.arrays("f8", st.integers(0, 3)))
    | st.builds(lambda m: np.arange(2 * m).reshape(m, 2), st.integers(0, 3))
    | st.builds(View, st.tuples(st.floats(0, 1), st.floats(0, 1), texts), texts)
)
values = st.recursive(
    plain | numbers | wide | scalars | kinds,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts, inner, max_size=3)
        | st.builds(Holds, inner)
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    """Equal in type, dtype and bits, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return canon.digest(a) == canon.digest(b)


@settings(max_examples=300)
@given(values)
def test_a_value_comes_back_bit_for_bit_and_its_bytes_with_it(value: Any) -> None:
    data = stored.to_bytes(Holds(value))
    again = stored.from_bytes(data, "model")
    assert same(again.value, value)
    assert stored.to_bytes(again) == data
    if "c" not in {array.dtype.kind for array in stored.encode(again)[0].values()}:
        assert again.base == Holds(value).base


@given(numbers)
def test_bytes_depend_neither_on_memory_order_nor_on_byte_order(array: Any) -> None:
    data = stored.to_bytes(Holds((array,)))
    spread = np.zeros((*array.shape, 2), array.dtype)[..., 0]
    spread[...] = array
    for other in (np.asfortranarray(array).reshape(array.shape), spread):
        assert stored.to_bytes(Holds((other,))) == data
    assert stored.to_bytes(Holds((array.astype(array.dtype.newbyteorder(">")),))) == data


def test_bytes_do_not_depend_on_the_order_of_a_dict() -> None:
    one, other = {"a": np.ones(1), "b": 2}, {"b": 2, "a": np.ones(1)}
    assert stored.to_bytes(Holds(one)) == stored.to_bytes(Holds(other))


def test_two_items_never_share_a_path() -> None:
    value = {"a.b": np.zeros(1), "a": {"b": np.ones(1)}, 'a"]["b': np.full(1, 2.0)}
    assert same(stored.from_bytes(stored.to_bytes(Holds(value))).value, value)


@pytest.mark.parametrize(
    "summary", [everything("0" * 32), everything("0" * 32) + everything("0" * 32)]
)
def test_every_kind_of_field_joins_after_storing_as_before(summary: Everything) -> None:
    again = stored.from_bytes(stored.to_bytes(summary), "summary")
    assert canon.digest(again) == canon.digest(summary)
    assert canon.digest(again + again) == canon.digest(summary + summary)


def test_a_state_keeps_its_digest_and_its_schema() -> None:
    state = small_state()
    again = stored.from_bytes(stored.to_bytes(state), "state")
    assert again.digest == state.digest
    assert again.told.base == again.model.base == state.model.base
    assert canon.digest(again.schema) == canon.digest(state.schema)
    assert again.complete


def test_hyper_parameters_come_back() -> None:
    learner = Halving(3, np.eye(2), (Halving(init="low"), Halving()))
    again = stored.from_bytes(stored.to_bytes(learner), "learner")
    assert canon.digest(again) == canon.digest(learner)
    assert isinstance(again.stages[1], Halving)


def test_what_only_passes_is_left_out_and_comes_back_as_its_default() -> None:
    again = stored.from_bytes(stored.to_bytes(small_state().model))
    assert again.cache is None
    assert again.table.held == {}
    assert b"cache" not in stored.to_bytes(small_state())


def test_what_a_model_computes_of_itself_is_not_stored() -> None:
    model = Halves(np.ones(2), 0.5)
    before = stored.to_bytes(model)
    base = model.base
    assert stored.to_bytes(model) == before
    assert base.encode() not in before


def test_arrays_come_back_read_only_aligned_and_in_c_order() -> None:
    odd = (np.zeros(3, np.int8), np.array(["abc"]), np.zeros((2, 3), np.complex128).T)
    for array in stored.from_bytes(stored.to_bytes(Holds(odd))).value:
        assert array.flags.aligned
        assert array.flags.c_contiguous
        assert not array.flags.writeable


def test_arrays_are_views_of_the_bytes() -> None:
    data = stored.to_bytes(Holds(np.arange(1000)))
    array = stored.from_bytes(data).value
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))


def test_a_reader_of_safetensors_reads_what_follows_the_prefix() -> None:
    from safetensors.numpy import load

    state = small_state()
    read = load(stored.to_bytes(state)[64:])
    assert np.array_equal(read["state.model.cuts"], state.model.cuts)
    assert read.keys() - {"tree"} == stored.encode(state)[0].keys()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({1: 2}, id="a dict with numbers as keys"),
        pytest.param({1, 2}, id="a set"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param(1j, id="a complex number"),
        pytest.param(1 << 256, id="a huge integer"),
        pytest.param(10**5000, id="an integer that has no text"),
        pytest.param("\ud800", id="half a letter"),
        pytest.param({"\udfff": 1}, id="half a letter as a key"),
        pytest.param(np.array([None]), id="an array of objects"),
        pytest.param(np.array(["2013-01-01"], "M8[D]"), id="dates"),
        pytest.param(np.timedelta64(1, "ns"), id="a span of time"),
        pytest.param(np.longdouble(1), id="a float that other machines do not have"),
        pytest.param(np.zeros(2, [("a", "<u8")]), id="other records than ids"),
        pytest.param(np.ma.masked_equal([1, 2], 1), id="a masked array"),
        pytest.param(np.array([2], np.uint8).view(bool), id="a bool that is 2"),
        pytest.param(Stranger(), id="a class that is not registered"),
        pytest.param(Stranger, id="a class itself"),
        pytest.param(len, id="a function"),
        pytest.param(View(part=("a", 0, "b")), id="not the annotated type"),  # type: ignore[arg-type]
        pytest.param(Table("", ((1, 2),), {}), id="not the annotated item"),  # type: ignore[arg-type]
        pytest.param(Table("", ((True, "a"),), {}), id="a bool for an int"),
        pytest.param(Halves(np.ones(1), 0.1, side="up"), id="no option"),  # type: ignore[arg-type]
    ],
)
def test_what_files_may_not_hold_is_refused_before_anything_is_written(value: Any) -> None:
    with pytest.raises(BadType, match=r"model\.value"):
        stored.to_bytes(Holds((1, value)))


def test_nesting_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(BadType, match="nested"):
        stored.to_bytes(Holds(endless))
    deep: Any = ()
    for _ in range(70):
        deep = (deep,)
    with pytest.raises(BadType, match="64 levels"):
        stored.to_bytes(Holds(deep))


def test_a_state_with_a_summary_of_another_model_is_not_written() -> None:
    state = small_state()
    torn = dataclasses.replace(state, told=everything("0" * 32))
    with pytest.raises(OtherBase):
        stored.to_bytes(torn)


def test_a_part_of_a_table_is_a_file_of_its_own() -> None:
    table = Table.of("strips", {2: rows(3), 1: rows(2)})
    again = stored.from_bytes(stored.to_bytes(Halves(np.ones(1), 0.5, table=table))).table
    assert again.parts == table.parts
    for _, name in again.parts:
        part = stored.from_bytes(stored.to_bytes(table.held[name]), "rows")
        assert canon.digest(part) == name


def test_a_view_alone_is_no_file() -> None:
    with pytest.raises(BadType, match="state, model, summary, schema, learner, rows"):
        stored.to_bytes(View())


def test_a_file_of_another_kind_is_named() -> None:
    with pytest.raises(CorruptState, match="got a model; wanted a state"):
        stored.from_bytes(stored.to_bytes(Holds(1)), "state")


def test_a_tag_belongs_to_one_class() -> None:
    Other = dataclasses.make_dataclass("Holds", ["value"], bases=(Model,), frozen=True)
    with pytest.raises(BadType, match=r"tests\.Holds/1"):
        stored.register("tests", Other)
    stored.register("tests", Holds)


@pytest.mark.parametrize("prefix", ["", "a b", "1", "a/b", "é"])
def test_a_tag_is_a_name(prefix: str) -> None:
    with pytest.raises(BadType, match="tag"):
        stored.register(prefix, Stranger)


@dataclasses.dataclass(frozen=True, eq=False)
class Later(Model):
    """Its fields were changed once."""

    edition: ClassVar[int] = 2
    value: Any = None


def test_a_class_of_another_edition_is_not_taken_for_this_one() -> None:
    stored.register("tests", Later)
    arrays, tree = stored.encode(Later(1))
    assert stored.from_bytes(stored.to_bytes(Later(1))).value == 1
    for edition in (1, 3):
        other = spelled(tree).replace(b"Later/2", f"Later/{edition}".encode())
        with pytest.raises(NewerFormat, match=f"tests.Later/{edition}"):
            stored.from_bytes(packed(arrays, other))


def test_annotations_that_name_nothing_are_refused() -> None:
    Vague = dataclasses.make_dataclass("Vague", [("value", "Unheard")], bases=(Model,))
    with pytest.raises(BadType, match="Unheard"):
        stored.register("tests", Vague)


def test_every_built_in_learner_is_on_the_list_with_its_models() -> None:
    tags = stored.registry()
    homes = set(nacre._HOME.values())
    for prefix, module in stored.BUILT_IN.items():
        classes = [cls for tag, cls in tags.items() if tag.startswith(f"{prefix}.")]
        for wanted in (Learner, Model) if module in homes else (Model,):
            assert any(issubclass(cls, wanted) for cls in classes), (prefix, wanted)
    assert {State, Schema, View, Table, MomentSums, Rows, KeyedSums} <= set(tags.values())


def test_the_golden_file_is_read_and_written_as_on_the_day_it_was_made() -> None:
    data = GOLDEN.read_bytes()
    assert len(data) < 50_000
    state = stored.from_bytes(data, "state")
    assert stored.to_bytes(state) == data
    assert state.digest == small_state().digest
    assert stored.to_bytes(small_state()) == data


def test_the_golden_file_is_of_the_layout_that_the_documentation_draws() -> None:
    data = GOLDEN.read_bytes()
    assert data[:16] == b"NACRE\x00\x00\x01" + (1).to_bytes(8, "little")
    assert opened(data).text.startswith(
        b'{"format":1,"kind":"state","value":{"class":"nacre.State/1"'
    )
