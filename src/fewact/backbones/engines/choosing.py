"""Choice of the engine, and the way to a checked engine ``onnx``."""

import hashlib
import importlib.util
import json
import logging
import platform
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fewact.backbones.engines import Engine
from fewact.backbones.engines.checking import disagreement
from fewact.backbones.engines.export import export, missing_packages, reason_of
from fewact.backbones.engines.folding import folded
from fewact.backbones.engines.graphs import PACKAGED, Graph, read_graphs, write_graphs
from fewact.backbones.engines.int8 import rounded, saturates
from fewact.backbones.engines.interrupts import interrupts_kept
from fewact.backbones.engines.parts import tensors_for_graphs
from fewact.backbones.engines.runtime import PACKAGE, OnnxEngine
from fewact.backbones.network import Network
from fewact.backbones.weights import digest, tensors_of
from fewact.core.errors import OptionError, OutputError
from fewact.core.machine import cache_folder

if TYPE_CHECKING:
    from fewact.backbones.backbone import Backbone

LOG = logging.getLogger(__name__)

VERSION = 6
"""Version of the export; another one makes all graphs again."""
INSTALL = "Run: pip install onnxruntime"
INSTALL_EXPORT = "Run: pip install 'fewact[onnx]'"


class _Unusable(Exception):
    """The engine ``onnx`` cannot be used.

    Args:
        why: Reason.
        hint: How to change that, as a sentence.
    """

    def __init__(self, why: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(why)


def choose(backbone: "Backbone", engine: str) -> tuple[Engine, str]:
    """Return the requested engine of a backbone, and why it is this one.

    Args:
        backbone: Backbone with the engine ``torch``.
        engine: ``torch``; ``onnx``; or ``auto``, which is ``onnx`` in int8, and in float32 on a
            CPU if it can be used, otherwise ``torch``.

    Raises:
        OptionError: The engine is ``onnx`` or the precision int8, and it cannot be used.
    """
    int8 = backbone.card.precision == "int8"
    if engine == "torch":
        return backbone.engine, "requested"
    if engine == "auto" and backbone.device.type != "cpu":
        return backbone.engine, "onnx runs on a CPU only"
    if engine == "auto" and backbone.card.precision == "bfloat16":
        return backbone.engine, f"onnx has no {backbone.card.precision} on a CPU"
    try:
        if int8:
            return _onnx(backbone), "the only one in int8"
        return _onnx(backbone), "requested" if engine == "onnx" else "the fastest in float32"
    except _Unusable as unusable:
        if int8 or engine == "onnx":
            raise OptionError(
                f"{'int8' if int8 else 'the engine onnx'} cannot be used: {unusable}",
                where=backbone.card.name,
                hint=unusable.hint
                or ('Use precision "auto".' if int8 else 'Use engine "auto" or "torch".'),
            ) from None
        return backbone.engine, f"{unusable}. {unusable.hint}".removesuffix(". ")


def _onnx(backbone: "Backbone") -> Engine:
    """Return the engine from graphs in the cache folder, or from new ones that pass the check."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise _Unusable("onnxruntime is not installed", INSTALL)
    try:
        version = importlib.import_module(PACKAGE).__version__
    except (ImportError, OSError) as error:  # Such as a library of the system that is missing.
        raise _Unusable(f"onnxruntime cannot be loaded ({reason_of(error)})") from error
    network = backbone.network
    int8 = backbone.card.precision == "int8"
    packaged = read_graphs(PACKAGED / f"{network.graph_name}{'-int8' if int8 else ''}")
    if int8 and packaged is None:
        raise _Unusable("this network has no graph in int8")
    if int8 and saturates():
        raise _Unusable(
            "sums of eight-bit products saturate on this processor, which has no VNNI",
            'Use precision "auto"; a model that was taught in int8 must be taught again.',
        )
    folder = _folder(backbone, packaged.graphs if packaged else (), version)
    known = read_graphs(folder) if folder else None
    if known is not None:
        if known.failure:
            raise _Unusable(known.failure, f"It failed before; to try again, delete {folder}")
        try:
            return _engine(known.graphs, network)
        except Exception as error:  # Of many types: a graph that another version cannot read.
            LOG.debug("graphs in %s cannot be used: %s", folder, reason_of(error))
    if packaged is None and (missing := missing_packages()):
        why = f"its graph is made by packages that are not installed ({', '.join(missing)})"
        raise _Unusable(why, INSTALL_EXPORT)
    graphs: tuple[Graph, ...] = ()
    failure = ""
    try:
        with interrupts_kept():  # An interrupt must not be remembered as a failure.
            graphs = packaged.graphs if packaged else export(folded(network), backbone.card)
            engine = _engine(graphs, network)
            if found := disagreement(backbone.with_engine(engine, ""), backbone):
                failure = f"its features differ from those of torch ({found})"
    except MemoryError:
        raise
    except Exception as error:  # Of many types: what torch cannot export, or ONNX Runtime not run.
        if _may_pass(error):  # So that nothing is remembered.
            raise _Unusable(f"its graphs could not be made ({reason_of(error)})") from error
        failure = f"the network cannot be exported or run ({reason_of(error)})"
    if folder is not None:
        with suppress(OutputError):  # The cache only saves time.
            write_graphs(folder, graphs, failure)
    if failure:
        raise _Unusable(failure)
    return engine


def _engine(graphs: tuple[Graph, ...], network: Network) -> OnnxEngine:
    tensors = tensors_for_graphs(network)
    for graph in graphs:
        tensors |= rounded(tensors, graph.scales)
    return OnnxEngine(graphs, tensors, network.frames_together)


def _folder(backbone: "Backbone", packaged: tuple[Graph, ...], version: str) -> Path | None:
    """Return the cache folder of checked graphs, by all that decides them and their values.

    ``version`` is that of ONNX Runtime. A cache folder may be shared by machines, whose processors
    compute by other code.
    """
    cache, code = cache_folder(), code_of(backbone.network)
    if cache is None or code is None:
        return None
    card = backbone.card
    facts = {
        "version": VERSION,
        "code": code,
        "card": replace(card, engine="onnx").digest,
        "weights": card.weights_sha256 or digest(tensors_of(backbone.network)),
        "graphs": [hashlib.sha256(graph.content).hexdigest() for graph in packaged],
        "torch": torch.__version__,
        "onnxruntime": version,
        "processor": [platform.machine(), torch.backends.cpu.get_cpu_capability()],
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return cache / "graphs" / key


def code_of(network: Network) -> str | None:
    """Return the SHA-256 of the files that define a network and its layers, other than torch's.

    A custom network may be edited: graphs of what it was before are not those of what it is.

    Returns:
        None if a class is in no file, such as one of a notebook.
    """
    classes = {one for module in network.modules() for one in type(module).__mro__}
    modules = {one.__module__ for one in classes if issubclass(one, torch.nn.Module)}
    own = sorted(name for name in modules if not name.startswith("torch."))
    found = hashlib.sha256()
    try:
        for name in own:
            found.update(
                hashlib.sha256(Path(sys.modules[name].__file__ or "").read_bytes()).digest()
            )
    except (KeyError, AttributeError, OSError):
        return None
    return found.hexdigest()


def _may_pass(error: BaseException | None) -> bool:
    """Return whether an error is of the machine at this moment: a full disk, too little memory.

    torch and ONNX Runtime have no types for missing memory, and wrap the errors of others.
    """
    while error is not None:
        if isinstance(error, OSError | MemoryError | ImportError) or "alloc" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
