"""File with the finished batches of an evaluation, so that an interrupted run can continue."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from fewact.core.atomic import output_errors, write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import ResultError
from fewact.core.temporary import remove_leftovers
from fewact.evaluation.predictions import Predictions, pack, unpack
from fewact.evaluation.result import EvaluationSetup
from fewact.evaluation.scoring import Batches

HEAD = "fewact progress 2"
PROGRESS = FileType("file of progress", ResultError, 256 * MIB)


class ProgressFile:
    """Finished batches, one on each line, after a first line that identifies the evaluation.

    Every line has a checksum: a line that a crash cut off is ignored.

    Args:
        output: File for the result; the progress file is written beside it.
        setup: Setup of the evaluation.
        batches: How the episodes are divided into batches.
    """

    def __init__(self, output: Path, setup: EvaluationSetup, batches: Batches) -> None:
        self.path = _beside(output)
        protocol = setup.episodes.protocol
        self._batches, self._ways = batches, protocol.ways
        self._queries = protocol.ways * protocol.queries
        self._key = f"{_digest(setup)} {batches.size}"
        self._head = f"{HEAD} {self._key}"

    def read(self) -> dict[int, Predictions]:
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
    def writing(
        self, done: Mapping[int, Predictions]
    ) -> Iterator[Callable[[int, Predictions], None]]:
        """Rewrite the file with the finished batches; yield a function that appends a batch."""
        lines = (self._line(*one) for one in done.items())
        write_text(self.path, "".join((f"{self._head}\n", *lines)))
        with self.path.open("ab", buffering=0) as file:

            def append(batch: int, predictions: Predictions) -> None:
                with output_errors(self.path):
                    file.write(self._line(batch, predictions).encode("ascii"))

            yield append

    def remove(self) -> None:
        """Delete the file, after the result was written."""
        self.path.unlink(missing_ok=True)

    def _line(self, batch: int, predictions: Predictions) -> str:
        text = f"{batch} {pack(predictions, self._ways).hex()}"
        return f"{text} {self._checksum(text)}\n"

    def _checksum(self, text: str) -> str:
        return hashlib.sha256(f"{self._key} {text}".encode()).hexdigest()[:16]

    def _parse(self, line: str) -> tuple[int, Predictions] | None:
        text, _, checksum = line.rpartition(" ")
        if checksum != self._checksum(text):
            return None
        batch, _, packed = text.partition(" ")
        shape = self._batches.episodes_in(int(batch)), self._queries
        return int(batch), unpack(bytes.fromhex(packed), self._ways, shape)


def remove_progress(output: Path, setup: EvaluationSetup) -> None:
    """Delete what an evaluation left that was killed after it wrote its result.

    Args:
        output: File of the result.
        setup: Setup of the evaluation; the progress of another one stays.
    """
    path = _beside(output)
    remove_leftovers(output.parent, of=path)
    head = f"{HEAD} {_digest(setup)} "
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(head)) == head.encode():
            path.unlink()


def _beside(output: Path) -> Path:
    return output.with_name(f"{output.name}.progress")


def _digest(setup: EvaluationSetup) -> str:
    facts = json.dumps(setup.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()
