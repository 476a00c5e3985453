"""Accuracy of every aligner on the same M² nodes: docs/results/methods.md.

    python -m benchmarks.aligners ASSETS --mobilenet FILE --store FOLDER [--episodes 10000]

Videos are real clips (``benchmarks/datasets.py``) and the test classes of the synthetic benchmark;
features are those of two networks trained on ImageNet. 5 ways, 1 query per class, 1 and 5 shots.
All columns are evaluated on the same episodes and compared in pairs with the transport of
A²M²-Net.
"""

import argparse
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets import Part, parts, read_index
from benchmarks.markdown import table
from benchmarks.pairs import evaluate_sets
from fewact import align, backbones, methods
from fewact.backbones import Backbone
from fewact.evaluation import Comparison, Result, compare, load, save
from fewact.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.evaluation.identity import method_facts
from fewact.features.extract import extract
from fewact.features.request import Request
from fewact.features.store import Job, Outcome, Store, embed
from fewact.features.stored import StoredFeatures
from fewact.methods.a2m2_matching import WeightedCosts, Weights, problems
from fewact.methods.base import Method
from fewact.synthetic import MotionsBenchmark, motions
from fewact.video import Segments, Timeline

SHOTS = (1, 5)
PRESETS = ("plain", "misaligned", "moving-camera")
CERTAIN = 0.05

NODES = {"alignment.time_weight": 0.0}
REFERENCE = "EMD, cross-reference"
COLUMNS: dict[str, tuple[str, Mapping[str, Any]]] = {
    REFERENCE: ("a2m2", NODES),
    "EMD, uniform": ("a2m2", {**NODES, "alignment.weights": "uniform"}),
    "Hungarian": ("a2m2", {**NODES, "alignment.name": "hungarian"}),
    "Sinkhorn": ("a2m2", {**NODES, "alignment.name": "sinkhorn", "alignment.weights": "uniform"}),
    "Bi-MHM": ("a2m2", {**NODES, "alignment.name": "bi_mhm"}),
    "OTAM": ("a2m2", {**NODES, "alignment.name": "otam"}),
    "diagonal": ("a2m2", {**NODES, "alignment.name": "diagonal"}),
    "cosine of means": ("a2m2", {**NODES, "alignment.name": "cosine"}),
    "Euclidean distance of means": ("a2m2", {**NODES, "alignment.name": "euclidean"}),
    "EMD, cross-reference, time (default)": ("a2m2", {}),
    "`fusion`": ("fusion", {}),
    "`protonet`": ("protonet", {"unit_frames": True}),
    "`otam` on frames": ("otam", {}),
    "`pixels`": ("pixels", {}),
}


PLANS: dict[str, tuple[str, dict[str, float], Weights | None]] = {
    "EMD": ("emd", {}, "uniform"),
    "cross-reference EMD": ("emd", {}, "cross"),
    "Hungarian": ("hungarian", {}, None),
    "Sinkhorn": ("sinkhorn", {"regularisation": 0.05}, None),
    "Bi-MHM": ("bi_mhm", {}, None),
    "OTAM λ 0.5": ("otam", {"smoothing": 0.5}, None),
    "OTAM λ 0.1": ("otam", {"smoothing": 0.1}, None),
    "DTW": ("dtw", {}, None),
    "soft-DTW": ("soft_dtw", {"smoothing": 0.1}, None),
    "diagonal": ("diagonal", {}, None),
}
"""Aligner, options and rule for the weights of the nodes, by the name in the last table."""


