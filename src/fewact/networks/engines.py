"""Inference engines: what computes a backbone's features, on which device, in which precision.

``torch`` runs on every device, in float32 and bfloat16. ``onnx`` runs ONNX Runtime on a CPU in
float32, where it is faster, and in int8, for networks whose graphs come with fewact, once it has
passed a check against ``torch``.

Batch norm is folded into the convolution before it, but in bfloat16. In evaluation mode it is
linear: γ (W x − μ) / √(σ² + ε) + β is a convolution with the weights W γ / √(σ² + ε) and the bias
β − μ γ / √(σ² + ε). Both are computed in float64.

A graph has no weights; it names them. They come from the network, whose weights were read and
checked as for every engine. In int8 they are rounded when they are read: activations have eight
bits without a sign, weights eight bits with one, a scale for each output channel and the zero point
0; the scales of activations are part of a graph.
"""

import copy
import hashlib
import importlib
import importlib.util
import json
import math
import os
import platform
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OptionError, OutputError, WeightsError
from fewact.core.machine import cache_folder
from fewact.lab.networks.network import Network
from fewact.networks.card import Card, EngineName, Level
from fewact.networks.spec import (
    DEVICES,
    PRECISIONS,
    Device,
    Precision,
    check_device_name,
    check_name,
)
from fewact.networks.transform import normalised, prepared
from fewact.networks.weights import digest, tensors_of
from fewact.video.source import VideoSource

PACKAGE = "onnxruntime"
ERRORS_ONLY = 3
IMAGES = "images"
PREFIX = "network."
"""Beginning of the names of a network's tensors in a graph."""

LARGEST = 127
PACKAGED = Path(__file__).parent / "packaged"
PROBE = PACKAGED / "products-of-int8.onnx"
FACTS = "graphs.json"
FACTS_FILE = FileType("list of graphs", WeightsError, 16 * MIB)
GRAPH_FILE = FileType("graph of a network", WeightsError, 64 * MIB)

# ONNX Runtime 1.31 sends facts about its sessions to Microsoft, on Linux too, unless this is set
# before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

VERSION = 7
"""Version of the check; another one checks all graphs again."""
INSTALL = "Run: pip install onnxruntime"

TOLERANCES = {"float32": (1e-3, 0.9999), "int8": (math.inf, 0.9)}
"""By precision: largest difference from ``torch``, relative to the largest value of a level, and
smallest cosine of the features of a slot; in int8 only directions count."""
FRAMES = 4

# Few images fit a CPU's cache. Four at a time are a third faster than one at a time, and were
# measured to give equal features up to rounding.
IMAGES_AT_ONCE_CPU = 4
IMAGES_AT_ONCE_GPU = 64

# "auto" on a CPU with bfloat16 instructions, for networks that gain from it; elsewhere "auto" is
# float32. On the development clips bfloat16 changes the default method's accuracy by at most 0.2
# points.
AUTO_PRECISION: Precision = "bfloat16"


