"""The workers of `processes`: seats for fresh interpreters, and the jobs that wait for one.

A worker is started with a socket and speaks over it alone. `multiprocessing.Process` would import
the user's script into every worker, and would set the environment of the parent.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Pipe
from multiprocessing.reduction import send_handle
from multiprocessing.spawn import get_executable, get_preparation_data
from typing import Any

from nacre.engine.failure import closed_meanwhile
from nacre.engine.shared import Parcel
from nacre.engine.tree import Span
from nacre.engine.worker import GRACE, Main, News, Order
from nacre.errors import BadType, LearnerFailed, WorkerLost

MOST_DEATHS = 3  # of workers over one block
ALONE = ("BLIS", "MKL", "NUMBA", "OMP", "OPENBLAS", "VECLIB_MAXIMUM")


@dataclass(eq=False)
class Job:
    """A block of work.

    Attributes:
        shards: the parcel of all shards that are held.
        letter: the parcel of the task and its model.
        where: the shards of the block, for messages.
        homes: block -> index of the seat that had it last.
    """

    shards: Parcel
    letter: Parcel
    block: Span
    where: str
    homes: dict[Span, int]
    future: Future[Any] = field(default_factory=Future)


class Pool:
    """Seats for workers, each served by a thread, and the jobs that wait.

    Raises:
        BadType: a worker that imports the user's script runs into this.
    """

    def __init__(self, n_workers: int) -> None:
        if Main.under_way:
            raise BadType(
                got="a script that begins its work when a worker imports it for a class of it",
                wanted="its body under `if __name__ == '__main__':`",
                do="Indent the body under that line, or move the class into a module.",
            )
        self.pid = os.getpid()
        self.turn = threading.Condition()
        self.waiting: list[Job] = []
        self.ended = False
        self.seats = [Seat(index, self.turn) for index in range(n_workers)]
        self.threads = [
            threading.Thread(target=self._serve, args=(seat,), name="nacre", daemon=True)
            for seat in self.seats
        ]
        for thread in self.threads:
            thread.start()
        atexit.register(self.close)
        _pools.add(self)

    def submit(self, job: Job) -> Future[Any]:
        """Queue it."""
        with self.turn:
            self.waiting.append(job)
            self.turn.notify_all()
        return job.future

    def end(self) -> None:
        """Let the threads end, without waiting: a garbage collector may ask for it anywhere."""
        with self.turn:
            self.ended = True
            dropped, self.waiting = self.waiting, []
            self.turn.notify_all()
        for job in dropped:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(closed_meanwhile())
        atexit.unregister(self.close)

    def close(self) -> None:
        """End, and wait until every worker has."""
        self.end()
        for thread in self.threads:
            thread.join()

    def _serve(self, seat: Seat) -> None:
        while self._served(seat):
            pass
        seat.clear()

    def _served(self, seat: Seat) -> bool:
        """Do what comes next; False at the end. Between jobs nothing of them is kept alive."""
        with self.turn:
            self.turn.wait_for(lambda: self.ended or self.waiting or seat.gone)
            job = self._next(seat)
        if job is None:
            seat.forget()
        elif job.future.set_running_or_notify_cancel():
            try:
                result = seat.result(job)
            except BaseException as error:  # its traceback would keep the job, and that its future
                job.future.set_exception(error.with_traceback(None))
            else:
                job.future.set_result(result)
        return not self.ended

    def _next(self, seat: Seat) -> Job | None:
        homes = [job.homes.get(job.block) for job in self.waiting]
        follows = [seat.last == (job.shards.token, job.block[0]) for job in self.waiting]
        return self.waiting.pop(preferred(seat.index, homes, follows)) if homes else None


class Seat:
    """A worker and the way to it; when it dies, another takes its seat.

    Attributes:
        index: its number.
        n_sent: bytes sent to it and its predecessors; large arrays are not sent.
        known: tokens of the parcels that the worker has.
        gone: tokens of those that nobody needs any more.
        kernel_class: the worker's, once it has worked.
        last: token of the shards of its last block, and where that ended.
    """

    def __init__(self, index: int, turn: threading.Condition) -> None:
        self.index, self.turn, self.n_sent = index, turn, 0
        self.child: subprocess.Popen[bytes] | None = None
        self.known: set[int] = set()
        self.gone: deque[int] = deque()
        self.kernel_class = ""
        self.last: tuple[int, int] | None = None

    def result(self, job: Job) -> Any:
        """What a worker makes of a job; raises what it raised, or WorkerLost after three deaths."""
        deaths: list[str] = []
        while len(deaths) < MOST_DEATHS:
            child = self._seated()
            try:
                self._send(child, job)
                reply = self.wire.recv_bytes()
            except (EOFError, OSError):
                deaths.append(self.clear())
                continue
            job.homes[job.block] = self.index
            self.last = job.shards.token, job.block[1]
            value, self.kernel_class = _told(reply)
            return value
        raise WorkerLost(
            got=f"workers that died over these rows, one after another: {', '.join(deaths)}",
            wanted="one that lives",
            do="See stderr for what they said; SIGKILL mostly means too little memory.",
            where=job.where,
        )

    def forget(self) -> None:
        """Tell the worker what it need not keep."""
        if self.child is None:
            self.gone.clear()
            return
        try:
            self._send(self.child, None)
        except OSError:
            self.clear()

    def clear(self) -> str:
        """Let the worker end, and say how it did."""
        if self.child is None:
            return ""
        self.leave()
        try:
            code = self.child.wait(5 * GRACE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            code = self.child.wait()
        self.child = None
        self.known.clear()
        names = {-known.value: known.name for known in signal.Signals}
        return names.get(code, f"exit code {code}")

    def leave(self) -> None:
        """Close this process's end of the socket."""
        if self.child is not None:
            self.wire.close()

    def _seated(self) -> subprocess.Popen[bytes]:
        """The worker, where it lives; else a new one."""
        if self.child is None or self.child.poll() is not None:
            self.clear()
            self.wire, theirs = Pipe()
            with theirs:
                self.child = subprocess.Popen(
                    [get_executable(), "-P", "-c", program(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    env=environment(),
                    pass_fds=[theirs.fileno()],
                )
        return self.child

    def _send(self, child: subprocess.Popen[bytes], job: Job | None) -> None:
        gone = [self.gone.popleft() for _ in range(len(self.gone))]
        parcels = [] if job is None else self._news(job)
        news = [News(p.token, p.data, p.cuts, len(p.files)) for p in parcels]
        work = None if job is None else (job.shards.token, job.letter.token, job.block)
        data = pickle.dumps(Order(gone, news, sys.path if news else [], work), 5)
        self.wire.send_bytes(data)
        self.n_sent += len(data)
        for parcel in parcels:
            for file in parcel.files:
                send_handle(self.wire, file, child.pid)

    def _news(self, job: Job) -> list[Parcel]:
        """The parcels that the worker has yet to get; each is forgotten when its last user is."""
        news = [p for p in (job.shards, job.letter) if p.token not in self.known]
        for parcel in news:
            self.known.add(parcel.token)
            weakref.finalize(parcel, self._let_go, parcel.token).atexit = False
        return news

    def _let_go(self, token: int) -> None:
        self.known.discard(token)
        self.gone.append(token)
        with self.turn:
            self.turn.notify_all()


def _forked() -> None:
    """A forked child closes its copies of the sockets, or workers would outlive a killed parent."""
    for pool in list(_pools):
        for seat in pool.seats:
            seat.leave()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forked)


def preferred(seat: int, homes: Sequence[int | None], follows: Sequence[bool] = ()) -> int:
    """Which block a seat takes: the first that it had before; else the one that follows its last;
    else one that none had; else any.

    >>> preferred(1, [0, None, 1, 1]), preferred(1, [0, None]), preferred(1, [0, 0])
    (2, 1, 0)
    >>> preferred(1, [None, None], [False, True])
    1
    """
    on = follows or [False] * len(homes)
    return min(range(len(homes)), key=lambda i: (homes[i] != seat, not on[i], homes[i] is not None))


def environment() -> dict[str, str]:
    """A worker's environment: one thread for each library, and the sign that it is a worker."""
    return {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in ALONE}, "NACRE_WORKER": "1"}


def program(socket: int) -> str:
    """What a worker runs: deaf to Ctrl-C, which a terminal sends to parent and children alike."""
    return (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        f"sys.path[:] = {sys.path!r}; "
        f"from nacre.engine import worker; worker.main({socket}, {main_module()!r})"
    )


def main_module() -> dict[str, Any]:
    """How a worker finds the main module; empty for a prompt, a notebook and standard input."""
    found = get_preparation_data("nacre")
    keys = ("init_main_from_name", "init_main_from_path")
    main = {key: found[key] for key in keys if key in found}
    if not os.path.exists(main.get("init_main_from_path", os.curdir)):
        return {}
    return {**main, "sys_argv": sys.argv} if main else {}


def _told(reply: bytes) -> tuple[Any, str]:
    """The result and the worker's kernel class."""
    done, value, text = pickle.loads(reply)
    if done:
        return value, text
    if isinstance(value, LearnerFailed):
        value.add_note(text)
    raise value