@dataclass(frozen=True)
class Row:
    """Results of one network on one set of videos.

    Args:
        network: Name of the network.
        videos: Name of the set.
        shots: Number of shots.
        results: Results by column.
        against: Comparisons of the first column with each other one.
    """

    network: str
    videos: str
    shots: int
    results: Sequence[Result]
    against: Sequence[Comparison]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--mobilenet", type=Path, required=True, help="file of ImageNet weights")
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--videos", type=int, default=10, help="videos per synthetic class")
    parser.add_argument("--pairs", type=int, default=300, help="pairs with known correspondence")
    parser.add_argument("--store", type=Path, required=True, help="folder of the features")
    options = parser.parse_args()
    store = Store.create(options.store)
    made = {preset: motions(preset, videos=options.videos) for preset in PRESETS}
    sets = parts(read_index(options.assets), development=False)
    sets += [Part(f"`motions` {name}", one.videos.of("test")) for name, one in made.items()]
    networks = (
        backbones.create(),
        backbones.create("mobilenet-v2", weights=options.mobilenet),
    )
    rows: list[Row] = []
    for network in networks:
        for part in sets:
            rows += measured(network, part, options.episodes, store)
            print(f"{network.card.name}, {part.name}", flush=True)
    for shots in SHOTS:
        print(f"\n{shots} shot{'s' * (shots > 1)}\n")
        chosen = [row for row in rows if row.shots == shots]
        print(table(["network", "videos", *COLUMNS], [cells(row) for row in chosen]))
    print(f"\nAgainst {REFERENCE}\n")
    print(table(["", "better", "worse", "neither", "points"], [*against_reference(rows)]))
    print(f"\nMass of the plan on corresponding frames, {options.pairs} pairs\n")
    masses = [list(recovered(networks[0], one, options.pairs)) for one in made.values()]
    labels = [*PLANS, "uniform plan (chance)"]
    print(table(["", *made], [[label, *row] for label, *row in zip(labels, *masses, strict=True)]))


def stop_at_error(outcome: Outcome) -> None:
    """Raise SystemExit if a video could not be read."""
    if outcome.error is not None:
        raise SystemExit(f"{outcome.video.id}: {outcome.error}")


def measured(network: Backbone, part: Part, episodes: int, store: Store) -> Iterator[Row]:
    """Yield the results of all columns on one set of videos, on the same episodes."""
    made = [column(name) for name in COLUMNS]
    requests = [request for method in made for request in method.requests(network.card)]
    job = Job(store, part.videos, network.card, requests)
    embed(job, network, range(len(job)), stop_at_error)
    source = StoredFeatures(store, part.videos, network.card)
    drawn = [
        draw(part.videos, Protocol(shots=shots, count=episodes, groups=part.videos.groups))
        for shots in SHOTS
    ]
    by_column = [found_or_measured(method, source, drawn) for method in made]
    for shots, results in zip(SHOTS, zip(*by_column, strict=True), strict=True):
        against = [one for one in compare(results) if one.first == 0]
        yield Row(network.card.name, part.name, shots, results, against)


def found_or_measured(
    method: Method, source: StoredFeatures, drawn: Sequence[EpisodeSet]
) -> list[Result]:
    """Return the result on each set of episodes; stored, so that a run can be continued."""
    facts = [method_facts(method).model_dump_json(), source.digest, *(e.digest for e in drawn)]
    key = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:24]
    folder = source.store.folder / "aligners"
    files = [folder / f"{key}-{number}.json" for number in range(len(drawn))]
    if all(file.exists() for file in files):
        return [load(file) for file in files]
    results = evaluate_sets(method, source, source.videos, drawn)
    for file, result in zip(files, results, strict=True):
        file.parent.mkdir(exist_ok=True)
        save(result, file)
    return results


def column(name: str) -> Method:
    """Return the method of a column."""
    kind, options = COLUMNS[name]
    return methods.create(kind, **options).eval()


