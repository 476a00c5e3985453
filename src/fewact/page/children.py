"""Processes with limits: one call at a time, by messages of JSON and bytes.

No object is unpickled from a child, so that one that a hostile video has taken over can lie, but
run nothing here. A child that does not answer in time, or dies, is replaced at the next call.
"""

import asyncio
import importlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from fewact.core.bounded import GIB, MIB
from fewact.core.errors import FewactError, OutputError, UserError

LARGEST_ANSWER: Final = 256 * MIB


class ChildError(FewactError):
    """A child that died, or did not answer in time: ``reason`` is ``died`` or ``slow``."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class RemoteError(UserError):
    """An error of the user that a child reports."""


DECODER_LIMITS: Final = {"RLIMIT_AS": 4 * GIB, "RLIMIT_FSIZE": 0}
"""Limits of the module ``resource``: bytes of address space, and of a file that it writes."""


class ChildProcess:
    """A process with one object, whose methods are called from here.

    Args:
        target: Class of the object, as ``module:name``.
        arguments: Arguments of the class: JSON values.
        limits: What the process may use, see ``DECODER_LIMITS``.
    """

    def __init__(self, target: str, *arguments: Any, limits: Mapping[str, int] = {}) -> None:
        self._target, self._arguments, self._limits = target, arguments, limits
        self._process: Any = None
        self._connection: Connection | None = None
        self._one_call = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Number of the process; None if it is not running."""
        return None if self._process is None else int(self._process.pid)

    async def call(
        self, method: str, *arguments: Any, seconds: float, blob: bytes = b""
    ) -> tuple[Any, bytes]:
        """Call a method; return its result and its bytes.

        Args:
            method: Name of the method. It takes ``blob`` and the arguments, and returns a JSON
                value, or a JSON value and bytes.
            arguments: JSON values.
            seconds: Time after which the process is killed.
            blob: Bytes for the method.

        Raises:
            UserError: The method raised one.
            ChildError: The process could not be started, died or was killed.
        """
        async with self._one_call:
            cancelled = threading.Event()
            call = asyncio.to_thread(self._call, method, arguments, seconds, blob, cancelled)
            task = asyncio.ensure_future(call)
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                cancelled.set()
                self.kill()
                await asyncio.wait([task])
                task.exception()  # that the process was killed
                raise

    def kill(self) -> None:
        """Kill the process; the next call starts another."""
        process = self._process  # another thread may end it now
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Kill the process and wait for its end; the next call starts another."""
        self.kill()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join()
        self._process = self._connection = None

    def _call(
        self,
        method: str,
        arguments: tuple[Any, ...],
        seconds: float,
        blob: bytes,
        cancelled: threading.Event,
    ) -> tuple[Any, bytes]:
        try:
            connection = self._start()
        except OSError as error:  # no memory, or too many processes or open files
            raise ChildError("died") from error
        if cancelled.is_set():  # before there was a process to kill
            self.close()
            raise ChildError("died")
        late = threading.Event()

        def stop() -> None:
            late.set()
            self.kill()  # which ends what waits for the child, in the middle of a message, too

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            connection.send_bytes(json.dumps([method, arguments]).encode())
            connection.send_bytes(blob)
            answer = json.loads(connection.recv_bytes(LARGEST_ANSWER))
            data = connection.recv_bytes(LARGEST_ANSWER)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise ChildError("slow" if late.is_set() else "died") from error
        finally:
            timer.cancel()
        return _result(answer), data

    def _start(self) -> Connection:
        if self._process is not None and not self._process.is_alive():
            self.close()
        if self._process is None or self._connection is None:
            context = multiprocessing.get_context("spawn")
            connection, remote = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(remote, self._target, self._arguments, self._limits),
                daemon=True,
            )
            with _interrupts_blocked():
                process.start()
            remote.close()
            self._process, self._connection = process, connection
        return self._connection


async def call_twice(
    child: ChildProcess, method: str, *arguments: Any, seconds: float
) -> tuple[Any, bytes]:
    """Call a method of a child process, and once more if it was killed."""
    try:
        return await child.call(method, *arguments, seconds=seconds)
    except ChildError as error:
        if error.reason != "died":
            raise
    return await child.call(method, *arguments, seconds=seconds)


def _result(answer: Any) -> Any:
    if not isinstance(answer, Mapping):
        raise ChildError("died")
    if isinstance(error := answer.get("error"), Mapping):
        names = ("what", "where", "got", "expected", "hint")
        facts = {name: str(error.get(name, "")) for name in names}
        type = OutputError if answer.get("output") is True else RemoteError
        raise type(facts.pop("what"), **facts)
    if "fault" in answer:
        print(str(answer["fault"]), file=sys.stderr, flush=True)
    if "result" not in answer:
        raise ChildError("died")
    return answer["result"]


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Let a process that is started now never get Ctrl+C, which is for its parent (not Windows)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # when multiprocessing starts it, interrupts are unblocked
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(
    connection: Connection, target: str, arguments: tuple[Any, ...], limits: Mapping[str, int]
) -> None:
    """Answer calls until the parent is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Windows, where it was not blocked
    os.environ["HF_HUB_OFFLINE"] = "1"  # a model may name a repository; the page uses no network
    _limit(limits)
    module, _, name = target.partition(":")
    served: Any = None
    while True:
        try:
            method, values = json.loads(connection.recv_bytes())
            blob = connection.recv_bytes()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        data = b""
        try:
            if served is None:
                served = getattr(importlib.import_module(module), name)(*arguments)
            result = getattr(served, method)(*values, **({"blob": blob} if blob else {}))
            if isinstance(result, tuple):
                result, data = result
            answer = {"result": result}
        except UserError as error:
            answer = {"error": error.parts, "output": isinstance(error, OutputError)}
        except MemoryError:
            os._exit(1)
        except Exception:
            answer = {"fault": traceback.format_exc()}
        connection.send_bytes(json.dumps(answer).encode())
        connection.send_bytes(data)


def _end_with_parent() -> None:
    """End this process when its parent has ended, however that happened."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _limit(limits: Mapping[str, int]) -> None:
    """Limit this process, where the platform can; never write its memory into a file."""
    try:
        import resource
    except ImportError:  # Windows: only the time of a call is limited.
        return
    for name, value in {**limits, "RLIMIT_CORE": 0}.items():
        what = getattr(resource, name)
        _, hard = resource.getrlimit(what)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (most, most))
