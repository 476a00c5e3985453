"""Accuracy of every aligner on the same M² nodes: docs/results/methods.md.

    python -m benchmarks.aligners ASSETS --store FOLDER [--episodes 2000]

Videos are real clips that chose nothing (``benchmarks/datasets.py``), features those of the default
network. 5 ways, 1 query per class, 1 and 5 shots. All columns are evaluated on the same episodes
and compared in pairs with the transport of A²M²-Net.
"""

import argparse
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets import Part, parts, read_index
from benchmarks.shared import table
from benchmarks.training.stored import stored
from fewact import networks
from fewact.lab import methods
from fewact.lab.evaluation import Comparison, Result, compare, evaluate_method, load, save
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.lab.evaluation.identity import method_facts
from fewact.lab.methods.base import TorchMethod
from fewact.lab.store.stored import StoredFeatures
from fewact.networks import Backbone

SHOTS = (1, 5)
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


@dataclass(frozen=True)
class Row:
    """Results on one set of videos.

    Args:
        videos: Name of the set.
        shots: Number of shots.
        results: Results by column.
        against: Comparisons of the first column with each other one.
    """

    videos: str
    shots: int
    results: Sequence[Result]
    against: Sequence[Comparison]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--store", type=Path, required=True, help="folder of the features")
    options = parser.parse_args()
    network = networks.create()
    rows: list[Row] = []
    for part in parts(read_index(options.assets), development=False):
        rows += measured(network, part, options.episodes, options.store)
        print(part.name, flush=True)
    for shots in SHOTS:
        print(f"\n{shots} shot{'s' * (shots > 1)}\n")
        chosen = [row for row in rows if row.shots == shots]
        print(table(["videos", *COLUMNS], [cells(row) for row in chosen]))
    print(f"\nAgainst {REFERENCE}\n")
    print(table(["", "better", "worse", "neither", "points"], [*against_reference(rows)]))


def measured(network: Backbone, part: Part, episodes: int, store: Path) -> Iterator[Row]:
    """Yield the results of all columns on one set of videos, on the same episodes."""
    made = [column(name) for name in COLUMNS]
    requests = [request for method in made for request in method.requests(network.card)]
    source = stored(part.videos, store, requests, network)
    drawn = [
        draw(part.videos, Protocol(shots=shots, count=episodes, groups=part.videos.groups))
        for shots in SHOTS
    ]
    by_column = [found_or_measured(method, source, drawn) for method in made]
    for shots, results in zip(SHOTS, zip(*by_column, strict=True), strict=True):
        against = [one for one in compare(results) if one.first == 0]
        yield Row(part.name, shots, results, against)


def found_or_measured(
    method: TorchMethod, source: StoredFeatures, drawn: Sequence[EpisodeSet]
) -> list[Result]:
    """Return the result on each set of episodes; stored, so that a run can be continued."""
    facts = [method_facts(method).model_dump_json(), source.digest, *(e.digest for e in drawn)]
    key = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:24]
    folder = source.store.folder / "aligners"
    files = [folder / f"{key}-{number}.json" for number in range(len(drawn))]
    if all(file.exists() for file in files):
        return [load(file) for file in files]
    results = [evaluate_method(method, source, source.videos, episodes) for episodes in drawn]
    for file, result in zip(files, results, strict=True):
        file.parent.mkdir(exist_ok=True)
        save(result, file)
    return results


def column(name: str) -> TorchMethod:
    """Return the method of a column."""
    kind, options = COLUMNS[name]
    return methods.create(kind, **options)


def against_reference(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Yield how often each column is significantly better or worse, and by how many points."""
    for number, name in enumerate(list(COLUMNS)[1:]):
        compared = [row.against[number] for row in rows]
        marks = [mark(one).strip() for one in compared]
        points = -sum(one.difference for one in compared) / len(rows)
        yield [name, *(str(marks.count(sign)) for sign in ("↑", "↓", "")), f"{points:+.1f}"]


def cells(row: Row) -> list[str]:
    """Return videos, and accuracy ± half-width with a mark for each column."""
    marks = [""] + [mark(one) for one in row.against]
    accuracies = [
        f"{result.accuracy:.1f} ± {result.ci95:.1f}{sign}"
        for result, sign in zip(row.results, marks, strict=True)
    ]
    return [row.videos, *accuracies]


def mark(against: Comparison) -> str:
    """Return the mark of a column, from the first column's difference to it."""
    if against.p_holm >= CERTAIN:
        return ""
    return " ↓" if against.difference > 0 else " ↑"


if __name__ == "__main__":
    main()
