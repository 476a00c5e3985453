"""Threads, forks, long use, other processes, and several processes at one folder."""

import copy
import itertools
import multiprocessing
import os
import pickle
import statistics
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fewact import FewShotClassifier
from fewact.classifier import Prediction
from fewact.classifier.unknown import OpenSet, OpenSetDecision
from tests.classifier.features import NEW, TRAINING
from tests.fuzz.runner import Runner

linux = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")


@pytest.mark.slow
def test_eight_threads_share_a_classifier(
    examples: FewShotClassifier, queries: dict[str, Path]
) -> None:
    clips = [*queries.values()]
    expected = examples.predict(clips)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(examples.predict, 3 * clips)) == 3 * expected


def by_features() -> FewShotClassifier:
    return FewShotClassifier(method="protonet", device="cpu").fit(TRAINING)


def changed_by_threads(changes: Sequence[Callable[[], object]]) -> list[BaseException]:
    """Make changes at the same time, each in a thread; return the errors."""
    together, errors = threading.Barrier(len(changes)), []

    def run(change: Callable[[], object]) -> None:
        together.wait(60)
        try:
            change()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[one]) for one in changes]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    return errors


def test_changes_by_several_threads_are_all_kept() -> None:
    classifier = by_features()
    new = [replace(clip, label=None, name=f"new {i}") for i, clip in enumerate(NEW)]
    changes: list[Callable[[], object]] = [
        *(partial(classifier.add_clips, "wave", one) for one in new[:3]),
        *(partial(classifier.add_class, f"class {i}", one) for i, one in enumerate(new[3:5])),
        partial(classifier.add_none, new[5:]),
        partial(classifier.remove_class, "jump"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of a single clip of no class.
        assert not changed_by_threads(changes)
    names = {clip.name for clip in classifier.fitted_.all_clips}
    assert names >= {one.name for one in new}
    assert list(classifier.classes_) == ["clap", "class 0", "class 1", "wave"]


def test_a_class_is_added_once() -> None:
    classifier = by_features()
    new = [replace(clip, label=None, name=f"new {i}") for i, clip in enumerate(NEW[:3])]
    errors = changed_by_threads([partial(classifier.add_class, "lie", one) for one in new])
    assert [str(one).partition(" (")[0] for one in errors] == 2 * ["the class exists already"]
    assert len(classifier.fitted_.clips) == len(TRAINING) + 1


def test_copies_of_a_classifier_that_is_being_changed_are_free() -> None:
    classifier = by_features()
    with classifier._changing:
        copies = [copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))]
        changes = [partial(one.add_clips, "wave", NEW[0]) for one in copies]
        assert not changed_by_threads(changes)
        assert classifier.predict(NEW[0]).best == NEW[0].label
    assert [len(one.fitted_.clips) for one in copies] == 2 * [len(TRAINING) + 1]
    assert classifier.add_clips("wave", NEW[0]).fitted_.clips == copies[0].fitted_.clips


HALVES = [replace(clip, vectors=clip.vectors[:, ::2], label=f"{clip.label} 2") for clip in TRAINING]


