"""Every learner, ours and the spike's, under every law over time; and that these laws bite."""

from __future__ import annotations

from typing import Any

import pytest

import nacre
from nacre.canon import hash64
from nacre.contract import Summary
from nacre.evolve import leaves
from nacre.evolve.leaves import Leaves
from nacre.laws import TIME_LAWS, Case, LawBroken, life
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.count.moments import Moments
from nacre.learn.prepare.scale import Scale
from nacre.learn.reduce.pca import PCA
from nacre.live import merging, requests, running, taking, views
from nacre.store.format import register
from tests.cases import CASES
from tests.spike.cases_iterative import blobs


@pytest.mark.parametrize("name", TIME_LAWS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_learner(case: Case, name: str) -> None:
    TIME_LAWS[name](case, hash64(case.name) % 2**32)  # one seed: a case has one life for all laws


class Remembers(Moments):
    """Learns from how often it was asked."""

    n_asked = 0

    def observe(self, model: Any, batch: Any) -> Summary:
        Remembers.n_asked += 1
        return super().observe(model, batch).scale(1 + Remembers.n_asked)


class Moves(Scale):
    """Moves its frame, and says that it does not."""

    def advance(self, model: Any, told: Any) -> Any:
        raise ArithmeticError


register("tests.life", Remembers, Moves)


def bitten(name: str, learner: Any, seed: int = 0) -> None:
    with pytest.raises(LawBroken):
        TIME_LAWS[name](Case(f"bitten {name}", learner, blobs), seed)


class TestBites:
    """Each law catches a fault planted in a learner or in what lets it live."""

    @pytest.mark.parametrize("name", [*TIME_LAWS][:3])
    def test_learners(self, name: str) -> None:
        if name != "absorbed_once":
            bitten(name, Remembers())
        bitten(name, Moves())

    def test_known_ids_with_other_content(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(taking, "same_content", lambda line, content: None)
        bitten("absorbed_once", Moments())

    def test_windows_that_are_too_wide(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Leaves, "between", lambda self, after, until: self)
        bitten("windows_and_earlier_times", Moments())

    def test_running_models_as_they_are_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(views, "newest_before", lambda version, ns: [*views.acts(version)][-1])
        bitten("windows_and_earlier_times", KMeans(2))

    def test_a_past_without_what_was_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Leaves, "alive_at", lambda self, moment: self)
        bitten("replaced_is_never_seen", Moments())

    def test_traces_of_what_was_erased(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Leaves.total
        monkeypatch.setattr(Leaves, "total", lambda self: real(self).scale(1 + len(self.past)))
        bitten("erased_is_never_seen", Moments())

    def test_erased_batches_that_come_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(requests, "check_not_erased", lambda *told: None)
        bitten("erased_is_never_seen", Moments())

    def test_common_batches_that_count_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(merging.Union, "_once", lambda self: None)
        bitten("merged_is_one_pass", Moments())

    def test_ages_that_do_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leaves, "faded_by", lambda told, age, half_life: told)
        bitten("late_data_fades_by_its_age", Moments())

    def test_late_batches_that_age_the_history(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def joined(policy: Any, told: Any, commit: Any, plan: Any, more: Any) -> Any:
            return told + more, commit.clock

        monkeypatch.setattr(running, "_joined", joined)
        bitten("late_data_fades_by_its_age", PCA(2, solver="krylov"))

    def test_another_store(self, monkeypatch: pytest.MonkeyPatch) -> None:
        case, real = Case("another", Moments(), blobs), nacre.open
        other, _, _ = life.life_of(case, 1)

        def opened(path: str, learner: Any = None, **options: Any) -> Any:
            return real(path if learner is not None else other, learner, **options)

        monkeypatch.setattr(nacre, "open", opened)
        bitten("opens_as_it_was", Moments())
