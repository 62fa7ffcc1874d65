"""A bucket of S3: a real server, of moto, in this process.

Moto looks first and writes then, in many threads: with a quick switch of threads two of 16 writers
of one name were told that they were first, in 3 of 40 races. S3 promises that one is; so here PUTs
take turns.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

KEY, SECRET = "AKIANACRE", "very-secret-key"


@contextmanager
def served() -> Iterator[str]:
    """The URI of an empty bucket, which credentials in the environment may use."""
    if os.environ.get("NACRE_REQUIRE") != "all":
        pytest.importorskip("moto", reason="moto is not installed")
        pytest.importorskip("s3fs", reason="s3fs is not installed")
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        turns = threading.Lock()

        def in_turn(put: Callable[[], Any]) -> Any:
            with turns:
                return put()

        s3fs.S3FileSystem.clear_instance_cache()
        try:
            with puts(in_turn):
                name = f"life-{os.urandom(4).hex()}"  # all servers of a process share one world
                s3fs.S3FileSystem().mkdir(name)
                yield f"s3://{name}"
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            server.stop()


@contextmanager
def puts(through: Callable[[Callable[[], Any]], Any]) -> Iterator[None]:
    """Every PUT of an object on the server goes through a function."""
    from moto.s3.responses import S3Response

    real = S3Response.put_object

    def put(self: Any) -> Any:
        return through(lambda: real(self))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "put_object", put)
        yield
