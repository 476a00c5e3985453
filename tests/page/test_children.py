"""Processes with limits."""

import asyncio
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from fewact.core.bounded import GIB
from fewact.core.errors import OutputError, VideoError
from fewact.page.children import DECODER_LIMITS, ChildError, ChildProcess, RemoteError


class Odd:
    """What a child does in these tests."""

    def double(self, number: int) -> int:
        return 2 * number

    def reverse(self, *, blob: bytes) -> tuple[None, bytes]:
        return None, blob[::-1]

    def refuse(self) -> None:
        raise VideoError("a.mp4", "is not a video", hint="Record it again.")

    def fill_the_disk(self) -> None:
        raise OutputError("cannot be written: no space left on device", where="/model")

    def offline(self) -> str:
        return os.environ["HF_HUB_OFFLINE"]

    def sleep(self) -> None:
        time.sleep(60)

    def halve(self) -> None:
        """Send the first half of an answer, as a child that was taken over may."""
        connection = sys._getframe(1).f_locals["connection"]
        connection.send_bytes(b'{"result": 1}')
        time.sleep(60)

    def lie(self, answer: str) -> None:
        connection = sys._getframe(1).f_locals["connection"]
        connection.send_bytes(answer.encode())
        connection.send_bytes(b"")
        time.sleep(60)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def fill(self) -> int:
        return len(bytearray(8 * GIB))

    def write(self, path: str) -> None:
        Path(path).write_bytes(b"x")


def run(work: Callable[[ChildProcess], Awaitable[None]], limits: Mapping[str, int] = {}) -> None:
    async def go() -> None:
        child = ChildProcess("tests.page.test_children:Odd", limits=limits)
        try:
            await work(child)
        finally:
            child.close()

    asyncio.run(go())


@pytest.mark.slow
def test_a_child_answers_refuses_and_is_replaced() -> None:
    async def work(child: ChildProcess) -> None:
        assert await child.call("double", 4, seconds=30) == (8, b"")
        assert await child.call("reverse", seconds=30, blob=b"abc") == (None, b"cba")
        assert await child.call("offline", seconds=30) == ("1", b"")
        with pytest.raises(RemoteError, match="is not a video") as refused:
            await child.call("refuse", seconds=30)
        assert refused.value.hint == "Record it again."
        with pytest.raises(OutputError, match=r"^/model: cannot be written: no space left"):
            await child.call("fill_the_disk", seconds=30)
        first = child.pid
        with pytest.raises(ChildError, match="slow"):
            await child.call("sleep", seconds=0.5)
        assert await child.call("double", 5, seconds=30) == (10, b"")
        assert child.pid != first
        with pytest.raises(ChildError, match="died"):
            await child.call("die", seconds=30)
        assert await child.call("double", 6, seconds=30) == (12, b"")
        with pytest.raises(ChildError, match="slow"):
            await child.call("halve", seconds=0.5)
        for answer in ("[]", "{}", '{"error": []}', "no JSON"):
            with pytest.raises(ChildError, match="died"):
                await child.call("lie", answer, seconds=30)
            child.kill()

    run(work)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limits")
def test_a_child_gets_no_more_memory_and_writes_nothing(tmp_path: Path) -> None:
    async def work(child: ChildProcess) -> None:
        with pytest.raises(ChildError, match="died"):
            await child.call("fill", seconds=60)
        with pytest.raises(ChildError, match="died"):
            await child.call("write", str(tmp_path / "file"), seconds=30)
        assert await child.call("double", 1, seconds=30) == (2, b"")

    run(work, DECODER_LIMITS)
    assert not (tmp_path / "file").exists() or not (tmp_path / "file").read_bytes()


@pytest.mark.slow
def test_a_call_that_is_cancelled_while_its_process_starts_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, start_now = threading.Event(), threading.Event()
    start = SpawnProcess.start

    def slow_start(process: SpawnProcess) -> None:
        starting.set()
        start_now.wait()
        start(process)

    async def work(child: ChildProcess) -> None:
        monkeypatch.setattr(SpawnProcess, "start", slow_start)
        call = asyncio.create_task(child.call("write", str(tmp_path / "file"), seconds=30))
        await asyncio.to_thread(starting.wait)
        call.cancel()
        await asyncio.sleep(0)  # the call is told
        start_now.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert child.pid is None
        assert not (tmp_path / "file").exists()
        assert await child.call("double", 1, seconds=30) == (2, b"")

    run(work)


def test_a_process_that_cannot_be_started_is_one_that_died(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(process: SpawnProcess) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    async def work(child: ChildProcess) -> None:
        with pytest.raises(ChildError, match="died"):
            await child.call("double", 4, seconds=30)
        assert child.pid is None

    monkeypatch.setattr(SpawnProcess, "start", start)
    run(work)
