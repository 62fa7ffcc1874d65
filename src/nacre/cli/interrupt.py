"""What Ctrl-C does, beside a fit's own: once it ends a fit after the pass before, twice at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nacre.cli.failing import INTERRUPTED
from nacre.cli.terminal import Terminal


@contextmanager
def twice_at_once(terminal: Terminal, first: str, second: str) -> Iterator[threading.Event]:
    """Say what Ctrl-C does when it is pressed; pressed again it ends the process.

    Python runs its handlers between two of its instructions, and two signals in one kernel are one
    to it. So a thread listens to the signals as they come.

    Gives an event that is set when it has been pressed.

    Args:
        terminal: where it is said.
        first: said once, when the handler that is set does its work.
        second: said at the end.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    hears, tells = os.pipe()
    os.set_blocking(tells, False)
    before = signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    listening = threading.Thread(
        target=_listen, args=(hears, terminal, first, second, pressed), daemon=True
    )
    listening.start()
    try:
        yield pressed
    finally:
        signal.set_wakeup_fd(before)
        os.close(tells)
        listening.join()
        os.close(hears)


def _listen(
    hears: int, terminal: Terminal, first: str, second: str, pressed: threading.Event
) -> None:
    while heard := os.read(hears, 16):
        for number in heard:
            if number != signal.SIGINT:
                continue
            if pressed.is_set():
                terminal.err.show_cursor(True)
                terminal.err.print(f"\n{second}")
                os._exit(INTERRUPTED)  # threads at work would be awaited
            pressed.set()
            terminal.err.print(f"\n[yellow]{first}[/]")


@contextmanager
def once_more(terminal: Terminal) -> Iterator[None]:
    """Let a save come to its end, unless Ctrl-C is pressed twice."""

    def wait(number: int, frame: Any) -> None:
        """The signal is heard by the thread that listens."""

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, wait)
    try:
        with twice_at_once(
            terminal, "Saving; once more stops at once.", "Stopped; the model was not saved."
        ):
            yield
    finally:
        signal.signal(signal.SIGINT, before)
