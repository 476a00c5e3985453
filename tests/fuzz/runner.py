"""Runs the scenarios of ``commands`` in processes of their own, in one folder."""

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from fewact.core.errors import FewactError
from tests.fuzz.disk import Change

LONGEST = 600.0
"""Seconds after which a command counts as hanging."""


@dataclass(frozen=True)
class Whole:
    """A run that ended.

    Args:
        before: Files below ``out`` before it, by relative path.
        after: Files after it.
        changes: Changes of files, in their order.
        seconds: Time it took.
    """

    before: dict[str, bytes]
    after: dict[str, bytes]
    changes: tuple[Change, ...]
    seconds: float


@contextmanager
def opened(runner: "Runner | None") -> "Iterator[Runner]":
    """Use a runner whose server runs and whose whole runs are known, or a new one."""
    if runner is not None:
        yield runner
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Runner(Path(folder))


class Runner:
    """Runs scenarios; a fork server that has loaded the package starts each in milliseconds.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ["FEWACT_CACHE"] = str(root / "cache")
        from tests.fuzz import commands

        self.root, self.commands = root.resolve(), commands
        self._processes: Any = multiprocessing.get_context("forkserver")
        # A server that other tests began has not loaded the package, which takes seconds.
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
        self._processes.set_forkserver_preload([commands.__name__])
        self._whole: dict[str, Whole] = {}
        self.ended([self.start(commands.prepare, self.root)])

    def chosen(self, names: Sequence[str] | None) -> list[str]:
        """Return the scenarios of these names; without names, all of a single process."""
        scenarios = self.commands.SCENARIOS
        return list(names or (name for name, one in scenarios.items() if one.processes == 1))

    def whole(self, name: str) -> Whole:
        """Return a scenario's run that nothing disturbed; it runs once.

        Raises:
            RuntimeError: It fails.
        """
        if name not in self._whole:
            self._whole[name] = self._run_whole(name)
        return self._whole[name]

    def begin(self, name: str) -> None:
        """Bring the output into the state before a scenario."""
        self.empty()
        if self.commands.SCENARIOS[name].old:
            shutil.copytree(self.root / "old", self.root / "out", dirs_exist_ok=True)

    def empty(self) -> None:
        """Empty the output."""
        shutil.rmtree(self.root / "out", ignore_errors=True)
        (self.root / "out").mkdir()
        (self.root / "log").unlink(missing_ok=True)

    def start(self, function: Callable[..., None], *arguments: object) -> BaseProcess:
        """Start a function of ``commands`` in a process."""
        process: BaseProcess = self._processes.Process(target=function, args=arguments)
        process.start()
        return process

    def ended(self, processes: list[BaseProcess]) -> list[int | None]:
        """Return the exit codes of processes.

        Raises:
            TimeoutError: One does not end.
        """
        for one in processes:
            one.join(LONGEST)
            if one.is_alive():
                one.kill()
                one.join()
                raise TimeoutError(f"a command runs for more than {LONGEST:.0f} s")
        return [one.exitcode for one in processes]

    def faults(self, name: str) -> list[str]:
        """Return what is not whole now."""
        try:
            return self.commands.SCENARIOS[name].faults(self.root, self.whole(name).after)
        except FewactError as error:
            return [str(error)]

    def run_again(self, name: str) -> list[str]:
        """Run a scenario to its end; return how its files then differ from those of a whole run."""
        codes = self.ended([self.start(self.commands.run_scenario, name, self.root)])
        if any(codes):
            return [f"the next run ended with {codes}: {self._log()}"]
        return self.differences(name)

    def differences(self, name: str) -> list[str]:
        """Return how the files differ from those of a whole run."""
        whole, found = self.whole(name).after, self.commands.tree(self.root / "out")
        return [
            *(f"{path} is missing" for path in sorted(whole.keys() - found.keys())),
            *(f"{path} is left" for path in sorted(found.keys() - whole.keys())),
            *(f"{path} differs" for path in whole if found.get(path, whole[path]) != whole[path]),
        ]

    def _run_whole(self, name: str) -> Whole:
        self.begin(name)
        before = self.commands.tree(self.root / "out")
        ours, theirs = self._processes.Pipe(duplex=False)
        begin = time.monotonic()
        process = self.start(self.commands.recorded, name, self.root, theirs)
        theirs.close()
        try:
            changes = ours.recv()
        except EOFError:
            raise RuntimeError(f"{name} fails without a kill: {self._log()}") from None
        self.ended([process])
        seconds = time.monotonic() - begin
        whole = Whole(before, self.commands.tree(self.root / "out"), changes, seconds)
        if faults := self.commands.SCENARIOS[name].faults(self.root, whole.after):
            raise RuntimeError(f"{name} is not whole without a kill: {faults}")
        return whole

    def _log(self) -> str:
        return " | ".join((self.root / "log").read_text().splitlines()[-3:])
