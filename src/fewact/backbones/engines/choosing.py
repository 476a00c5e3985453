"""Choice of the engine, and the check of ``onnx`` against ``torch``."""

import hashlib
import importlib
import importlib.util
import json
import math
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from fewact.backbones.card import Card, Level
from fewact.backbones.engines import Engine
from fewact.backbones.engines.onnx_engine import (
    PACKAGE,
    PACKAGED,
    Graph,
    OnnxEngine,
    graph_tensors,
    read_graphs,
    rounded,
    saturates,
)
from fewact.backbones.engines.torch_engine import TorchEngine
from fewact.backbones.network import Network
from fewact.backbones.transform import normalised, prepared
from fewact.backbones.weights import digest, tensors_of
from fewact.core.atomic import write_text
from fewact.core.errors import OptionError, OutputError, WeightsError
from fewact.core.machine import cache_folder
from fewact.video.source import VideoSource

VERSION = 7
"""Version of the check; another one checks all graphs again."""
INSTALL = "Run: pip install onnxruntime"

TOLERANCES = {"float32": (1e-3, 0.9999), "int8": (math.inf, 0.9)}
"""By precision: largest difference from ``torch``, relative to the largest value of a level, and
smallest cosine of the features of a slot; in int8 only directions count."""
FRAMES = 4