def resolve_device(device: Device) -> torch.device:
    """Return a device by name; "auto" is a CUDA GPU if there is one, otherwise the CPU.

    Raises:
        OptionError: There is no such device, or torch cannot use it.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = check_device_name(str(device))
    try:
        resolved = torch.device(name)
        torch.empty(1, dtype=torch.float32, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise OptionError(
            "the device is not available",
            where="device",
            got=f"{name!r}: {str(error).splitlines()[0][:80]}",
            expected=DEVICES,
            hint='"auto" is the GPU if torch can use it, else the CPU.',
        ) from None
    return resolved


def resolve_precision(precision: str, device: torch.device) -> Precision:
    """Return a precision by name; "auto" depends on the device."""
    if precision == "auto":
        return AUTO_PRECISION if device.type == "cpu" and multiplies_bfloat16() else "float32"
    return cast(Precision, check_name("precision", precision, PRECISIONS))


def multiplies_bfloat16() -> bool:
    """Return whether this CPU has bfloat16 instructions; without them float32 is faster."""
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        try:
            if getattr(torch.cpu, probe)():
                return True
        except (AttributeError, RuntimeError):
            continue  # Private functions, which are missing in other versions of torch.
    return False


class TorchEngine:
    """Runs a network in evaluation mode, on its device.

    Where batch norm is folded, later changes of its weights have no effect: a copy runs, which is
    made at the first run.
    """

    name: EngineName = "torch"

    def __init__(self, network: Network, precision: str) -> None:
        self.memory_format = network.memory_format
        self._network, self._precision = network, precision
        self._device = next(network.parameters()).device
        together = network.frames_together
        at_once = IMAGES_AT_ONCE_CPU if self._device.type == "cpu" else IMAGES_AT_ONCE_GPU
        self.images_at_once = max(1, at_once // together) * together

    @cached_property
    def _folded(self) -> Network:
        """The network, in float32 with batch norm folded; bfloat16 rounds folded weights more."""
        return self._network if self._precision == "bfloat16" else folded(self._network)

    # The mode belongs to the thread that computes.
    @torch.inference_mode()
    def run(self, images: Tensor, levels: Collection[Level]) -> dict[Level, Tensor]:
        """Return features of the requested levels, see ``Engine``."""
        lower = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._precision == "bfloat16"
        )
        with lower, exact_convolutions(self._device):
            features = self._folded(images, levels)
        return {level: value.float().contiguous() for level, value in features.items()}


def folded(network: Network) -> Network:
    """Return a network whose convolutions contain the batch norm that follows them.

    Returns:
        Copy with ``nn.Identity`` for each batch norm; the network itself if it does not say that
        its batch norms can be folded, see ``Network.norms_follow_convolutions``.
    """
    if not network.norms_follow_convolutions:
        return network
    tensors = folded_tensors(network)
    network = copy.deepcopy(network)
    for convolution, norm, _ in list(_pairs(network)):
        module = network.get_submodule(convolution)
        module.bias = nn.Parameter(tensors[f"{convolution}.bias"])
        parent, _, name = norm.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
    network.load_state_dict(tensors)
    return network


@torch.no_grad()
def folded_tensors(network: Network) -> dict[str, Tensor]:
    """Return the tensors of ``folded(network)`` by name, without a copy of the network."""
    tensors: dict[str, Tensor] = network.state_dict()
    if not network.norms_follow_convolutions:
        return tensors
    for convolution, norm, module in _pairs(network):
        # On the CPU: not every device has float64.
        norm_tensors = {
            name: tensors.pop(f"{norm}.{name}").cpu().double() for name in module.state_dict()
        }
        kernel, old = tensors[f"{convolution}.weight"], tensors.get(f"{convolution}.bias")  # (c …)
        scale = norm_tensors["weight"] / (norm_tensors["running_var"] + module.eps).sqrt()  # (c)
        before = 0.0 if old is None else old.cpu().double()
        bias = norm_tensors["bias"] + (before - norm_tensors["running_mean"]) * scale
        folded_kernel = kernel.cpu().double() * scale.view(-1, 1, 1, 1)
        tensors[f"{convolution}.weight"] = folded_kernel.to(kernel)
        tensors[f"{convolution}.bias"] = bias.to(kernel)
    return tensors


def _pairs(network: Network) -> Iterator[tuple[str, str, nn.BatchNorm2d]]:
    """Yield each batch norm with the name of the convolution before it and its own."""
    for parent, module in network.named_modules():
        prefix = f"{parent}." if parent else ""
        before: tuple[str, nn.Module | None] = ("", None)
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                if not isinstance(before[1], nn.Conv2d):
                    raise TypeError(f"batch norm after {type(before[1]).__name__}")
                yield prefix + before[0], prefix + name, child
            before = name, child


class _Exact:
    """Setting of all threads: the first one inside sets it, the last one restores it."""

    def __init__(self) -> None:
        self._lock, self._inside, self._restore = threading.Lock(), 0, ExitStack()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                flags = torch.backends.cudnn.flags(
                    enabled=True, benchmark=False, deterministic=True, allow_tf32=False
                )
                self._restore.enter_context(flags)

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._restore.close()


_EXACT = _Exact()


@contextmanager
def exact_convolutions(device: torch.device) -> Iterator[None]:
    """Compute convolutions of a GPU in float32, each time with the same result, inside of ``with``.

    By default torch rounds their inputs to ten bits (TF32).
    """
    if device.type != "cuda":
        yield
        return
    _EXACT.enter()
    try:
        yield
    finally:
        _EXACT.leave()


@dataclass(frozen=True)
class Graph:
    """ONNX model of a part of a network, without weights.

    Args:
        name: Name of the part.
        inputs: Names of its inputs: ``images``, or a level of a part before.
        outputs: Levels that it computes.
        weights: Names of its weights.
        content: Bytes of the model.
        scales: Scale of the input of each layer by its name, in int8; empty in float32.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[Level, ...]
    weights: tuple[str, ...]
    content: bytes
    scales: Mapping[str, float] = field(default_factory=dict)


def read_graphs(folder: Path) -> tuple[Graph, ...]:
    """Return the graphs of a folder in the order of computation; none if it has none.

    Raises:
        WeightsError: They are damaged.
    """
    if not folder.is_dir():
        return ()
    graphs = []
    for facts in FACTS_FILE.json(folder / FACTS)["graphs"]:
        path = folder / f"{facts['name']}.onnx"
        content = GRAPH_FILE.content(path)
        if hashlib.sha256(content).hexdigest() != facts["sha256"]:
            raise WeightsError(
                "this graph is damaged", where=str(path), hint="Install fewact again."
            )
        graphs.append(
            Graph(
                name=facts["name"],
                inputs=tuple(facts["inputs"]),
                outputs=tuple(facts["outputs"]),
                weights=tuple(facts["weights"]),
                content=content,
                scales=facts.get("scales", {}),
            )
        )
    return tuple(graphs)


