"""Worker processes: they start with torch loaded, and no killed run leaves any behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

LOADS = """
import os
import sys
import time
from pathlib import Path

import torch
from torch.utils.data import Dataset

from fewact import networks
from fewact.synthetic import motions
from fewact.lab.synthetic.folder import write_folder
from fewact.lab.training.batches import Drawn, FrameBatches, load
from fewact.lab.training.recipe import Augment

if __name__ == "__main__":
    videos = write_folder(motions(videos=1, size=32, frames=12), sys.argv[1], split="val")
    card = networks.create("efficientnet-lite0", weights="random", device="cpu").card
    batches = FrameBatches(videos, card, (2,), Augment(flip="never"), seed=0, stage=0)
    drawn = (Drawn(number, (0, 1)) for number in range(10**9))
    for number, _ in enumerate(load(batches, drawn, workers=2, device=torch.device("cpu"))):
        if not number:
            print("loading", flush=True)
        time.sleep(0.01)
"""


def descendants(of: int) -> set[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found, before = {of}, set[int]()
    while found != before:
        before, found = found, found | {one for one, parent in parents.items() if parent in found}
    return found - {of}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_run_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "loads.py"
    script.write_text(LOADS)
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "videos")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "src"},
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "loading\n"
        workers = descendants(run.pid)
        assert len(workers) >= 3  # the server, and what it has forked
        run.send_signal(signal.SIGKILL)
    end = time.monotonic() + 30
    while (left := {one for one in workers if is_running(one)}) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left


def is_running(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:1]
    except OSError:
        return False
