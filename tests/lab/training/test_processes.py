"""Two processes are one process that accumulates twice as much; a kill is a kill."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.lab.training.start import run

ROOT = Path(__file__).parents[3]


def torchrun(folder: Path, accumulate: int) -> subprocess.CompletedProcess[str]:
    distributed = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = ["-m", "tests.lab.training.start", str(folder), str(accumulate)]
    return subprocess.run(
        [sys.executable, *distributed, *script], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.slow
def test_two_processes_are_one_that_accumulates_twice(tmp_path: Path) -> None:
    ended = torchrun(tmp_path / "two", 1)
    assert ended.returncode == 0, ended.stderr
    run(str(tmp_path / "one"), 2)
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) == len(two)
    for first, second in zip(one, two, strict=True):
        assert first == pytest.approx(second, rel=1e-4, abs=1e-5)
    states = [load_file(tmp_path / name / "state.safetensors") for name in ("one", "two")]
    for name, value in states[0].items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-4)
