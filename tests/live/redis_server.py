"""A server of Redis, started by a test on a free port of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = "redis-server"


@dataclass
class Server:
    """A server that can be stopped and started again; it keeps what it has in a folder.

    Attributes:
        folder: where.
        port: on this machine.
    """

    folder: Path
    port: int
    process: Any = None

    def start(self) -> None:
        how = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        keep = ["--save", "", "--appendonly", "yes", "--appendfsync", "no"]
        self.process = subprocess.Popen([COMMAND, *how, *keep], stdout=subprocess.PIPE, text=True)
        ready = any("Ready to accept connections" in line for line in self.process.stdout)
        assert ready, "redis-server ended"

    def stop(self) -> None:
        self.process.terminate()
        self.process.stdout.read()
        assert self.process.wait() == 0
        self.process.stdout.close()

    def uri(self, key: str) -> str:
        return f"redis://127.0.0.1:{self.port}/0/{key}"

    @contextmanager
    def client(self) -> Iterator[Any]:
        import redis

        with redis.Redis(port=self.port, protocol=2) as client:
            yield client

    def add(self, key: str, entries: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """Ids of entries that are added one after another."""
        with self.client() as client:
            pipe = client.pipeline(transaction=False)
            for fields in entries:
                pipe.xadd(key, dict(fields))
            ids: list[bytes] = pipe.execute()
        return ids


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server, empty at first."""
    if os.environ.get("NACRE_REQUIRE") != "all":
        pytest.importorskip("redis", reason="redis is not installed")
        if shutil.which(COMMAND) is None:
            pytest.skip("no redis-server on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, port)
    server.start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