class _Unusable(Exception):
    """The engine ``onnx`` cannot be used.

    Args:
        why: Reason.
        hint: How to change that, as a sentence.
    """

    def __init__(self, why: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(why)


def choose(network: Network, card: Card, engine: str) -> tuple[Engine, str]:
    """Return the requested engine of a network, and why it is this one.

    Args:
        network: Network in evaluation mode, on its device.
        card: Card of the network.
        engine: ``torch``; ``onnx``; or ``auto``, which is ``onnx`` in int8, and in float32 on a
            CPU if it can be used, otherwise ``torch``.

    Raises:
        OptionError: The engine is ``onnx`` or the precision int8, and it cannot be used.
    """
    by_torch = TorchEngine(network, card.precision)
    int8 = card.precision == "int8"
    if engine == "torch":
        return by_torch, "requested"
    if engine == "auto" and next(network.parameters()).device.type != "cpu":
        return by_torch, "onnx runs on a CPU only"
    if engine == "auto" and card.precision == "bfloat16":
        return by_torch, f"onnx has no {card.precision} on a CPU"
    try:
        by_onnx = _onnx(network, card)
    except _Unusable as unusable:
        if int8 or engine == "onnx":
            raise OptionError(
                f"{'int8' if int8 else 'the engine onnx'} cannot be used: {unusable}",
                where=card.name,
                hint=unusable.hint
                or ('Use precision "auto".' if int8 else 'Use engine "auto" or "torch".'),
            ) from None
        return by_torch, f"{unusable}. {unusable.hint}".removesuffix(". ")
    if int8:
        return by_onnx, "the only one in int8"
    return by_onnx, "requested" if engine == "onnx" else "the fastest in float32"


def _onnx(network: Network, card: Card) -> Engine:
    """Return the engine of the graphs that come with fewact, once they have passed the check."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise _Unusable("onnxruntime is not installed", INSTALL)
    try:
        version = importlib.import_module(PACKAGE).__version__
    except (ImportError, OSError) as error:  # Such as a library of the system that is missing.
        raise _Unusable(f"onnxruntime cannot be loaded ({_reason(error)})") from error
    int8 = card.precision == "int8"
    # A custom network that inherits a name may compute something else with the same tensors.
    packaged = type(network).__module__.startswith("fewact.")
    name = f"{network.graph_name}{'-int8' if int8 else ''}"
    try:
        graphs = read_graphs(PACKAGED / name) if packaged else ()
    except WeightsError as error:
        raise _Unusable(str(error)) from error
    if not graphs:
        raise _Unusable(f"no graph of this network{' in int8' if int8 else ''} comes with fewact")
    if int8 and saturates():
        raise _Unusable(
            "sums of eight-bit products saturate on this processor, which has no VNNI",
            'Use precision "auto"; a model that was taught in int8 must be taught again.',
        )
    tensors = graph_tensors(network)
    for graph in graphs:
        tensors |= rounded(tensors, graph.scales)
    passed = _passed(network, card, graphs, version)
    try:
        engine = OnnxEngine(graphs, tensors, network.frames_together)
        if passed is not None and passed.exists():
            return engine
        difference = disagreement(engine, network, card)
    except MemoryError:
        raise
    except Exception as error:  # Of many types: a graph that ONNX Runtime cannot read or run.
        raise _Unusable(f"its graph cannot be run ({_reason(error)})") from error
    if difference:
        raise _Unusable(f"its features differ from those of torch ({difference})")
    if passed is not None:
        with suppress(OutputError):  # The cache only saves time.
            write_text(passed, "")
    return engine


def _passed(network: Network, card: Card, graphs: Sequence[Graph], version: str) -> Path | None:
    """Return the empty file that says that graphs have passed the check, named by what decides it.

    ``version`` is that of ONNX Runtime. A cache folder may be shared by machines, whose processors
    compute by other code.
    """
    cache = cache_folder()
    if cache is None:
        return None
    facts = {
        "version": VERSION,
        "card": replace(card, engine="onnx").digest,
        "weights": card.weights_sha256 or digest(tensors_of(network)),
        "graphs": [hashlib.sha256(graph.content).hexdigest() for graph in graphs],
        "torch": torch.__version__,
        "onnxruntime": version,
        "processor": [platform.machine(), torch.backends.cpu.get_cpu_capability()],
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return cache / "engines" / key


def disagreement(engine: Engine, network: Network, card: Card) -> str:
    """Return how the features of an engine differ from those of torch; empty if they agree.

    The frames are of a video of the benchmark ``motions``, so that every machine checks the same.

    Args:
        engine: Engine to check, in float32 or int8.
        network: Network on a CPU.
        card: Card of the network, with the precision of the engine.
    """
    from fewact.synthetic import motions
    from fewact.video import Segments

    source = cast(VideoSource, motions("moving-camera").videos.videos[0].source)
    frames = prepared(source.read([Segments(FRAMES)]).frames[0], card)
    levels = card.network_levels
    cases: list[tuple[Tensor, Sequence[Level]]] = [(frames, levels)]
    if "middle" in levels:  # The two levels of frames of any size.
        small = frames[..., ::2, ::2].contiguous()
        cases += [(small, ["shallow"]), (small, ["shallow", "middle"])]
    reference = TorchEngine(network, "float32")
    for images, requested in cases:
        got, expected = (_features(x, images, card, requested) for x in (engine, reference))
        for level in requested:
            difference = _difference(got[level], expected[level], *TOLERANCES[card.precision])
            if difference:
                return f"{level}: {difference}"
    return ""


def _features(
    engine: Engine, frames: Tensor, card: Card, levels: Sequence[Level]
) -> dict[Level, Tensor]:
    images = normalised(frames, card, torch.device("cpu"), engine.memory_format)
    runs = [engine.run(group, levels) for group in torch.split(images, engine.images_at_once)]
    return {level: torch.cat([run[level] for run in runs]) for level in levels}


def _difference(got: Tensor, expected: Tensor, largest: float, smallest_cosine: float) -> str:
    """Return how features (t …) differ by more than a tolerance."""
    if not got.isfinite().all():
        return "not finite"
    got, expected = got.flatten(1), expected.flatten(1)
    difference = float((got - expected).abs().max() / expected.abs().max())
    cosine = float(torch.cosine_similarity(got.double(), expected.double()).min())
    if difference <= largest and cosine >= smallest_cosine:
        return ""
    return f"largest relative difference {difference:.1e}, smallest cosine {cosine:.5f}"


def _reason(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
