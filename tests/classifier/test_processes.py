"""Classifiers in other processes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fewact import FewShotClassifier
from fewact.classifier import Prediction

PICKLES = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
"""Start method that pickles what a process gets; a fork has its memory. The pool spawns."""


class Changed(FewShotClassifier):
    """A class of a user."""


def send_predictions(
    classifiers: list[FewShotClassifier], clips: list[Path], to: Connection
) -> None:
    to.send([(type(one), one.predict(clips)) for one in classifiers])


@pytest.mark.slow
def test_a_process_gets_classifiers_as_arguments(
    examples: FewShotClassifier,
    queries: dict[str, Path],
    predicted: list[Prediction],
    tmp_path: Path,
) -> None:
    folder, types = examples.save(tmp_path / "model"), (FewShotClassifier, Changed)
    context = multiprocessing.get_context(PICKLES)
    results, to = context.Pipe(duplex=False)
    arguments = ([one.load(folder) for one in types], list(queries.values()), to)
    process = context.Process(target=send_predictions, args=arguments)  # type: ignore[attr-defined]
    process.start()
    to.close()  # else a process that fails would be waited for
    assert results.recv() == [(one, predicted) for one in types]
    process.join()


@pytest.mark.slow
def test_a_pool_of_processes_predicts_the_same(
    examples: FewShotClassifier, queries: dict[str, Path], predicted: list[Prediction]
) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(examples.predict, queries.values())) == predicted
        again = pool.submit(examples.remove_clips, []).result()
    assert again.predict(queries.values()) == predicted
