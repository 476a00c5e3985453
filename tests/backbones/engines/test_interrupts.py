"""Ctrl-C during an export ends it as an interrupt, whatever the exporter makes of it."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fewact import backbones
from fewact.backbones.engines import choosing
from fewact.backbones.engines.export import missing_packages
from fewact.backbones.engines.interrupts import interrupts_kept
from fewact.backbones.engines.single_file import export_encoder

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
    pytest.mark.usefixtures("interruptible"),
]


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


@pytest.mark.parametrize("block", [press_ctrl_c, turned_into_an_error, ignored])
def test_an_interrupt_stays_one(block: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        block()
    assert signal.getsignal(signal.SIGINT) is before


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


def test_a_handler_that_does_not_raise_keeps_its_meaning() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        with interrupts_kept():
            press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGINT]


@pytest.mark.skipif(bool(missing_packages()), reason="the extra onnx is not installed")
@pytest.mark.parametrize("exporter", [turned_into_an_error, ignored])
def test_an_interrupted_export_writes_no_file(
    exporter: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.onnx, "export", exporter)
    backbone = backbones.create(weights="random", device="cpu", engine="torch")
    with pytest.raises(KeyboardInterrupt):
        export_encoder(backbone, tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_choice_of_the_engine_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choosing, "disagreement", turned_into_an_error)
    made = backbones.create(weights="random", device="cpu", precision="float32", engine="torch")
    with pytest.raises(KeyboardInterrupt):
        choosing.choose(made, "auto")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
