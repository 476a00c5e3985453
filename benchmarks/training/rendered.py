"""Parts of ``fusion`` trained on rendered figures alone, measured on real development clips.

    python -m benchmarks.training.rendered ASSETS --work FOLDER [--classes 500] [--clips 5]
        [--fraction 0.5] [--only matrix network]

Prints the table of docs/decisions/learn-from-rendered-videos.md, of the default before motion was
compared in shallow maps. The network of the features is frozen; what FOLDER contains is not
computed again.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.datasets import Part
from benchmarks.development import development
from benchmarks.markdown import heading
from benchmarks.pairs import (
    CLIPS_AT_ONCE,
    Pairs,
    corners_of,
    encode_videos,
    episode_accuracies,
    paired_cell,
)
from benchmarks.shallow_maps import FORMER
from benchmarks.training.figures import Role, figure_class, render
from benchmarks.training.rendered_parts import GRID, VIEWS, WEIGHTS, Linear, Network, similarity
from fewact import backbones
from fewact.backbones import Backbone, Card, Level
from fewact.episodes import Protocol, draw
from fewact.features.differences import difference_images
from fewact.features.request import DifferenceRequest, Features, Request
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.permissive import PermissiveView
from fewact.methods.fusion.terms import Motion
from fewact.methods.fusion.weighted_terms import Decision, WeightedTerm

WAYS, QUERIES = 20, 2
"""Episodes of training: one shot."""

LEVEL: Level = "middle"
TEMPERATURE = 0.05
VALIDATION_EPISODES = 12
PATIENCE = 3
"""Validations without a smaller loss after which training stops."""
SHOTS = (1, 5)

LINEAR: dict[str, tuple[tuple[str, ...], float]] = {
    "term weights": (("terms",), 0.02),
    "weights of terms, cells, channels, velocity": (
        ("terms", "cells", "channels", "velocity"),
        0.02,
    ),
    "temporal filters": (("time",), 0.005),
    "matrix": (("matrix",), 0.001),
    "all linear parts": (("matrix", "terms", "cells", "channels", "velocity", "time"), 0.001),
}
"""Trained parts, and the rate."""

NETWORKS: dict[str, tuple[tuple[str, ...], int, int, int, int, float]] = {
    "network of differences": (("differences",), 48, 128, 64, 2, 0.2),
    "small network of both": (VIEWS, 16, 48, 32, 1, 0.5),
}
"""Arguments of small networks, each a further term."""
NETWORK_RATE, NETWORK_WEIGHT, NETWORK_TERM = 1e-3, 1.5, (0.5, 1.5)


def cells_of(maps: Tensor) -> Tensor:
    """Return the cells (t c·g) of a video's maps (t c h w), cropped around the motion."""
    term = Motion(DifferenceRequest(), "linear", crop=True)
    return term._cells(maps).half()


def rendered(
    work: Path, backbone: Backbone, role: Role, classes: int, clips: int
) -> tuple[Tensor, Tensor]:
    """Return the cells (v 2 t c·g) of rendered videos, and their classes (v)."""
    file = work / f"{role}-{classes}-{clips}.pt"
    if not file.exists():
        torch.save(_embedded(backbone, role, classes, clips), file)
    cells, labels = torch.load(file)
    return cells, labels


@torch.inference_mode()
def _embedded(backbone: Backbone, role: Role, classes: int, clips: int) -> tuple[Tensor, Tensor]:
    found = []
    for number in range(classes):
        one = figure_class(number, role)
        for seed in range(clips):
            frames = torch.from_numpy(render(one, seed)).permute(0, 3, 1, 2).contiguous()
            both = (frames, difference_images(frames, FORMER.images.scale))
            maps = (backbone.features(x, (LEVEL,))[LEVEL] for x in both)
            found.append(torch.stack([cells_of(x) for x in maps]))
        if number % 20 == 0:
            print(f"  {role}: {number} of {classes} classes", flush=True)
    return torch.stack(found), torch.arange(classes).repeat_interleave(clips)


def view_of(one: WeightedTerm) -> str:
    """Return which of ``VIEWS`` a term of motion compares."""
    return "differences" if isinstance(one.term.view, DifferenceRequest) else "motion"


