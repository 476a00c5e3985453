"""A backbone as one ONNX file with its weights, for programs without fewact and torch."""

import contextlib
import importlib
import importlib.util
import io
import json
import logging
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fewact.core.atomic import check_output_file, write_bytes
from fewact.core.errors import OptionError, OutputError
from fewact.core.paths import user_path
from fewact.lab.networks.building import TorchBackbone
from fewact.lab.networks.network import Network
from fewact.lab.networks.torch_engine import folded
from fewact.networks.card import Level
from fewact.networks.onnx_engine import RUNTIME

INSTALL = "Run: pip install 'fewact[lab]'"
PACKAGES = ("onnx", "onnxscript")
FRAMES = "frames"
METADATA = "fewact"
TOLERANCE = 1e-3
"""Largest difference of a feature from torch's, relative to the largest feature of its level."""

_SILENCE = threading.RLock()


def export_encoder(backbone: TorchBackbone, path: str | Path) -> tuple[Level, ...]:
    """Write a backbone as an ONNX file that takes frames as they are, and check it.

    The input ``frames`` (n 3 H W) uint8 is RGB, resized to the input size of the card without
    keeping the aspect ratio. Each output has the name of a level: ``vectors`` (n d), ``maps``,
    ``middle`` and ``shallow`` (n c h w), float32. The metadata ``fewact`` has the card as JSON.

    Args:
        backbone: Backbone in float32.
        path: File to write; an existing file is replaced.

    Returns:
        Levels that the file computes.
    """
    if missing := missing_packages():
        raise OptionError(
            "packages for the export are missing", got=", ".join(missing), hint=INSTALL
        )
    card = backbone.card
    check_exported(card.precision, card.name)
    path = user_path(path, OutputError)
    check_output_file(path)
    levels = card.network_levels
    module = _Encoder(folded(backbone.network).cpu(), card.mean, card.std, levels).eval()
    together = module.network.frames_together
    example = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (4 * together, 3, *card.input_size), np.uint8)
    )
    try:
        with interrupts_kept():
            content = _exported(module, example, json.dumps(asdict(card), default=str))
            _check(content, module, example)
    except OptionError:
        raise
    except Exception as error:  # The exporter raises errors of many types.
        raise OptionError(
            "the network cannot be exported", where=card.name, got=reason_of(error)
        ) from error
    write_bytes(path, content)
    return levels


def check_exported(precision: str, where: str) -> None:
    """Refuse int8: the file would compute other features, in float32."""
    if precision == "int8":
        raise OptionError(
            "a network in int8 cannot be exported",
            where=where,
            hint="Teach the model again, with precision float32.",
        )


class _Encoder(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: Network,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        levels: tuple[Level, ...],
    ) -> None:
        super().__init__()
        self.network, self.levels = network, levels
        self.register_buffer("mean", 255 * torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std, dtype=torch.float32).view(3, 1, 1))

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        features = self.network((frames.float() - self.mean) / self.std, self.levels)
        return tuple(features[level] for level in self.levels)


def _exported(module: _Encoder, example: Tensor, card: str) -> bytes:
    """Return the ONNX file; the number of frames is free where the network reads each alone."""
    shapes: Any = {"frames": {0: torch.export.Dim("n", min=1, max=4096)}}
    free = module.network.frames_together == 1
    with quiet(), torch.no_grad(), tempfile.TemporaryDirectory(prefix="fewact-") as folder:
        program = torch.onnx.export(
            module,
            (example if free else example[: module.network.frames_together],),
            dynamo=True,
            input_names=[FRAMES],
            output_names=list(module.levels),
            dynamic_shapes=shapes if free else None,
            verbose=False,
        )
        if program is None:
            raise RuntimeError("the exporter returned nothing")
        path = Path(folder) / "encoder.onnx"
        program.save(str(path), external_data=False)
        onnx = importlib.import_module("onnx")
        model = onnx.load(str(path))
    model.producer_name, model.doc_string = "fewact", ""
    for node in model.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    onnx.helper.set_model_props(model, {METADATA: card})
    content: bytes = model.SerializeToString()
    return content


def _check(content: bytes, module: _Encoder, example: Tensor) -> None:
    """Compare the file's outputs with torch's outputs, if ONNX Runtime is installed."""
    if importlib.util.find_spec(RUNTIME) is None:
        return
    frames = example[: module.network.frames_together]
    session = importlib.import_module(RUNTIME).InferenceSession(
        content, providers=["CPUExecutionProvider"]
    )
    outputs = session.run(list(module.levels), {FRAMES: frames.numpy()})
    with torch.inference_mode():
        expected = module(frames)
    for level, got, right in zip(module.levels, outputs, expected, strict=True):
        error = (torch.from_numpy(got) - right).abs().max().item()
        if not error <= TOLERANCE * right.abs().max().item():
            raise OptionError(f"its {level} differ from those of torch", got=f"{error:.2g}")


def missing_packages() -> list[str]:
    """Return the packages that the export needs and that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def reason_of(error: BaseException) -> str:
    """Return the first line of the error that an error of the exporter was raised from.

    Its own says how to report a fault of torch, in colors.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the messages of the exporter, in one thread at a time.

    They are silenced in the entire process: of two threads, the last one to end would restore what
    it found, the silence of the other.
    """
    logger = logging.getLogger("torch.onnx")
    with _SILENCE:
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                yield
        finally:
            logger.setLevel(level)


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise KeyboardInterrupt after a block in which Ctrl-C raised it, even if it was caught."""
    before = signal.getsignal(signal.SIGINT)
    # Python handles signals in the main thread, and none that is ignored.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    handle = before
    interrupted = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        try:
            handle(number, frame)
        except KeyboardInterrupt:
            interrupted = True
            raise

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    except Exception as error:
        if interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt
