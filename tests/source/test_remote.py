"""Files elsewhere: S3 (a server of moto), HTTP (a server of Python), memory; and no key is told."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from nacre.errors import BadInput, NotFound, Unavailable
from nacre.source.read import plan_of, read
from tests.source.adapters import arrow_file, columns, mapped, packed_text, parquet, text
from tests.source.learners import Means
from tests.source.refusal import refused
from tests.store import buckets
from tests.store.buckets import KEY as KEY
from tests.store.buckets import SECRET as SECRET

NAMES = ("rows.parquet", "rows.arrow", "rows.csv", "rows.csv.gz", "mapped.npy")


def rows() -> Any:
    return np.random.default_rng(0).standard_normal((900, 4)).astype("float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows in every format."""
    folder = tmp_path_factory.mktemp("remote")
    for make in (parquet, arrow_file, text, packed_text, mapped):
        make(columns(rows()), folder)
    return folder


class Ranged(http.server.SimpleHTTPRequestHandler):
    """Answers to Range, as stores do."""

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked:
            return super().do_GET()
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        data = path.read_bytes()
        first, _, last = asked.partition("-")
        low = int(first) if first else len(data) - int(last)
        part = data[low : int(last) + 1 if first and last else len(data)]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {low}-{low + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        return None


class Whole(http.server.SimpleHTTPRequestHandler):
    """Sends whole files only."""

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path, handler: Any) -> Iterator[str]:
    make = partial(handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), make)
    server.handle_error = lambda *about: None  # type: ignore[method-assign]  # who hangs up early
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def bucket(folder: Path) -> Iterator[str]:
    """An S3 bucket with these files in `day/`."""
    with buckets.served() as uri:
        system = fsspec.filesystem("s3")
        for name in NAMES:
            system.put(str(folder / name), f"{uri}/day/{name}")
        yield f"{uri}/day"


def digest(data: Any, engine: str = "serial") -> str:
    return Means().fit(read(data, id="x", shard_rows=200), engine=engine).state_.digest


@pytest.mark.filterwarnings("ignore")  # of botocore and moto about themselves
@pytest.mark.parametrize("name", NAMES)
def test_s3(name: str, bucket: str, folder: Path) -> None:
    assert digest(f"{bucket}/{name}", "threads:2") == digest(rows())
    plan = plan_of(f"{bucket}/{name}")
    assert list(plan.ids) == [name]
    assert plan.shards[0].where == f"{bucket}/{name} rows 0 to 899"


@pytest.mark.filterwarnings("ignore")
def test_s3_folders_and_what_is_not_there(bucket: str) -> None:
    assert list(plan_of(f"{bucket}/*.npy").ids) == ["mapped.npy"]
    assert list(plan_of(bucket).ids) == ["rows.parquet"]
    assert list(plan_of(read(f"{bucket}/*.csv", root=bucket.removesuffix("/day"))).ids) == [
        "day/rows.csv"
    ]
    for lost in (f"{bucket}/none.csv", f"{bucket}/*.npz", "s3://nowhere/x.csv"):
        error = refused(NotFound, lambda lost=lost: plan_of(lost), "no file")  # type: ignore[misc]
        assert KEY not in str(error)
        assert SECRET not in str(error)


@pytest.mark.parametrize("name", NAMES)
def test_http(name: str, folder: Path) -> None:
    with served(folder, Ranged) as address:
        assert digest(f"{address}/{name}", "threads:2") == digest(rows())
        (found,) = plan_of(f"{address}/{name}?token={SECRET}").ids.items()
        assert found[0] == name
        assert found[1].where == f"{address}/{name}"


def test_http_of_whole_files(tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_bytes(b"a,b\n" + b"1,2\n" * 2_000_000)
    with served(tmp_path, Whole) as address:
        refused(BadInput, lambda: plan_of(f"{address}/big.csv"), "HTTP Range", "simplecache::")
        assert plan_of(f"simplecache::{address}/big.csv").n_rows == 2_000_000


def test_no_key_is_told(folder: Path) -> None:
    with served(folder, Ranged) as address:
        hidden = address.replace("http://", f"http://{KEY}:{SECRET}@")
        for lost in (f"{hidden}/none.csv?token={SECRET}", f"{hidden}/none*.csv"):
            error = refused(NotFound, lambda lost=lost: plan_of(lost))  # type: ignore[misc]
            assert SECRET not in str(error)
            assert KEY not in str(error)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = f"http://{KEY}:{SECRET}@127.0.0.1:{port}/x.csv?token={SECRET}"
    error = refused(Unavailable, lambda: plan_of(nobody), "no answer", f"127.0.0.1:{port}/x.csv")
    assert SECRET not in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize("name", NAMES)
def test_memory(name: str, folder: Path) -> None:
    system = fsspec.filesystem("memory")
    system.pipe(f"/remote/{name}", (folder / name).read_bytes())
    assert digest(f"memory://remote/{name}", "threads:2") == digest(rows())
    assert list(plan_of("memory://remote").ids) == [name]
    system.rm("/remote", recursive=True)
