"""Cases in another process, which has a time and a memory limit and may crash."""

import multiprocessing
import resource
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from time import monotonic, process_time
from types import TracebackType
from typing import Self

from tests.fuzz.report import Report

STUCK = 300.0
"""Seconds without an answer after which a case waits for something that never comes."""

Case = Callable[[int], str]
"""Function that tries a case and returns its outcome; it raises if it finds a defect."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Args:
        name: Name of the outcome.
        defect: Exception, crash or timeout; empty if there is none.
        seconds: Processor time of the case.
        megabytes: Largest memory of the process so far.
    """

    name: str
    defect: str
    seconds: float
    megabytes: float


class Worker:
    """Process that tries cases.

    Args:
        make: Function of a module that makes the function for cases, from the arguments.
        arguments: Arguments of ``make``.
        timeout: Seconds of processor time after which a case counts as hanging.
        memory: Bytes of address space that the process may use; None for no limit.
    """

    def __init__(
        self, make: Callable[..., Case], arguments: tuple[object, ...], timeout: float, memory: int
    ) -> None:
        self._how = make, arguments, timeout, memory
        self._timeout = timeout
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._how), daemon=True)
        self._process.start()
        theirs.close()
        self._ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        type: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def run(self, number: int) -> Outcome:
        """Try a case; the next one gets a new process if this one crashes or hangs."""
        if not self._ready:
            if not self._pipe.poll(180):
                raise RuntimeError("the worker does not start")
            self._pipe.recv()
            self._ready = True
        begun = monotonic()
        self._pipe.send(number)
        try:
            if self._pipe.poll(STUCK):
                name, defect, seconds, megabytes = self._pipe.recv()
                return Outcome(name, defect, seconds, megabytes)
            defect = f"stuck for {STUCK:.0f} s"
        except (EOFError, ConnectionError):
            self._process.join(5)
            code = self._process.exitcode
            busy = code == -signal.SIGPROF
            limit = f"more than {self._timeout:.0f} s of processor time"
            defect = limit if busy else f"crash, exit code {code}"
        self.__exit__(None, None, None)
        self._start()
        return Outcome("defect", defect, monotonic() - begun, 0.0)

    def report(self, fuzzer: str, seed: int, numbers: Iterable[int]) -> Report:
        """Run the cases of a fuzzer, and return what they gave."""
        report = Report()
        slowest = largest = 0.0
        for number in numbers:
            outcome = self.run(number)
            report.outcomes[outcome.name] += 1
            slowest = max(slowest, outcome.seconds)
            largest = max(largest, outcome.megabytes)
            if outcome.defect:
                report.defects.append(f"{fuzzer}, seed {seed}, case {number}: {outcome.defect}")
        report.notes = f"slowest {slowest:.1f} s, most memory {largest:.0f} MB"
        return report


def _serve(
    pipe: Connection,
    make: Callable[..., Case],
    arguments: tuple[object, ...],
    timeout: float,
    memory: int,
) -> None:
    case = make(*arguments)
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    pipe.send(None)
    while True:
        number = pipe.recv()
        signal.setitimer(signal.ITIMER_PROF, timeout)  # ends the process
        begun = process_time()
        try:
            name, defect = case(number), ""
        except Exception as error:
            name, defect = "defect", describe(error)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send((name, defect, process_time() - begun, peak))


def describe(error: BaseException) -> str:
    """Return an exception in one line, with the deepest place of the package."""
    at, where = error.__traceback__, ""
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        if "fewact" in file:
            where = f" in {file.rpartition('fewact/')[2]}:{at.tb_lineno}"
        at = at.tb_next
    return f"{type(error).__name__}{where}: {' '.join(str(error).split())[:160]}"