@pytest.mark.parametrize(
    "call",
    [
        lambda classifier: classifier.predict(NEW),
        lambda classifier: list(classifier.predict_each(NEW)),
        lambda classifier: classifier.predict_proba(NEW).tolist(),
        lambda classifier: classifier.score(NEW),
    ],
    ids=["predict", "predict_each", "predict_proba", "score"],
)
def test_a_prediction_during_a_fit_uses_what_was_learned_before(
    call: Callable[[FewShotClassifier], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = by_features()
    expected = call(classifier)
    original = OpenSet.decision

    def fit_by_another_thread(scores: OpenSet, limit: float | None) -> OpenSetDecision:
        monkeypatch.undo()
        assert not changed_by_threads([partial(classifier.fit, HALVES)])
        return original(scores, limit)

    monkeypatch.setattr(OpenSet, "decision", fit_by_another_thread)
    assert call(classifier) == expected
    assert list(classifier.classes_) == ["clap 2", "jump 2", "wave 2"]


# The default scheduling, whatever the tests run with: real-time burners would stop the machine.
BURN = """
import os, time

os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
end = time.monotonic() + 300
while time.monotonic() < end:
    pass
"""
"""Keeps a core busy, for five minutes at most."""

# A process that hangs says where: its Python stacks, and what the kernel knows of its threads.
PREDICT = """
import faulthandler, os, subprocess, sys, time
from pathlib import Path
from fewact import FewShotClassifier

burn, model, *clips = sys.argv[1:]

def predict(classifier):
    found = classifier.predict([Path(one) for one in clips])
    return repr([[value.hex() for value in one.probabilities.values()] for one in found])

def predict_forked(classifier, expected):
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(240)
        os._exit(0 if predict(classifier) == expected else 3)
    for _ in range(3000):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.1)
    else:
        for thread in Path(f"/proc/{child}/task").iterdir():
            known = [(thread / name).read_text().strip() for name in ("stat", "wchan", "syscall")]
            print(*known, sep=" | ", file=sys.stderr)
        os.kill(child, 9)
        sys.exit("the forked process hangs")
    assert os.waitstatus_to_exitcode(status) == 0

burners = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(os.cpu_count() or 1)]
try:
    for threads in (1, 5):
        os.environ["OMP_NUM_THREADS"] = str(threads)
        classifier = FewShotClassifier.load(model)
        here = predict(classifier)
        predict_forked(classifier, here)
        print(here)
finally:
    for one in burners:
        one.kill()
        one.wait()
"""


@linux
@pytest.mark.slow
def test_threads_forks_and_busy_cores_change_no_bit(
    examples: FewShotClassifier, queries: dict[str, Path], tmp_path: Path
) -> None:
    examples.save(tmp_path / "model")
    call = [sys.executable, "-c", PREDICT, BURN, tmp_path / "model", queries["left"]]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert len(found) == 2
    assert len(set(found)) == 1


MEMORY = """
import ctypes
import gc
import sys
from pathlib import Path

import numpy as np

from fewact import FewShotClassifier
from fewact.data import FeatureClip

draw = np.random.default_rng(0)
centres = draw.standard_normal((5, 8, 64)).astype(np.float32)

def clip(number):
    noise = draw.standard_normal((8, 64)).astype(np.float32)
    return FeatureClip(str(number), centres[number % 5] + noise, f"class {number % 5}")

class MallocInfo(ctypes.Structure):  # of glibc; in bytes
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

malloc_info = ctypes.CDLL(None).mallinfo2
malloc_info.restype = MallocInfo

if sys.argv[1] == "features":
    classifier = FewShotClassifier(method="protonet").fit([clip(i) for i in range(15)])
    clips, rounds = [clip(i) for i in range(500)], 8
else:
    classifier = FewShotClassifier.load(sys.argv[1])
    clips, rounds = [Path(one) for one in sys.argv[2:]], 24
for _ in range(rounds):
    classifier.predict(clips)
    gc.collect()
    info = malloc_info()
    print((info.uordblks + info.hblkhd) // len(clips))
"""


@linux
@pytest.mark.slow
@pytest.mark.parametrize(("what", "most"), [("features", 60), ("videos", 1_000)])
def test_memory_stays_flat(
    what: str,
    most: int,
    examples: FewShotClassifier,
    queries: dict[str, Path],
    tmp_path: Path,
) -> None:
    """The memory that each clip of a late round adds is less than so many bytes.

    Memory that is kept grows ever less: by 13 to 32 kB a round at first, by nothing after 150
    clips.
    """
    examples.save(tmp_path / "model")
    given = ["features"] if what == "features" else [tmp_path / "model", *queries.values()]
    call = [sys.executable, "-c", MEMORY, *map(str, given)]
    # Python's objects in malloc's memory, too, so that it counts them.
    environment = os.environ | {"PYTHONMALLOC": "malloc"}
    done = subprocess.run(call, capture_output=True, text=True, check=True, env=environment)
    used = [int(line) for line in done.stdout.split()]  # bytes a clip, after each round
    grown = [after - before for before, after in itertools.pairwise(used[len(used) // 2 - 1 :])]
    # A thread's first buffers are a step of many MB; a leak grows in every round.
    assert statistics.quantiles(grown)[0] < most, used


@linux
@pytest.mark.slow
def test_several_writers_and_a_reader_share_a_folder(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    for name in ("embed", "save"):
        runner.whole(name)
        for _ in range(2):
            runner.begin(name)
            writers = [
                runner.start(runner.commands.run_scenario, name, runner.root) for _ in range(2)
            ]
            reads = 0
            while any(one.is_alive() for one in writers) or not reads:
                if name == "save":
                    FewShotClassifier.load(runner.root / "out/model")
                else:
                    assert runner.faults(name) == []
                reads += 1
            assert runner.ended(writers) == [0, 0], (runner.root / "log").read_text()
            assert runner.differences(name) == []


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