def recovered(network: Backbone, benchmark: MotionsBenchmark, count: int) -> Iterator[str]:
    """Yield the fraction of each aligner's plan that is on corresponding frames, in per cent.

    Pairs of videos of one class, 8 frames each, one node per frame. The last value is that of a
    uniform plan.
    """
    method = methods.create("a2m2", **{"moments.lengths": (1,)}, **NODES).eval()
    (request,) = method.requests(network.card)
    pairs = some_pairs(benchmark, count)
    ids = list(dict.fromkeys(id for pair in pairs for id in pair))
    of = {video.id: video.source for video in benchmark.videos.videos}
    clips = [source for id in ids if (source := of[id]) is not None]
    nodes = {}
    for id, found in zip(ids, extract(clips, network, [request]), strict=True):
        if found.features is None:
            raise SystemExit(f"{id} cannot be read")
        with torch.inference_mode():
            nodes[id] = method.encode(found.features)["nodes"]
    truth = torch.stack([torch.from_numpy(known(benchmark, *pair, request)) for pair in pairs])
    first, second = (torch.stack([nodes[pair[i]] for pair in pairs]) for i in (0, 1))
    posed = pose(first, second)
    for name, options, rule in PLANS.values():
        costs = posed[rule or "uniform"]
        weights = () if rule is None else (costs.a, costs.b)
        plan = align.create(name, **options)(costs.cost, *weights).plan
        if plan is None:
            raise SystemExit(f"{name} has no plan")
        yield true_mass(plan, truth)
    yield true_mass(torch.ones(truth.shape), truth)


def pose(first: Tensor, second: Tensor) -> dict[Weights, WeightedCosts]:
    """Return costs (p m m') and weights of pairs (p m D), as in A²M²-Net, by rule."""
    present = torch.ones(second[:, None].shape[:-1], dtype=second.dtype)  # (p 1 m')
    posed: dict[Weights, WeightedCosts] = {}
    rules: tuple[Weights, ...] = ("uniform", "cross")
    for rule in rules:
        both = problems(first[:, None], second[:, None], present, weights=rule)  # (p 1 1 …)
        posed[rule] = WeightedCosts(*(x.flatten(0, 2) for x in (both.cost, both.a, both.b)))
    return posed


def true_mass(plan: Tensor, truth: Tensor) -> str:
    """Return the mean fraction of plans (p m m') on true correspondences, with its interval."""
    fractions = (plan * truth).sum((-2, -1)) / plan.sum((-2, -1))
    half = 1.96 * fractions.std().item() / math.sqrt(len(fractions))
    return f"{100 * fractions.mean().item():.1f} ± {100 * half:.1f}"


def some_pairs(benchmark: MotionsBenchmark, count: int) -> list[tuple[str, str]]:
    """Return pairs of videos of one class, spread over the test classes."""
    by_class: dict[str, list[str]] = {}
    for video in benchmark.videos.of("test").videos:
        by_class.setdefault(video.label, []).append(video.id)
    each = -(-count // len(by_class))
    return [pair for ids in by_class.values() for pair in list(combinations(ids, 2))[:each]]


def known(
    benchmark: MotionsBenchmark, first: str, second: str, request: Request
) -> NDArray[np.bool_]:
    """Return which of the sampled frames correspond: (t t')."""
    every = benchmark.alignment(first, second)
    chosen = [
        Segments(request.frames)(Timeline(np.arange(n, dtype=np.float64), end=float(n)))
        for n in every.shape
    ]
    return every[chosen[0]][:, chosen[1]]


def against_reference(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Yield how often each column is significantly better or worse, and by how many points."""
    for number, name in enumerate(list(COLUMNS)[1:]):
        compared = [row.against[number] for row in rows]
        marks = [mark(one).strip() for one in compared]
        points = -sum(one.difference for one in compared) / len(rows)
        yield [name, *(str(marks.count(sign)) for sign in ("↑", "↓", "")), f"{points:+.1f}"]


def cells(row: Row) -> list[str]:
    """Return network, videos, and accuracy ± half-width with a mark for each column."""
    marks = [""] + [mark(one) for one in row.against]
    accuracies = [
        f"{result.accuracy:.1f} ± {result.ci95:.1f}{sign}"
        for result, sign in zip(row.results, marks, strict=True)
    ]
    return [row.network, row.videos, *accuracies]


def mark(against: Comparison) -> str:
    """Return the mark of a column, from the first column's difference to it."""
    if against.p_holm >= CERTAIN:
        return ""
    return " ↓" if against.difference > 0 else " ↑"


if __name__ == "__main__":
    main()
