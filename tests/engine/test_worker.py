from __future__ import annotations

import pickle
from typing import Any

import pytest

from nacre.engine.held import Held
from nacre.engine.worker import Main, Shards, outcome
from nacre.errors import BadInput, LearnerFailed
from nacre.kernel.kernel_class import kernel_class


class Local(Exception):
    pass


def fail(error: BaseException) -> None:
    raise error


def told(work: Any, *given: Any) -> tuple[bool, Any, str]:
    done, value, trace = pickle.loads(outcome(work, *given))
    return done, value, trace


def test_a_result_is_told() -> None:
    assert told(max, 3, 4) == (True, 4, kernel_class())


def test_an_error_is_told_with_its_traceback() -> None:
    done, error, trace = told(fail, BadInput(got="a", wanted="b", do="c", where="here"))
    assert (done, type(error), error.where) == (False, BadInput, "here")
    assert "raise error" in trace


def test_errors_of_others_are_bugs_of_the_learner() -> None:
    done, error, _ = told(fail, Local("x"))
    assert (done, type(error)) == (False, LearnerFailed)
    assert "Local: x" in error.got


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_is_no_error_is_told_as_well(kind: type[BaseException]) -> None:
    done, error, _ = told(fail, kind(3))
    assert (done, type(error), error.args) == (False, kind, (3,))


def test_an_error_that_does_not_pickle_has_a_stand_in() -> None:
    class Odd(BadInput):
        pass

    done, error, _ = told(fail, Odd(got="a", wanted="b", do="c", where="here"))
    assert (done, type(error), error.where) == (False, LearnerFailed, "here")
    assert error.got == "Odd: here: got a; wanted b. c"


def test_a_result_that_does_not_pickle_is_a_failure() -> None:
    done, error, _ = told(lambda: fail.__code__)
    assert (done, type(error)) == (False, LearnerFailed)
    assert "code" in error.got


def test_shards_arrive_as_held() -> None:
    held = pickle.loads(pickle.dumps(Shards(["a", "b"], 7)))
    assert isinstance(held, Held)
    assert (held.shards, held.cache.limit) == (["a", "b"], 7)


def test_main_is_imported_once_and_only_when_met(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[Any] = []

    def prepare(found: Any) -> None:
        imported.append((found, Main.under_way))
        Main.meet("__main__")

    monkeypatch.setattr("nacre.engine.worker.prepare", prepare)
    monkeypatch.setattr(Main, "found", {"init_main_from_path": "script.py"})
    Main.meet("numpy")
    assert imported == []
    Main.meet("__mp_main__")
    Main.meet("__main__")
    assert imported == [({"init_main_from_path": "script.py"}, True)]
    assert not Main.under_way
