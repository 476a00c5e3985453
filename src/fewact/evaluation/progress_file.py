"""File with the finished batches of an evaluation, so that an interrupted run can continue."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fewact.errors import ResultError
from fewact.evaluation.result import EvaluationSetup
from fewact.evaluation.scoring import Batches, Hits
from fewact.io.bounded import GIB, FileType

PROGRESS = FileType("file of progress", ResultError, 1 * GIB)


class ProgressFile:
    """Finished batches, one on each line, after a first line that identifies the evaluation.

    Every line has a checksum: a line that a crash cut off is ignored.

    Args:
        output: File for the result; the progress file is written beside it.
        setup: Setup of the evaluation.
        batches: How the episodes are divided into batches.
        queries: Number of queries of an episode.
    """

    def __init__(
        self, output: Path, setup: EvaluationSetup, batches: Batches, queries: int
    ) -> None:
        self.path = output.with_name(f"{output.name}.progress")
        self._batches, self._queries = batches, queries
        facts = json.dumps([setup.model_dump(mode="json"), batches.size], sort_keys=True)
        self._key = hashlib.sha256(facts.encode()).hexdigest()
        self._head = f"fewact progress {self._key}"

    def read(self) -> dict[int, Hits]:
        """Return the finished batches.

        Raises:
            ResultError: The file belongs to another evaluation.
        """
        if not self.path.exists():
            return {}
        lines = PROGRESS.content(self.path).decode("ascii", errors="replace").split("\n")
        if len(lines) < 2:  # The first line is incomplete.
            return {}
        if lines[0] != self._head:
            raise ResultError(
                "the file has the progress of another evaluation",
                where=str(self.path),
                hint="Choose another output, or remove the file if that evaluation is not needed.",
            )
        # The text after the last line break is empty or an incomplete line.
        return dict(filter(None, map(self._parse, lines[1:-1])))

    @contextmanager
    def writing(self, done: Mapping[int, Hits]) -> Iterator[Callable[[int, Hits], None]]:
        """Rewrite the file with the finished batches; yield a function that appends a batch."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        try:
            with new.open("w", encoding="ascii", newline="\n") as file:
                file.write(self._head + "\n")
                file.writelines(self._line(batch, hits) for batch, hits in done.items())
                file.flush()
                os.replace(new, self.path)

                def append(batch: int, hits: Hits) -> None:
                    file.write(self._line(batch, hits))
                    file.flush()

                yield append
        finally:
            new.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the file, after the result was written."""
        self.path.unlink(missing_ok=True)

    def _line(self, batch: int, hits: Hits) -> str:
        text = f"{batch} {np.packbits(hits).tobytes().hex()}"
        return f"{text} {self._checksum(text)}\n"

    def _checksum(self, text: str) -> str:
        return hashlib.sha256(f"{self._key} {text}".encode()).hexdigest()[:16]

    def _parse(self, line: str) -> tuple[int, Hits] | None:
        text, _, checksum = line.rpartition(" ")
        if checksum != self._checksum(text):
            return None
        batch, _, bits = text.partition(" ")
        shape = self._batches.episodes_in(int(batch)), self._queries
        packed = np.frombuffer(bytes.fromhex(bits), dtype=np.uint8)
        return int(batch), np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape) != 0
