"""Graphs of networks as files: those that come with fewact, and those in the cache folder.

A graph has no weights; it names them. They come from the network, whose weights were read and
checked as for every engine.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveFloat

from fewact.backbones.card import Level
from fewact.backbones.engines.parts import PartName
from fewact.core.atomic import write_bytes, write_text
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import WeightsError

FACTS = "graphs.json"
FACTS_FILE = FileType("list of graphs", WeightsError, 16 * MIB)
GRAPH_FILE = FileType("graph of a network", WeightsError, 2 * GIB)
PACKAGED = Path(__file__).parent / "packaged"


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

    name: PartName
    inputs: tuple[str, ...]
    outputs: tuple[Level, ...]
    weights: tuple[str, ...]
    content: bytes
    scales: Mapping[str, float] = field(default_factory=dict)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: PartName
    inputs: tuple[str, ...]
    outputs: tuple[Level, ...]
    weights: tuple[str, ...]
    sha256: str
    scales: dict[str, PositiveFloat] = {}


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    graphs: tuple[_Entry, ...]
    failure: str = ""


@dataclass(frozen=True)
class GraphFiles:
    """Content of a folder of graphs.

    Args:
        graphs: Graphs in the order of computation.
        failure: Reason why they cannot be used; empty if they passed the check.
    """

    graphs: tuple[Graph, ...]
    failure: str = ""


def read_graphs(folder: Path) -> GraphFiles | None:
    """Read the graphs of a folder; None if they are missing or damaged."""
    graphs = []
    try:
        for one in (facts := FACTS_FILE.model(folder / FACTS, _Facts)).graphs:
            content = GRAPH_FILE.content(folder / f"{one.name}.onnx")
            if hashlib.sha256(content).hexdigest() != one.sha256:
                return None
            graphs.append(Graph(**one.model_dump(exclude={"sha256"}), content=content))
    except WeightsError:
        return None
    return GraphFiles(tuple(graphs), facts.failure)


def write_graphs(folder: Path, graphs: Sequence[Graph], failure: str = "") -> None:
    """Write graphs into a folder, which is created. Their facts are written last.

    Raises:
        OutputError: They cannot be written.
    """
    entries = []
    for graph in graphs:
        write_bytes(folder / f"{graph.name}.onnx", graph.content)
        facts = {one.name: getattr(graph, one.name) for one in fields(graph)}
        sha256 = hashlib.sha256(facts.pop("content")).hexdigest()
        entries.append(
            {key: value for key, value in facts.items() if value or key != "scales"}
            | {"sha256": sha256}
        )
    content = {"graphs": entries, "failure": failure}
    write_text(folder / FACTS, json.dumps(content, indent=1) + "\n")
