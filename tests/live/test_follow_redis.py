"""Following a stream of a real Redis: no event is lost, none comes twice, wherever it stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nacre
from nacre.canon import digest
from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, Conflict, Fenced, Unavailable
from nacre.evolve.runs import Runs, of_id
from nacre.live.follow import Pace
from nacre.live.follow_redis import RedisStream
from nacre.live.model import Live
from nacre.live.numbered import After
from nacre.store.life import Position
from nacre.store.place_memory import MemoryPlace
from tests.live.following import child, follower, heard_rows
from tests.live.lives import memory, opened, summed
from tests.live.redis_server import Server, running

FIELDS = ("x", "y")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis")) as one:
        yield one


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """Of a stream that no other test has."""
    return str(request.node.name).translate({ord("["): "-", ord("]"): None})


def numbers(n: int, first: int = 0) -> Array:
    """(n, 2) float64: no two rows alike."""
    at = np.arange(first, first + n, dtype=np.float64)
    return np.stack([at, np.sqrt(at)], axis=1)


def entries(X: Array) -> list[Mapping[str, Any]]:
    return [dict(zip(FIELDS, map(repr, row.tolist()), strict=True)) for row in X]


def is_one_pass(live: Live, key: str, X: Array) -> None:
    """Every row is in it once, in its place: the sum is that of one pass over the batches."""
    lines = sorted(live.ledger.alive(), key=lambda line: of_id(line.id) or ("", 0))
    rows, times, runs = {}, {}, Runs()
    for line in lines:
        found = of_id(line.id)
        assert found is not None
        stream, first = found
        assert stream == f"redis:{key}"
        runs, new, n_known = runs.add(first, first + line.n_rows)
        assert (len(new), n_known) == (1, 0)
        rows[line.id], times[line.id] = X[first : first + line.n_rows], line.time
    assert list(runs) == [(0, len(X))]
    assert live.state.told.n_rows == len(X)
    assert digest(live.state.told) == digest(summed(live, rows, times))


def test_entries_are_absorbed_once(server: Server, key: str) -> None:
    live, X = opened(learner=nacre.Moments()), numbers(1_200)
    ids = server.add(key, entries(X))
    one = follower(live, RedisStream(server.uri(key)))
    one.once()
    assert [names[0] for names in one.listener.names] == [ids[at].decode() for at in (0, 500, 1000)]
    server.add(key, entries(numbers(5, 1_200)))
    one.once()
    follower(live, RedisStream(server.uri(key))).once()
    is_one_pass(live, key, numbers(1_205))
    assert live.position(f"redis:{key}").offset == 1_205
    assert live.feature_names_in_.tolist() == list(FIELDS)
    ms = int(ids[0].partition(b"-")[0])
    assert live.ledger.find(f"redis:{key}@0").first // 10**6 >= ms  # type: ignore[union-attr]


@pytest.mark.parametrize("learner", [nacre.KMeans(2), nacre.Moments()])
def test_where_it_stands_is_in_the_commit(learner: Any, server: Server, key: str) -> None:
    where, X = memory(), numbers(300)
    server.add(key, entries(X))
    follower(opened(where, learner), RedisStream(server.uri(key)), Pace(9, 100)).once()
    again = nacre.open(where)
    position = again.position(f"redis:{key}")
    assert (position.offset, again.version, again.state.told.n_rows) == (300, 3, 300)
    life = again.about()["life"]
    assert life["streams"] == {f"redis:{key}": "0 to 299"}
    assert life["positions"] == {f"redis:{key}": position.mark}
    follower(again, RedisStream(server.uri(key))).once()
    assert again.version == 3


def test_the_columns_are_those_of_the_model(server: Server, key: str) -> None:
    import pyarrow as pa

    live = opened(learner=nacre.Moments())
    live.absorb(pa.table({"y": [1.0, 2.0], "x": [3.0, 4.0]}), id="first")
    server.add(key, [{"x": 5, "other": "text", "y": 6.5}])
    follower(live, RedisStream(server.uri(key))).once()
    np.testing.assert_allclose(live.mean_, [9.5 / 3, 4.0])
    plain = opened(learner=nacre.Moments())
    plain.absorb(np.array([[1.0, 3.0], [2.0, 4.0]]), id="first")
    with pytest.raises(BadParameter, match="columns have no names"):
        follower(plain, RedisStream(server.uri(key))).once()
    with pytest.raises(BadParameter, match="1 columns"):
        follower(plain, RedisStream(server.uri(key), columns=["x"])).once()
    follower(plain, RedisStream(server.uri(key), columns=["y", "x"])).once()
    np.testing.assert_array_equal(plain.mean_, live.mean_)


def test_bad_entries_are_named_and_set_aside(server: Server, key: str) -> None:
    X = numbers(10)
    good = entries(X)
    bad: list[Mapping[str, Any]] = [
        {"x": "one", "y": 2},
        {"x": 1},
        {"x": "nan", "y": 1},
        {"x": 1, "y": "1e200"},
    ]
    bad += [{"x": "1_000", "y": 1}, {"z": 1}]
    server.add(key, [*good[:5], *bad[:3], *good[5:], *bad[3:]])
    live = opened(learner=nacre.Moments())
    one = follower(live, RedisStream(server.uri(key)), Pace(9, 4))
    one.once()
    one.once()
    assert len(one.listener.bad) == len(bad)
    assert one.listener.bad[0].why == "b'one' in the field 'x', not a number that counts"
    assert one.listener.bad[1].why == "no field 'y'"
    is_one_pass(live, key, X)
    server.add(key, entries(numbers(3, 10)))
    one.once()
    is_one_pass(live, key, numbers(13))


def test_an_empty_stream_and_one_that_is_not_there(server: Server, key: str) -> None:
    live = opened(learner=nacre.Moments())
    one: Any = None
    one = follower(live, RedisStream(server.uri(key)), idle=lambda: one.stop.set())
    one.once()
    one.run()
    with server.client() as client:
        (id,) = server.add(key, entries(numbers(1)))
        client.xdel(key, id)
    one = follower(live, RedisStream(server.uri(key)))
    one.once()
    assert live.version == 0
    assert [bad.why for bad in one.listener.bad] == [
        "removed from the stream before they were read"
    ]


def test_rows_are_gathered_until_there_are_enough_or_it_is_time(
    server: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("nacre.live.follow.time.monotonic", lambda: clock[0])
    live = opened(learner=nacre.Moments())
    one = follower(live, RedisStream(server.uri(key)), Pace(every=5, rows=100))
    server.add(key, entries(numbers(40)))
    assert one._turn() == 0.2
    assert live.version == 0
    server.add(key, entries(numbers(80, 40)))  # 120: enough
    clock[0] = 1.0
    assert one._turn() == 0
    assert live.position(f"redis:{key}").offset == 100
    for second, offset in ((2.0, 100), (6.9, 100), (7.0, 120)):
        clock[0] = second
        one._turn()
        assert live.position(f"redis:{key}").offset == offset
    is_one_pass(live, key, numbers(120))


def test_killed_in_the_middle_of_20_000_events(server: Server, key: str, tmp_path: Path) -> None:
    """Takes as long as three starts of a process."""
    X = numbers(20_000)
    server.add(key, entries(X))
    begun = opened(tmp_path / "live", nacre.Moments())
    first = follower(begun, RedisStream(server.uri(key)), Pace(9, 250))
    first._absorb(first._look())
    for wanted in (2_000, 6_000):
        with child(server.uri(key), tmp_path / "live", rows=250) as process:
            assert heard_rows(process, wanted) >= wanted  # and killed
    live = nacre.open(tmp_path / "live")
    assert live.state.told.n_rows >= 8_250
    one = follower(live, RedisStream(server.uri(key)), Pace(9, 3_000))
    one.once()
    is_one_pass(live, key, X)
    assert one.listener.bad == []
    assert live.verify().problems == ()


def test_two_followers_each_event_once(server: Server, key: str, tmp_path: Path) -> None:
    X = numbers(20_000)
    server.add(key, entries(X))
    lives = [opened(tmp_path / "live", nacre.Moments()) for _ in range(2)]
    n_fenced, absorb = [0], Live.absorb

    def counted(live: Live, *args: Any, **options: Any) -> Any:
        try:
            return absorb(live, *args, **options)
        except Fenced:
            n_fenced[0] += 1
            raise

    def run(live: Live, rows: int) -> None:
        follower(live, RedisStream(server.uri(key)), Pace(9, rows)).once()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Live, "absorb", counted)
        threads = [
            threading.Thread(target=run, args=given)
            for given in zip(lives, (400, 700), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert n_fenced[0] > 0
    is_one_pass(nacre.open(tmp_path / "live"), key, X)


def test_threads_of_one_live_model_each_event_once(server: Server, key: str) -> None:
    X, live = numbers(5_000), opened(learner=nacre.Moments())
    server.add(key, entries(X))
    sources = [RedisStream(server.uri(key)) for _ in range(3)]
    threads = [
        threading.Thread(target=follower(live, source, Pace(9, 150)).once) for source in sources
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    is_one_pass(live, key, X)


def test_the_server_goes_away_and_comes_back(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nacre.live.follow.FIRST_WAIT", 0.001)
    live = opened(learner=nacre.Moments())
    with running(tmp_path) as server:
        server.add(key, entries(numbers(1_000)))
        source = RedisStream(server.uri(key))
        steps: Iterator[Any] = iter([server.stop, lambda: None])
        one: Any = None

        def more() -> None:
            server.start()
            server.add(key, entries(numbers(300, 1_000)))

        one = follower(
            live,
            source,
            took=lambda: next(steps, lambda: None)(),
            away=more,
            idle=lambda: one.stop.set(),
        )
        one.run()
        assert one.listener.events == ["took", "away", "took", "back", "took", "idle"]
        is_one_pass(live, key, numbers(1_300))


def test_every_second_commit_fails_or_its_answer_is_lost(
    server: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nacre.live.follow.FIRST_WAIT", 1e-4)
    X, create, n_tried = numbers(2_000), MemoryPlace.create, [0]
    server.add(key, entries(X))

    def failing(place: MemoryPlace, name: str, *parts: bytes) -> bool:
        if not name.startswith("commits/"):
            return create(place, name, *parts)
        n_tried[0] += 1
        done = n_tried[0] % 3 > 0 and create(place, name, *parts)
        if n_tried[0] % 3 < 2:
            raise Unavailable(got="nothing", wanted="an answer", do="Wait.")
        return done

    monkeypatch.setattr(MemoryPlace, "create", failing)
    live = opened(memory(), nacre.Moments())
    one: Any = None
    pace = Pace(every=0.001, rows=60)
    one = follower(live, RedisStream(server.uri(key)), pace, idle=lambda: one.stop.set())
    one.run()
    assert one.listener.events.count("away") > 20
    is_one_pass(live, key, X)


def test_what_was_dropped_unread_is_named(server: Server, key: str) -> None:
    live = opened(learner=nacre.Moments())
    server.add(key, entries(numbers(10)))
    one = follower(live, RedisStream(server.uri(key)))
    one.once()
    server.add(key, entries(numbers(10, 10)))
    with server.client() as client:
        client.xtrim(key, maxlen=12, approximate=False)  # all that was dropped had been read
        follower(live, RedisStream(server.uri(key)))._look()
        client.xtrim(key, maxlen=3, approximate=False)
    again = follower(live, RedisStream(server.uri(key)))
    again.once()
    again.once()
    (bad,) = again.listener.bad
    assert bad.name.startswith("at least 7 entries after ")
    assert live.state.told.n_rows == 13


def test_another_stream_under_the_key_is_refused(server: Server, key: str) -> None:
    live = opened(learner=nacre.Moments())
    server.add(key, entries(numbers(3)))
    one = follower(live, RedisStream(server.uri(key)))
    one.once()
    before = live.state.digest
    with server.client() as client:
        client.delete(key)
        with pytest.raises(Conflict, match="no such stream"):
            one.once()
        client.xadd(key, {"x": 1, "y": 1}, id="5-1")
        with pytest.raises(Conflict, match=r"whose last entry is 5-1"):
            follower(live, RedisStream(server.uri(key))).once()
        client.set("text", "value")
    assert live.state.digest == before
    follower(live, RedisStream(server.uri(key), name="second")).once()
    assert live.state.told.n_rows == 4
    with pytest.raises(BadInput, match="wanted a stream"):
        follower(live, RedisStream(server.uri("text"))).once()
    with pytest.raises(Unavailable):
        follower(live, RedisStream("redis://127.0.0.1:1/0/none")).once()


def test_rows_after_a_position() -> None:
    live, X = opened(learner=nacre.Moments()), numbers(10)
    begin = live.position("s")
    assert begin == Position(0, "")
    live.absorb(X[:4], id=After("s", begin, "d"))
    assert live.position("s") == Position(4, "d")
    with pytest.raises(Fenced, match="somebody else went on"):
        live.absorb(X[:6], id=After("s", begin, "f"))
    with pytest.raises(Fenced):
        live.absorb(X[5:], id=After("s", Position(5, "e"), "j"))
    assert live.absorb(X[4:], id=After("s", live.position("s"), "j")).n_rows == 6
    assert live.absorb(X[2:], id=("s", 2)).n_known_rows == 8
    live.absorb(X, id=("t", 0))
    with pytest.raises(Conflict, match="was absorbed already"):
        live.absorb(X, id=After("t", live.position("t"), "j"))
    live.erase("s@4")
    assert live.position("s") == Position(10, "j")  # what was erased does not come again
    with pytest.raises(BadParameter, match="the stream"):
        live.absorb(X, id=After("a/b", Position(), ""))
    with pytest.raises(BadInput, match="rows of a stream"):
        live.absorb("file.npy", id=After("s", live.position("s"), ""))
    with pytest.raises(Conflict, match="the id of an entry"):
        RedisStream("redis://x/0/s", name="s").look(live, 1)


def test_merged_models_go_on_where_the_furthest_stands(server: Server, key: str) -> None:
    X = numbers(90)
    server.add(key, entries(X[:40]))
    first = opened(learner=nacre.Moments())
    follower(first, RedisStream(server.uri(key))).once()
    copy = nacre.merge(first)
    server.add(key, entries(X[40:60]))
    follower(copy, RedisStream(server.uri(key))).once()
    for models in ((first, copy), (copy, first)):
        both = nacre.merge(*models)
        assert both.position(f"redis:{key}") == copy.position(f"redis:{key}")
        is_one_pass(both, key, X[:60])
    server.add(key, entries(X[60:]))
    follower(both, RedisStream(server.uri(key))).once()
    is_one_pass(both, key, X)
    follower(first, RedisStream(server.uri(key))).once()
    with pytest.raises(Conflict, match="one content under an id"):
        nacre.merge(first, both)


@pytest.mark.parametrize(
    "uri", ["redis://h", "redis://h/0", "redis://h/clicks", "redis://h//k", "http://h/0/k"]
)
def test_addresses_that_name_no_stream(uri: str) -> None:
    with pytest.raises(BadParameter, match="the number of the database, then the key"):
        RedisStream(uri)
    with pytest.raises(BadParameter) as refused:
        RedisStream("redis://me:secret@host/x")
    assert "secret" not in str(refused.value)
