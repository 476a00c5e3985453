"""The benchmark of a GPU as a dry run on the CPU: it is known to work before there is a GPU."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu import PARTS, Finished, Part, page
from benchmarks.gpu_parts import Report, Task, attempt
from fewact import align, methods

TASK = Task("cpu", quick=True)

Rows = list[tuple[str, dict[str, str]]]


def rows_of(part: str) -> Rows:
    rows: Rows = []
    PARTS[part].run(
        TASK, lambda table, **cells: rows.append((table, {k: str(v) for k, v in cells.items()}))
    )
    return rows


def test_the_budgets_are_below_nine_minutes() -> None:
    assert sum(part.budget for part in PARTS.values()) < 540


@pytest.mark.slow
def test_every_method_and_aligner_is_compared() -> None:
    rows = rows_of("correctness")
    named = {cells.get("method") or cells.get("aligner") for _, cells in rows}
    assert {*methods.names(), *align.names()} <= named
    assert not any("failed" in cells for _, cells in rows)
    logits = [cells for table, cells in rows if "logits" in table]
    assert len(logits) == len(methods.names()) + 1
    assert all(cells["decisions_changed"].startswith("0 of") for cells in logits)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["environment", "episodes", "transport", "embedding"])
def test_part(part: str) -> None:
    rows = rows_of(part)
    assert rows
    assert all(value for _, cells in rows for value in cells.values())


@pytest.mark.slow
def test_training() -> None:
    share, trained = rows_of("training")
    assert float(trained[1]["steps_per_second"]) > 0
    assert share[1]["fraction"].endswith("%")


@pytest.mark.slow
def test_a_continued_run_has_equal_bytes() -> None:
    rows = rows_of("resumption")
    assert any("best" in cells["file"] for _, cells in rows)
    assert {cells["bytes"] for _, cells in rows} == {"equal"}


@pytest.mark.slow
def test_parts_run_unattended_and_faults_do_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = gpu.run("environment", TASK, 0.01, tmp_path)
    assert late.fault == "stopped after its budget of 0 s"
    output = tmp_path / "page.md"
    monkeypatch.setattr(
        sys, "argv", ["gpu", "-o", str(output), "--device", "cpu", "--quick", "--only", "transport"]
    )
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == 0
    assert "| 14 × 14 | 64 |" in output.read_text(encoding="utf-8")


def test_the_page_says_what_is_missing(tmp_path: Path) -> None:
    rows = [{"method": "a2m2", "ratio": "2"}, {"method": "otam|x", "note": "none"}]
    text = page(TASK, [Finished("training", 3.0, "exit code 1: out of memory", {"Steps": rows})])
    assert "A dry run in small sizes" in text
    assert "**Not finished: exit code 1: out of memory.**" in text
    assert "| method | ratio | note |\n|---|---|---|\n| a2m2 | 2 |  |\n| otam/x |  | none |" in text


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "page.md"
    monkeypatch.setattr(sys, "argv", ["gpu", "-o", str(output)])
    with pytest.raises(SystemExit, match=r"no GPU here.*--device cpu --quick"):
        gpu.main()
    assert not output.exists()


@pytest.mark.slow
def test_a_part_that_fails_says_why(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    failed = gpu.run("transport", Task("cuda", quick=True), 120, tmp_path)
    assert failed.fault.startswith("exit code 1: AssertionError: Torch not compiled with CUDA")
    assert failed.tables == {}


def reports_and_waits(task: Task, report: Report) -> None:
    report("Steps", precision="float32")
    time.sleep(60)


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["budget", "interrupt"])
def test_rows_of_a_stopped_part_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruptible: None, ends: str
) -> None:
    monkeypatch.setitem(PARTS, "training", Part(reports_and_waits, 5, "Waits."))
    rows = tmp_path / "training.jsonl"
    if ends == "interrupt":
        wait = threading.Thread(target=interrupt_after, args=(rows,), daemon=True)
        wait.start()
    stopped = gpu.run("training", TASK, 20 if ends == "budget" else 120, tmp_path)
    assert stopped.fault == (
        "stopped after its budget of 20 s" if ends == "budget" else "interrupted"
    )
    assert stopped.tables == {"Steps": [{"precision": "float32"}]}


def interrupt_after(rows: Path) -> None:
    while not rows.is_file() or not rows.stat().st_size:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_failure_is_a_row_and_the_rest_runs() -> None:
    rows: Rows = []

    def report(table: str, **cells: object) -> None:
        rows.append((table, {name: str(value) for name, value in cells.items()}))

    with attempt(report, "Methods", method="otam"):
        raise RuntimeError("two\ndevices")
    assert rows == [("Methods", {"method": "otam", "failed": "RuntimeError: two devices"})]
    failed = Finished("correctness", 1.0, "", {"Methods": [cells for _, cells in rows]})
    assert failed.failures == 1
