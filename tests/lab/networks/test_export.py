"""Export of a network, Ctrl-C during it, and the graphs that come with fewact."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fewact.lab import networks as lab
from fewact.lab.networks.export import export_encoder, interrupts_kept, missing_packages, quiet
from fewact.networks import reference
from fewact.networks.onnx_engine import read_graphs
from fewact.networks.packaged import GRAPHS_FOLDER

IN_INT8 = "efficientnet-lite0-int8"
SCRIPT = Path(__file__).parents[3] / ".ci" / "graphs.py"


def interruptible(test: Any) -> Any:
    for mark in (
        pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
        pytest.mark.usefixtures("interruptible"),
    ):
        test = mark(test)
    return test


exporting = pytest.mark.skipif(bool(missing_packages()), reason="the lab is not installed")


@exporting
@pytest.mark.slow
def test_the_graphs_that_come_with_fewact_are_those_of_the_script(tmp_path):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = [path for path in GRAPHS_FOLDER.rglob("*.*") if path.suffix in (".onnx", ".json")]
    names = sorted(str(path.relative_to(GRAPHS_FOLDER)) for path in kept)
    assert names == sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    for name in names:
        if "int8/" not in name and name != reference.EXPECTED_FILE.name:
            assert (tmp_path / name).read_bytes() == (GRAPHS_FOLDER / name).read_bytes(), name
    # Graphs in int8 contain scales of activations, which another processor rounds otherwise.
    graphs = (read_graphs(folder / IN_INT8) for folder in (tmp_path, GRAPHS_FOLDER))
    for one, other in zip(*graphs, strict=True):
        assert one.scales == pytest.approx(other.scales, rel=1e-3)
        assert (one.weights, nodes(one)) == (other.weights, nodes(other))


def nodes(graph):
    model = pytest.importorskip("onnx").load_from_string(graph.content)
    return [(one.op_type, list(one.input), list(one.output)) for one in model.graph.node]


def test_exports_in_two_threads_give_the_output_back() -> None:
    before, inside, release = sys.stdout, threading.Event(), threading.Event()

    def export() -> None:
        with quiet():
            inside.set()
            release.wait(60)

    other = threading.Thread(target=export)
    with quiet():
        other.start()
        inside.wait(0.2)  # It waits for the end of this block, in vain.
    release.set()
    other.join()
    assert sys.stdout is before


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def turned_into_an_error(*_: Any, **__: Any) -> None:
    try:
        press_ctrl_c()
    except KeyboardInterrupt:
        raise RuntimeError("step 1 of 3 failed") from None


def ignored(*_: Any, **__: Any) -> None:
    try:
        press_ctrl_c()
    except KeyboardInterrupt:
        return


@interruptible
@pytest.mark.parametrize("block", [press_ctrl_c, turned_into_an_error, ignored])
def test_an_interrupt_stays_one(block: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        block()
    assert signal.getsignal(signal.SIGINT) is before


@interruptible
def test_other_errors_and_other_threads_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="its own"), interrupts_kept():
        raise RuntimeError("its own")
    done = []

    def elsewhere() -> None:
        with interrupts_kept():
            done.append(1)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done == [1]


@interruptible
def test_a_handler_that_does_not_raise_keeps_its_meaning() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        with interrupts_kept():
            press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGINT]


@interruptible
@exporting
@pytest.mark.parametrize("exporter", [turned_into_an_error, ignored])
def test_an_interrupted_export_writes_no_file(
    exporter: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.onnx, "export", exporter)
    backbone = lab.create(weights="random", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        export_encoder(backbone, tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())
