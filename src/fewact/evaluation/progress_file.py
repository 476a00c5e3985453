"""What of an evaluation is done, so that one that was stopped goes on where it was."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fewact.errors import ResultError
from fewact.evaluation.result import Asked
from fewact.evaluation.scoring import Batches, Hits


class ProgressFile:
    """Batches that are done, a line each, behind a line that says of what.

    A line carries a checksum: what a crash left half written is not believed.

    Args:
        output: The result's file; this one lies beside it.
        asked: What is evaluated.
        batches: How the episodes are cut.
        queries: Of an episode.
    """

    def __init__(self, output: Path, asked: Asked, batches: Batches, queries: int) -> None:
        self.path = output.with_name(f"{output.name}.progress")
        self._batches, self._queries = batches, queries
        facts = json.dumps([asked.model_dump(mode="json"), batches.size], sort_keys=True)
        self._key = hashlib.sha256(facts.encode()).hexdigest()
        self._head = f"fewact progress {self._key}"

    def read(self) -> dict[int, Hits]:
        """The batches that are done.

        Raises:
            ResultError: The file is of another evaluation.
        """
        try:
            lines = self.path.read_text(encoding="ascii", errors="replace").split("\n")
        except FileNotFoundError:
            return {}
        if len(lines) < 2:  # not even the first line is whole
            return {}
        if lines[0] != self._head:
            raise ResultError(
                "another evaluation was begun for this output",
                where=str(self.path),
                hint="Name another output, or remove the file if nobody goes on with it.",
            )
        # What stands behind the last line's end is half a line, or nothing.
        return dict(filter(None, map(self._parse, lines[1:-1])))

    @contextmanager
    def writing(self, done: Mapping[int, Hits]) -> Iterator[Callable[[int, Hits], None]]:
        """A function that adds a batch; the file is written anew, without what was broken."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        try:
            with new.open("w", encoding="ascii", newline="\n") as file:
                file.write(self._head + "\n")
                file.writelines(self._line(batch, hits) for batch, hits in done.items())
                file.flush()
                os.replace(new, self.path)

                def keep(batch: int, hits: Hits) -> None:
                    file.write(self._line(batch, hits))
                    file.flush()

                yield keep
        finally:
            new.unlink(missing_ok=True)

    def remove(self) -> None:
        """Take the file away: the result is there."""
        self.path.unlink(missing_ok=True)

    def _line(self, batch: int, hits: Hits) -> str:
        text = f"{batch} {np.packbits(hits).tobytes().hex()}"
        return f"{text} {self._check(text)}\n"

    def _check(self, text: str) -> str:
        return hashlib.sha256(f"{self._key} {text}".encode()).hexdigest()[:16]

    def _parse(self, line: str) -> tuple[int, Hits] | None:
        text, _, check = line.rpartition(" ")
        if check != self._check(text):
            return None
        batch, _, bits = text.partition(" ")
        shape = self._batches.real(int(batch)), self._queries
        packed = np.frombuffer(bytes.fromhex(bits), dtype=np.uint8)
        return int(batch), np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape) != 0
