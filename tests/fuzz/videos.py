"""Fuzzer of videos: damaged files of many containers are read, refused, or read with a warning.

Any exception but ``VideoError``, a crash, more than ``TIMEOUT`` seconds of processor time and more
than ``MEMORY`` bytes are defects.
"""

import tempfile
import warnings
from pathlib import Path
from random import Random
from unittest import mock

from tests.fuzz._containers import containers
from tests.fuzz._mutations import mutate
from tests.fuzz._pool import Case, Worker
from tests.fuzz.report import Report, cases

TIMEOUT = 20.0
MEMORY = 3 << 30


def run(seed: int, seconds: float | None = None, count: int | None = None) -> Report:
    """Read damaged videos."""
    with Worker(reader, (seed,), TIMEOUT, MEMORY) as worker:
        return worker.report("videos", seed, cases(seconds, count))


def mutant(seed: int, number: int, sources: dict[str, bytes]) -> tuple[str, bytes, Random]:
    """Return the name and the bytes of a case, and the generator of what is read from it."""
    random = Random(f"{seed} {number}")
    name = random.choice(sorted(sources))
    return name, mutate(sources[name], list(sources.values()), random), random


def reader(seed: int) -> Case:
    """Return the function that reads case after case."""
    import av

    from fewact.core.errors import VideoError
    from fewact.video import EveryNth, Segments, VideoWarning, index, probe, read_frames

    av.logging.set_level(av.logging.PANIC)
    sources = containers()
    folder = tempfile.TemporaryDirectory()

    def attempt(number: int) -> str:
        name, data, random = mutant(seed, number, sources)
        path = Path(folder.name, name)
        path.write_bytes(data)
        large = random.choice((0, 4 << 20))  # indexed as a large file, or as a small one
        start = random.choice((None, 0.1, 0.3))
        outcomes = []
        with (
            mock.patch.object(index, "_LARGE", large),
            warnings.catch_warnings(record=True) as seen,
        ):
            warnings.simplefilter("always")
            for read in (
                lambda: probe(path),
                lambda: read_frames(path, Segments(4), threads=1),
                lambda: read_frames(path, EveryNth(2, 40), start=start, end=0.5, threads=1),
            ):
                try:
                    read()
                except VideoError:
                    outcomes.append("refused")
                else:
                    outcomes.append("read")
        for one in seen:
            if one.category is not VideoWarning:
                raise AssertionError(f"warning {one.message} at {one.filename}:{one.lineno}")
        if set(outcomes) == {"refused"}:
            return "refused"
        return "read with a warning" if seen else "read"

    attempt.folder = folder  # type: ignore[attr-defined]
    return attempt