def graph_tensors(network: Network) -> dict[str, Tensor]:
    """Return all tensors of a network, with batch norm folded, under their names in graphs."""
    return {PREFIX + name: tensor for name, tensor in folded_tensors(network).items()}


class OnnxEngine:
    """Runs the graphs of a network, one after the other, in the thread that calls.

    A run has the fewest images that the network takes, and one thread. So features depend neither
    on the other images nor on the number of threads, to the last bit.

    Args:
        graphs: Graphs in the order of computation.
        tensors: Weights of the graphs by name.
        images_at_once: Number of images of a run.
    """

    name: EngineName = "onnx"
    memory_format = torch.contiguous_format

    def __init__(
        self, graphs: Sequence[Graph], tensors: Mapping[str, Tensor], images_at_once: int
    ) -> None:
        self.images_at_once = images_at_once
        self._graphs = [(graph, _session(graph, tensors)) for graph in graphs]
        self._inputs = {name for graph in graphs for name in graph.inputs}

    def run(self, images: Tensor, levels: Collection[Level]) -> dict[Level, Tensor]:
        """Return features of the requested levels, see ``Engine``."""
        arrays: dict[str, Any] = {IMAGES: images.contiguous().numpy()}
        for graph, session in self._graphs:
            missing = {str(level) for level in levels} - arrays.keys()
            if not missing:
                break
            if not missing <= set(graph.outputs):
                missing |= self._inputs
            outputs = [name for name in graph.outputs if name in missing]
            values = session.run(outputs, {name: arrays[name] for name in graph.inputs})
            arrays |= dict(zip(outputs, values, strict=True))
        return {level: torch.from_numpy(arrays[level]) for level in levels}


def _session(graph: Graph, tensors: Mapping[str, Tensor]) -> Any:
    runtime = importlib.import_module(PACKAGE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    arrays = [np.ascontiguousarray(tensors[name].numpy()) for name in graph.weights]
    values = [runtime.OrtValue.ortvalue_from_numpy(array) for array in arrays]
    options.add_external_initializers(list(graph.weights), values)
    return runtime.InferenceSession(graph.content, options, providers=["CPUExecutionProvider"])


def rounded(tensors: Mapping[str, Tensor], scales: Mapping[str, float]) -> dict[str, Tensor]:
    """Return the weights of a graph in int8 under their names in it.

    Weights w (c …) of a layer become round(w / s) with s = max |w| / 127 for each of the c output
    channels, its biases round(b / (s a)) as int32, where a is the scale of the layer's input.

    Args:
        tensors: Weights in float32: ``NAME.weight`` and ``NAME.bias`` of each layer.
        scales: Scale of the input by the layer's name.
    """
    weights: dict[str, Tensor] = {}
    for layer, scale_in in scales.items():
        weight, bias = (tensors[f"{layer}.{name}"].double() for name in ("weight", "bias"))
        scale = weight.flatten(1).abs().amax(1) / LARGEST  # (c)
        scale = torch.where(scale > 0, scale, 1.0).float()
        shape = (-1,) + (1,) * (weight.dim() - 1)
        largest = torch.iinfo(torch.int32).max
        scale_bias = scale * scale_in
        weights |= {
            f"{layer}.weight_quantized": (weight / scale.view(shape)).round().to(torch.int8),
            f"{layer}.weight_scale": scale,
            f"{layer}.weight_zero_point": torch.zeros(len(scale), dtype=torch.int8),
            f"{layer}.bias_quantized": (bias / scale_bias)
            .round()
            .clamp(-largest, largest)
            .to(torch.int32),
            f"{layer}.bias_quantized_scale": scale_bias,
            f"{layer}.bias_quantized_zero_point": torch.zeros(len(scale), dtype=torch.int32),
        }
    return weights


def saturates() -> bool:
    """Return whether ONNX Runtime's sums of products of eight-bit numbers saturate here.

    x86 processors without VNNI add two products in 16 bits, so that features would be others.
    """
    runtime = importlib.import_module(PACKAGE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        PROBE.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    size = 64
    unsigned = np.full((size, size), 255, np.uint8)
    signed = np.full((size, size), LARGEST, np.int8)
    (sums,) = session.run(None, {"left": unsigned, "right": signed})
    return bool((sums != 255 * LARGEST * size).any())


Engine = TorchEngine | OnnxEngine


class _Unusable(Exception):
    """The engine ``onnx`` cannot be used; the hint says how to change that."""

    def __init__(self, why: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(why)


def choose(network: Network, card: Card, engine: str) -> tuple[Engine, str]:
    """Return the requested engine of a network, and why it is this one.

    ``auto`` is ``onnx`` in int8, and in float32 on a CPU if it can be used, otherwise ``torch``.
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

    The card has the precision of the engine. The frames are of a video of the benchmark
    ``motions``, so that every machine checks the same.
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
