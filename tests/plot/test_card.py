"""The card of a learner: it says what it is, nothing in it acts, and it is small."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.cluster import KMeans as Theirs
from sklearn.cluster import MiniBatchKMeans
from sklearn.pipeline import make_pipeline

import nacre
from nacre.plot.card import card
from tests.plot.test_page import CHROMIUM, HOSTILE, Elements

NAMES = [HOSTILE, '" onmouseover="alert(1)', "x" * 5_000, "plain"]


def frame(names: list[str], n: int = 90) -> Any:
    import pandas as pd

    X = np.random.default_rng(0).normal(size=(n, len(names)))
    return pd.DataFrame(X + 9 * (np.arange(n) % 3)[:, None], columns=names)


def text_of(html: str) -> str:
    """What a reader sees."""
    return " ".join("".join(Elements(re.sub(r"<style>.*?</style>", "", html)).text).split())


LEARNERS: list[Any] = [
    nacre.KMeans(3),
    nacre.KMeans(3, metric="cosine"),
    nacre.KMeans(3, metric="manhattan"),
    nacre.KMeans("auto"),
    nacre.PCA(2),
    nacre.Scale(),
    nacre.Impute(),
    nacre.RobustScale(),
    nacre.Clip(),
    nacre.Moments(),
    nacre.Histogram(),
    nacre.Quantiles(),
    nacre.Sample(20),
    nacre.Hashing(8),
    nacre.OneHot(max_categories=4),
    nacre.Dedup(),
    nacre.chain(nacre.Impute(), nacre.Scale(), nacre.PCA(2), nacre.KMeans(2)),
]


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
def test_every_learner_has_one(learner: Any) -> None:
    assert "not fitted" in text_of(card(learner))
    learner.fit(frame(list("abcd")))
    seen = text_of(card(learner))
    assert "rows90" in seen
    assert "columns4 float64: a, b, c, d" in seen
    assert learner.state_.digest[:12] in seen
    assert "converged" in seen


def test_nothing_in_it_acts_or_is_fetched() -> None:
    tame = nacre.KMeans(3).fit(frame(list("abcd")))
    hostile = nacre.KMeans(3).fit(frame(NAMES))
    html = hostile._repr_html_()
    assert [tag for tag, _ in Elements(html).found] == [
        tag for tag, _ in Elements(tame._repr_html_()).found
    ]
    attributes = {name for _, given in Elements(html).found for name in given}
    assert attributes == {"class", "scope", "title"}
    assert re.search(r"url\(|@import|http|script", html.replace("&lt;/script&gt;", "")) is None
    assert not {"\u202e", "\x1b", "\u2028"} & set(html)
    assert "x" * 60 not in html


def test_parameters_do_not_act_either() -> None:
    learner = nacre.KMeans(3, init=HOSTILE, metric='"><b onload=x>')
    assert {tag for tag, _ in Elements(card(learner)).found} <= {
        *("div", "style", "p", "b", "span", "table", "tr", "th", "td")
    }


def test_a_state_of_others_does_not_act_either() -> None:
    learner = nacre.Scale().fit(frame(["a"]))
    state = learner.state_
    learner.state_ = replace(state, schema=replace(state.schema, dtype=f"<b>{HOSTILE}"))
    html = card(learner)
    assert {tag for tag, _ in Elements(html).found} <= {
        *("div", "style", "p", "b", "span", "table", "tr", "th", "td", "code")
    }
    assert html.count("<b>") == 1
    assert html.isprintable()


def test_figures_that_nobody_knows_are_shown() -> None:
    theirs = MiniBatchKMeans(2, n_init=1, compute_labels=False).fit(frame(["a"]))
    assert "inertianan" in text_of(card(nacre.from_sklearn(theirs)))


def test_arrays_in_a_parameter_are_no_default() -> None:
    odd: Any = (np.ones(2), 75.0)
    told = text_of(card(nacre.RobustScale(quantile_range=odd)))
    assert "quantile_range=(array([1., 1.]), 75.0)" in told


@pytest.mark.parametrize("n_columns", [1, 1_000])
def test_it_is_below_10_kb(n_columns: int) -> None:
    names = [f"{'&' * 100}{i}" for i in range(n_columns)]
    chained = nacre.chain(*(nacre.Clip(0.1, 0.5 + i / 99) for i in range(40)), nacre.KMeans(2))
    learner = nacre.Scale().fit(frame(names, 3))
    for one in (card(learner), card(chained), card(nacre.KMeans(2, init=np.ones((2, 10**6))))):
        assert len(one.encode()) < 10_000
    assert "array of shape (2, 1000000)" in card(nacre.KMeans(2, init=np.ones((2, 10**6))))


def test_it_says_what_differs_from_the_defaults() -> None:
    told = text_of(card(nacre.KMeans(8, tol=0.1, random_state=None)))
    assert "tol=0.1" in told
    assert "n_clusters" not in told
    told = text_of(card(nacre.chain(nacre.Scale(), nacre.PCA(2))))
    assert "PCAn_components=2" in told
    assert "Scale →" in told


def test_it_says_how_a_fit_went() -> None:
    X = frame(list("ab"), 3_000)
    weights = np.arange(3_000) % 4
    with pytest.warns(RuntimeWarning, match="stopped by max_passes=2"):
        learner = nacre.KMeans(30, algorithm="lloyd", tol=0).fit(
            X, sample_weight=weights, max_passes=2
        )
    told = text_of(card(learner))
    assert "fitted, stopped early" in told
    assert "endedmax_passes=2" in told
    assert "3,000, weight 4,500" in told
    scale = nacre.Scale().fit(X)
    for _ in range(3):
        scale.partial_fit(X)
    assert "partial_fit3 more calls" in text_of(card(scale))
    theirs = Theirs(2, n_init=1).fit(X)
    assert "fitted by scikit-learn" in text_of(card(nacre.from_sklearn(theirs)))


def test_a_notebook_is_given_it() -> None:
    learner = nacre.KMeans(3)
    bundle = learner._repr_mimebundle_(include=None)
    assert bundle == {"text/plain": "KMeans(n_clusters=3)", "text/html": card(learner)}
    assert learner._repr_html_() == card(learner)
    with sklearn.config_context(display="text"):
        assert not hasattr(learner, "_repr_html_")
        assert set(learner._repr_mimebundle_()) == {"text/plain"}
    assert "KMeans" in make_pipeline(nacre.Scale(), learner)._repr_html_()  # scikit-learn's own


@dataclass(eq=False, repr=False)
class Strange(nacre.KMeans):
    """Of nobody's table, with a parameter that has no default."""

    more: Any = None