class Cells:
    """Encodes videos as ``fusion`` does, but for motion, of which it returns the cells."""

    def __init__(self, method: Fusion) -> None:
        self._method = method

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of ``fusion``."""
        return self._method.requests(card)

    def encode(self, features: Features) -> Nodes:
        """Return the nodes, and the cells of motion."""
        found = dict(self._method.encode(features))
        for one in self._method.map_terms.terms:
            term = one.term
            if isinstance(term, Motion):
                view = term.view
                if isinstance(view, PermissiveView):
                    maps = view.warp(features[view.maps], features)
                else:
                    maps = features[view]
                found[one.name] = term._cells(maps).half()
        return found


class Development:
    """Accuracies on a development set, with some of the terms replaced.

    Args:
        part: The clips.
        method: ``fusion``.
        backbone: Backbone of the method.
        file: File of what is computed of the clips.
        episodes: Number of episodes.
    """

    def __init__(
        self, part: Part, method: Fusion, backbone: Backbone, file: Path, episodes: int
    ) -> None:
        self.name, self._method = part.name, method
        if not file.exists():
            torch.save(_encoded(method, backbone, part), file)
        self._nodes, self._tables = torch.load(file)
        groups = part.videos.groups
        self._drawn = [draw(part.videos, Protocol(5, k, 3, episodes, groups=groups)) for k in SHOTS]

    def encoded(self, linear: Linear) -> Nodes:
        """Return the encoded frames of the motion terms."""
        return {
            one.name: linear(self._nodes[one.name], view_of(one), static="static" in one.name)
            for one in self._method.map_terms.terms
            if isinstance(one.term, Motion)
        }

    def tables(self, encoded: Nodes) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the similarities of each term, and its quick ones."""
        found = {name: (table, table) for name, table in self._tables.items()}
        known: list[str] = []
        for name, nodes in encoded.items():
            same = (n for n in known if torch.equal(encoded[n], nodes))
            first = next((n for n in same if encoded[n].shape == nodes.shape), None)
            if first is not None:
                found[name] = found[first]
                continue
            known.append(name)
            flat = nodes.flatten(-2)
            quick = flat @ flat.T / (2 * nodes.shape[-2])
            found[name] = (within(nodes), quick)
        return found

    def accuracies(
        self,
        tables: Mapping[str, tuple[Tensor, Tensor]],
        weights: Mapping[str, float],
        extra: Tensor | float = 0.0,
    ) -> list[NDArray[np.float64]]:
        """Return the accuracy of each episode, by shots."""
        terms = self._method.map_terms
        corners = corners_of(terms)
        exact, quick = (
            torch.stack([self._sum(tables, weights, which, one) + extra for one in corners])
            for which in (0, 1)
        )
        appearance = tables["appearance"][0][None]
        own = {k: v for k, v in self._nodes.items() if k not in terms.names}
        pairs = Pairs(torch.cat([exact, appearance]), quick, corners, terms, own)
        return [episode_accuracies(self._method, pairs.exact, pairs, one) for one in self._drawn]

    def _sum(
        self,
        tables: Mapping[str, tuple[Tensor, Tensor]],
        weights: Mapping[str, float],
        which: int,
        decision: Decision,
    ) -> Tensor:
        total = torch.zeros(())
        for one in self._method.map_terms.terms:
            factor = one.factor(decision) * weights.get(one.name, 1.0)
            total = total + factor * tables[one.name][which]
        return total


def _encoded(method: Fusion, backbone: Backbone, part: Part) -> tuple[Nodes, Nodes]:
    """Return the nodes with cells of motion (v …), and the similarities (v v) of other terms."""
    (nodes,) = encode_videos([Cells(method)], backbone, part.videos)
    others = [one for one in method.map_terms.terms if not isinstance(one.term, Motion)]
    tables = {one.name: one.term.similarity(nodes[one.name], nodes[one.name])[0] for one in others}
    return {name: value[0] for name, value in nodes.items() if name not in tables}, tables


def within(nodes: Tensor) -> Tensor:
    """Return the similarities (v v) of encoded frames (v t d)."""
    return torch.cat([similarity(some, nodes) for some in nodes.split(CLIPS_AT_ONCE)])


