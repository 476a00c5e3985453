"""The benchmark of a GPU as a dry run on the CPU: it is known to work before there is a GPU."""

import sys

import pytest
import torch

from benchmarks import gpu
from fewact import align, methods

TASK = gpu.Task(torch.device("cpu"), quick=True)


@pytest.mark.slow
@pytest.mark.parametrize("part", gpu.PARTS)
def test_a_part_runs_and_finds_no_difference(part: str) -> None:
    rows = gpu.PARTS[part](TASK)
    assert rows
    assert not any("failed" in row for row in rows)
    named = {row.get("method") or row.get("aligner") for row in rows}
    every = {"methods": methods.names(), "aligners": align.names()}
    assert set(every.get(part, ())) <= named
    for row in rows:
        for column in ("decisions changed", "answers changed", "decisions that differ"):
            assert row.get(column, "0 of").startswith("0 of")
        assert row.get("files with other bytes", "0") == "0"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit, match=r"no GPU here.*--device cpu --quick"):
        gpu.main()


def test_a_failure_is_a_row_and_the_rest_runs() -> None:
    rows: list[gpu.Row] = []
    with gpu.attempt(rows, method="otam"):
        raise RuntimeError("two\ndevices")
    assert rows == [{"method": "otam", "failed": "RuntimeError: two devices"}]