def test_learners_of_others_have_one() -> None:
    told = text_of(card(Strange(2, more={"a": [1]}).fit(frame(list("ab")))))
    assert "Strange" in told
    assert "more={'a': [1]}" in told
    assert "clusters2" in told


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_a_browser_shows_it_in_light_and_dark(tmp_path: Path) -> None:
    """Its ground follows the scheme that the reader prefers, and no line leaves a narrow card."""
    cards = "".join(card(learner) for learner in LEARNERS[:2]) + card(
        nacre.Scale().fit(frame(NAMES))
    )
    page = tmp_path / "card.html"
    look = (
        "const c=document.querySelectorAll('.nacre-card');"
        "document.title=getComputedStyle(c[0]).backgroundColor+' '+"
        "[...c].every(e=>e.scrollWidth<=e.clientWidth)"
    )
    page.write_text(f"<!doctype html><meta charset=utf-8>{cards}<script>{look}</script>")
    seen = {}
    for scheme in (0, 1):  # dark, light
        done = subprocess.run(
            [
                str(CHROMIUM),
                *("--headless", "--no-sandbox", "--disable-gpu", "--window-size=380,800"),
                *(f"--user-data-dir={tmp_path}/{scheme}", "--dump-dom", "--disable-sync"),
                f"--blink-settings=preferredColorScheme={scheme}",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        title = re.search(r"<title>(.*?)</title>", done.stdout)
        assert title is not None
        seen[scheme] = title[1]
    assert seen == {0: "rgb(27, 30, 36) true", 1: "rgb(255, 255, 255) true"}
    assert shutil.which(str(CHROMIUM))
