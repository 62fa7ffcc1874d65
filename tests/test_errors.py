"""Errors say got, wanted and do, and survive the wire."""

from __future__ import annotations

import pickle

import pytest

from nacre import errors
from nacre.errors import NacreError
from nacre.laws.engine import error_classes


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_an_error_comes_back_from_the_wire(kind: type[NacreError]) -> None:
    error = kind(got="3 columns", wanted="2", do="Pass two.", where="a.parquet", says="Sentence.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.fields() == error.fields()
    assert str(again) == "a.parquet: Sentence. got 3 columns; wanted 2. Pass two."
    assert 0 < kind.exit_code < 256
    assert kind.code == kind.code.lower()
    assert kind.__doc__


def test_bad_input_is_what_scikit_learn_users_catch() -> None:
    assert issubclass(errors.BadInput, ValueError)
    assert issubclass(errors.BadType, TypeError)
    assert issubclass(errors.UnknownName, AttributeError)


def test_a_place_is_added_once() -> None:
    error = errors.BadInput(got="a", wanted="b", do="c").at("x").at("y")
    assert error.where == "x"


def test_arguments_are_keywords_only() -> None:
    with pytest.raises(TypeError):
        errors.BadInput("a", "b", "c")  # type: ignore[call-arg]