def draws(labels: Tensor, seed: int, count: int) -> list[Tensor]:
    """Return the videos of episodes: the support, then the queries of each class."""
    generator = torch.Generator().manual_seed(seed)
    by_class = [(labels == one).nonzero()[:, 0] for one in labels.unique()]
    found = []
    for _ in range(count):
        classes = torch.randperm(len(by_class), generator=generator)[:WAYS].tolist()
        own = [by_class[c] for c in classes]
        order = [one[torch.randperm(len(one), generator=generator)] for one in own]
        support = [one[:1] for one in order]
        found.append(torch.cat(support + [one[1 : 1 + QUERIES] for one in order]))
    return found


def optimise(
    part: torch.nn.Module,
    logits: Callable[[Tensor, bool], Tensor],
    labels: tuple[Tensor, Tensor],
    rate: float,
    options: argparse.Namespace,
) -> str:
    """Train a part; keep the step of the least loss on validation classes.

    Args:
        part: What is trained.
        logits: Function of the videos of an episode, and whether they are of validation.
        labels: Classes of the videos of training, and of validation.
        rate: Largest learning rate.
        options: Options of the command line.

    Returns:
        The loss and accuracy on validation, before and after, in words.
    """
    truth = torch.arange(WAYS).repeat_interleave(QUERIES)
    episodes = draws(labels[1], 0, VALIDATION_EPISODES)

    def validate() -> tuple[float, float]:
        part.eval()
        with torch.inference_mode():
            found = torch.stack([logits(one, True) for one in episodes])
        losses = functional.cross_entropy(found.flatten(0, 1), truth.repeat(len(episodes)))
        return losses.item(), 100 * (found.argmax(-1) == truth).double().mean().item()

    start = validate()
    rate = rate * options.rate
    best, state, at = start, {k: v.clone() for k, v in part.state_dict().items()}, 0
    optimiser = torch.optim.AdamW(part.parameters(), lr=rate, weight_decay=options.decay)
    torch.manual_seed(0)
    begin, run = time.process_time(), 0.0
    for step, videos in enumerate(draws(labels[0], 1, options.steps), 1):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, step / 20) * (1 - 0.95 * step / options.steps)
        part.train()
        loss = functional.cross_entropy(logits(videos, False), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        run = loss.item() if step == 1 else 0.97 * run + 0.03 * loss.item()
        if step % options.every == 0:
            found = validate()
            seconds = time.process_time() - begin
            print(
                f"  step {step}: training {run:.3f}, validation {found[0]:.3f} "
                f"({found[1]:.1f} %), {seconds:.0f} s",
                flush=True,
            )
            if found[0] < best[0]:
                best, at = found, step
                state = {k: v.clone() for k, v in part.state_dict().items()}
            elif step - at >= PATIENCE * options.every:
                break
    part.load_state_dict(state)
    return f"{start[1]:.1f} → {best[1]:.1f} (step {at})"


def half_flipped(values: Tensor) -> Tensor:
    """Flip the cells (v t …·16) of an episode's videos, of half of the classes; others are new."""
    flips = torch.rand(WAYS) < 0.5
    chosen = torch.cat([flips, flips.repeat_interleave(QUERIES)])
    side = round(GRID**0.5)
    flipped = values.unflatten(-1, (-1, side, side)).flip(-1).flatten(-3)
    return torch.where(chosen.view(-1, *[1] * (values.ndim - 1)), flipped, values)


Data = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Cells and classes of training, and of validation."""


def train_linear(linear: Linear, data: Data, rate: float, options: argparse.Namespace) -> str:
    """Train linear parts of the motion terms."""

    def logits(videos: Tensor, validation: bool) -> Tensor:
        cells = data[validation][0][videos]  # (v 2 t d)
        cells = half_flipped(cells) if options.flip and not validation else cells
        total = torch.zeros(())
        for i, (view, weight) in enumerate(zip(VIEWS, WEIGHTS, strict=True)):
            nodes = linear(cells[:, i], view)
            factor = weight * linear.term_weight(view)
            total = total + factor * similarity(nodes[WAYS:], nodes[:WAYS])
        return total / TEMPERATURE

    return optimise(linear, logits, (data[0][1], data[1][1]), rate, options)


def train_network(network: Network, data: Data, options: argparse.Namespace) -> str:
    """Train a network whose similarity is added to those of the untrained terms."""
    plain = Linear()

    def logits(videos: Tensor, validation: bool) -> Tensor:
        cells = data[validation][0][videos]
        cells = half_flipped(cells) if options.flip and not validation else cells
        with torch.no_grad():
            nodes = {view: plain(cells[:, i], view) for i, view in enumerate(VIEWS)}
            total = sum(
                weight * similarity(nodes[view][WAYS:], nodes[view][:WAYS])
                for view, weight in zip(VIEWS, WEIGHTS, strict=True)
            )
        own = network(nodes)
        found: Tensor = total + NETWORK_WEIGHT * similarity(own[WAYS:], own[:WAYS])
        return found / TEMPERATURE

    return optimise(network, logits, (data[0][1], data[1][1]), NETWORK_RATE, options)


def row(
    name: str,
    validation: str,
    found: list[list[NDArray[np.float64]]],
    base: list[list[NDArray[np.float64]]] | None,
) -> str:
    """Return a row: accuracies, or their differences from the untrained method."""
    bases = [None] * len(found) if base is None else base
    columns = [paired_cell(one, other) for one, other in zip(found, bases, strict=True)]
    return f"| {name} | {validation} | " + " | ".join(columns) + " |"


@dataclass(frozen=True)
class Measurement:
    """Development clips, and what the untrained method has on them.

    Args:
        method: ``fusion``.
        real: The clips.
        encoded: Encoded frames of each.
        tables: Similarities of the terms of each.
        base: Accuracies of each.
    """

    method: Fusion
    real: list[Development]
    encoded: list[Nodes]
    tables: list[dict[str, tuple[Tensor, Tensor]]]
    base: list[list[NDArray[np.float64]]]

    @classmethod
    @torch.inference_mode()
    def of(cls, backbone: Backbone, options: argparse.Namespace) -> "Measurement":
        """Compute what is not in the folder."""
        method = FORMER.method()
        real = []
        for i, part in enumerate(development(options)):
            file = options.work / f"development-{options.fraction}-{i}.pt"
            real.append(Development(part, method, backbone, file, options.episodes))
        encoded = [one.encoded(Linear()) for one in real]
        tables = [one.tables(nodes) for one, nodes in zip(real, encoded, strict=True)]
        base = [one.accuracies(table, {}) for one, table in zip(real, tables, strict=True)]
        return cls(method, real, encoded, tables, base)

    @torch.inference_mode()
    def of_linear(self, name: str, linear: Linear, validation: str) -> str:
        """Return the row of linear parts."""
        weights = {}
        for one in self.method.map_terms.terms:
            if isinstance(one.term, Motion):
                weights[one.name] = float(linear.term_weight(view_of(one)))
        found = [one.accuracies(one.tables(one.encoded(linear)), weights) for one in self.real]
        return row(name, validation, found, self.base)

    @torch.inference_mode()
    def of_network(self, name: str, network: Network, validation: str) -> str:
        """Return the rows of a network, by its weight."""
        own = [within(network.eval()(nodes)) for nodes in self.encoded]
        rows = []
        for weight in NETWORK_TERM:
            found = [
                one.accuracies(table, {}, weight * extra)
                for one, table, extra in zip(self.real, self.tables, own, strict=True)
            ]
            rows.append(row(f"{name}, weight {weight}", validation, found, self.base))
        return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--classes", type=int, default=500)
    parser.add_argument("--clips", type=int, default=5, help="number of videos per class")
    parser.add_argument("--fraction", type=float, default=0.5, help="fraction of the real clips")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--decay", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=1.0, help="factor of the learning rates")
    parser.add_argument("--flip", action=argparse.BooleanOptionalAction, default=True)
    every = [*LINEAR, *NETWORKS]
    parser.add_argument("--only", nargs="+", default=every, choices=every)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    backbone = backbones.create(engine="onnx")
    train = rendered(options.work, backbone, "train", options.classes, options.clips)
    data = (train, rendered(options.work, backbone, "val", 60, 5))
    measurement = Measurement.of(backbone, options)
    names = [one.name for one in measurement.real]
    heads = ["trained", "rendered validation classes, 20 ways", *names]
    print(heading(*heads))
    print(row("nothing", "", measurement.base, None), flush=True)
    for name in options.only:
        torch.manual_seed(0)
        if name in LINEAR:
            own, rate = LINEAR[name]
            linear = Linear(own)
            said = train_linear(linear, data, rate, options)
            print(measurement.of_linear(name, linear, said), flush=True)
        else:
            network = Network(*NETWORKS[name])
            said = train_network(network, data, options)
            print(measurement.of_network(name, network, said), flush=True)


if __name__ == "__main__":
    main()
