"""Ctrl-C during an export: the exporter may turn it into an error of its own, or ignore it."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise KeyboardInterrupt after a block in which Ctrl-C raised it, whatever became of it there.

    Raises:
        KeyboardInterrupt: It was raised in the block, and the block ended otherwise.
    """
    before = signal.getsignal(signal.SIGINT)
    # Python handles signals in the main thread, and none that is ignored.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    handle = before
    interrupted = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        try:
            handle(number, frame)
        except KeyboardInterrupt:
            interrupted = True
            raise

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    except Exception as error:
        if interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt
