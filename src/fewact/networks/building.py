"""Creation of a backbone by the names of its network, weights and engine.

``onnx`` runs ONNX Runtime, in float32 and int8, for networks whose graphs come with fewact.
``torch`` runs every network, on every device, in float32 and bfloat16; it is part of the lab.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from fewact.core.errors import OptionError
from fewact.core.extras import import_lab
from fewact.core.options import make_options
from fewact.networks.backbone import Backbone, make_card
from fewact.networks.card import Card, Device, check_engine, device_type
from fewact.networks.onnx_engine import (
    PREFIX,
    Graph,
    OnnxEngine,
    has_cuda,
    read_graphs,
    rounded,
    saturates,
)
from fewact.networks.packaged import GRAPHS_FOLDER, PACKAGED_NETWORKS, PackagedNetwork, folded
from fewact.networks.weights import Weights, random, read

LAB_BUILDING = "fewact.lab.networks.building"
STATISTICS = (".running_mean", ".running_var")
"""Ends of the names of tensors that do not count as parameters."""


def build(
    name: str,
    *,
    weights: str,
    device: Device,
    precision: str,
    engine: str,
    options: Mapping[str, Any],
    **reading: Any,
) -> Backbone:
    """Create a backbone.

    Args:
        name: Name of the network.
        weights: Weights, see ``fewact.networks.create``.
        device: Name of a device.
        precision: Precision; ``auto`` is float32 by the engine ``onnx``.
        engine: Engine; ``auto`` is ``onnx`` where it can be used.
        options: Options of the network.
        **reading: How frames are read: ``resize``, ``sampler``, ``size``.

    Raises:
        UnknownNameError: There is no network of this name.
        WeightsError: The weights cannot be read or are of another network.
        OptionError: An option or the device is unknown, or the engine cannot be used.
        ExtraError: The network, engine, precision or device needs the lab.
    """
    check_engine(engine, precision, device)
    network = PACKAGED_NETWORKS.get(name)
    if network is None and (engine == "onnx" or precision == "int8"):
        raise OptionError(
            "no graph of this network comes with fewact",
            where=name,
            got=f"engine {engine}, precision {precision}",
            hint='Use engine "auto" or "torch", and precision "auto".',
        )
    needs_lab = name if network is None else _part_of_lab(device, precision, engine)
    if network is None or needs_lab:
        backbone: Backbone = import_lab(needs_lab, LAB_BUILDING).build(
            name, weights=weights, device=device, precision=precision, options=options, **reading
        )
        return backbone
    precision = "int8" if precision == "int8" else "float32"
    parts = _parts(network, weights, options, precision=precision, **reading)
    why = "requested" if engine == "onnx" else f"the fastest in {precision}"
    if device == "auto" and precision == "float32" and has_cuda():
        with suppress(OptionError):  # there may be no GPU
            return Backbone(parts[-1], OnnxEngine(*parts, "cuda"), why)
    return Backbone(parts[-1], OnnxEngine(*parts, "cpu" if device == "auto" else device), why)


def _part_of_lab(device: Device, precision: str, engine: str) -> str:
    """Return the option by which a network that comes with fewact needs the lab; "" for none."""
    if engine == "torch":
        return "the engine torch"
    if precision == "bfloat16":
        return "precision bfloat16"
    type_ = device_type(device)
    if engine == "onnx" or type_ in ("auto", "cpu") or (type_ == "cuda" and has_cuda()):
        return ""
    return f"the device {device}"


def _parts(
    network: PackagedNetwork,
    weights: str,
    options: Mapping[str, Any],
    *,
    precision: str,
    **reading: Any,
) -> tuple[tuple[Graph, ...], dict[str, NDArray[Any]], Card]:
    """Return the graphs of a network, their weights, and its card."""
    checked: Any = make_options(network.Options, options, of=network.description.name)
    loaded = _read(network, weights)
    resolved = network.resolve(checked, loaded)
    tensors = loaded.tensors
    card = make_card(
        network.describe(resolved),
        loaded,
        tensors,
        parameters=sum(x.size for n, x in tensors.items() if not n.endswith(STATISTICS)),
        precision=precision,
        **reading,
    )
    ending = "-int8" if precision == "int8" else ""
    graphs = read_graphs(GRAPHS_FOLDER / f"{network.graph_name(resolved)}{ending}")
    if not graphs:
        raise OptionError(
            "no graph of this network in int8 comes with fewact",
            where=network.description.name,
            hint='Use precision "auto".',
        )
    if ending and saturates():
        raise OptionError(
            "sums of eight-bit products saturate on this processor, which has no VNNI",
            where="precision",
            got=precision,
            hint='Use precision "auto"; teach a model of int8 again.',
        )
    of_graphs = {PREFIX + name: x for name, x in folded(tensors, network.norms).items()}
    for graph in graphs:
        of_graphs |= rounded(of_graphs, graph.scales)
    return graphs, {name: of_graphs[name] for graph in graphs for name in graph.weights}, card


def _read(network: PackagedNetwork, weights: str) -> Weights:
    """Return weights with all tensors of a network."""
    if weights == "default":
        return network.default_weights()
    if weights == "random":
        return Weights(random(network.shapes), weights)
    loaded = read(weights)
    return replace(loaded, tensors=network.fitting(loaded))
