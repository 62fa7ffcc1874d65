"""How an error is asked for: it says what was got, what was wanted and what to do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from nacre.errors import NacreError


def refused(kind: type[NacreError], call: Callable[[], Any], *texts: str) -> NacreError:
    """The error of `call`: exactly of this kind, complete, with these texts, and fit to travel."""
    with pytest.raises(NacreError) as raised:
        call()
    error = raised.value
    assert type(error) is kind, error
    assert error.got
    assert error.wanted
    assert error.do
    assert [text for text in texts if text not in str(error)] == [], str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert error.__cause__ is None
    return error
