"""Threads, forks, long use, and several processes at one folder."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.data import FeatureClip
from tests.fuzz.runner import Runner

linux = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")


# The default scheduling, whatever the tests run with: real-time burners would stop the machine.
BURN = """
import os, time

os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
end = time.monotonic() + 300
while time.monotonic() < end:
    pass
"""


@contextmanager
def busy_cores() -> Iterator[None]:
    """A process for each core that never waits, for five minutes at most."""
    burners = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for one in burners:
            one.kill()
            one.wait()


@pytest.mark.slow
def test_eight_threads_share_a_classifier(
    examples: FewShotClassifier, queries: dict[str, Path]
) -> None:
    expected = examples.predict(queries.values())
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(examples.predict(queries.values())))
        for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [expected] * 8


PREDICT = """
import os, sys, time
from pathlib import Path
import torch
from fewact import FewShotClassifier

torch.set_num_threads(int(sys.argv[1]))
classifier = FewShotClassifier.load(sys.argv[2])

def predict():
    found = classifier.predict([Path(one) for one in sys.argv[3:]])
    return repr([[value.hex() for value in one.probabilities.values()] for one in found])

here = predict()
child = os.fork()
if not child:
    os._exit(0 if predict() == here else 3)
for _ in range(3000):
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        break
    time.sleep(0.1)
else:
    os.kill(child, 9)
    sys.exit("the forked process hangs")
assert os.waitstatus_to_exitcode(status) == 0
print(here)
"""


@linux
@pytest.mark.slow
def test_threads_forks_and_busy_cores_change_no_bit(
    examples: FewShotClassifier, queries: dict[str, Path], tmp_path: Path
) -> None:
    examples.save(tmp_path / "model")
    clips = [str(path) for path in queries.values()]
    found = set()
    with busy_cores():
        for threads in ("1", "2", "5"):
            call = [sys.executable, "-c", PREDICT, threads, str(tmp_path / "model"), *clips]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            found.add(done.stdout)
    assert len(found) == 1


def memory() -> int:
    """Memory of this process in kB."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


@linux
@pytest.mark.slow
def test_memory_stays_flat(examples: FewShotClassifier, queries: dict[str, Path]) -> None:
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((5, 8, 64)).astype(np.float32)

    def clip(number: int) -> FeatureClip:
        noise = draw.standard_normal((8, 64)).astype(np.float32)
        return FeatureClip(str(number), centres[number % 5] + noise, f"class {number % 5}")

    classifier = FewShotClassifier(method="protonet").fit([clip(i) for i in range(15)])
    new = [clip(i) for i in range(500)]
    videos = list(queries.values()) * 10
    used = []
    for _ in range(20):
        assert len(list(classifier.predict_each(new))) == 500
        used.append(memory())
    decoded = []
    for _ in range(8):
        examples.predict(videos)
        decoded.append(memory())
    assert used[-1] - used[4] < 4000  # kB, over 7,500 predictions
    assert decoded[-1] - decoded[2] < 20_000  # kB, over 150 decoded videos


@linux
@pytest.mark.slow
def test_several_writers_and_a_reader_share_a_folder(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    for name in ("embed", "save"):
        runner.whole(name)
        for _ in range(3):
            runner.begin(name)
            writers = [runner.start(runner.commands.run, name, runner.root) for _ in range(2)]
            reads = 0
            while any(one.is_alive() for one in writers) or not reads:
                if name == "save":
                    FewShotClassifier.load(runner.root / "out/model")
                else:
                    assert runner.faults(name) == []
                reads += 1
            assert runner.ended(writers) == [0, 0], (runner.root / "log").read_text()
            assert runner.differences(name) == []
