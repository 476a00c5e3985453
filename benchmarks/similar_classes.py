"""Similar classes: which pairs the mean frame confuses, and what order and motion gain on them.

    python -m benchmarks.similar_classes ASSETS [--episodes 10000]
        [--page docs/results/similar-classes.md]

Stored frame vectors of ``utd27_depth``: 27 actions of eight people, who are kept apart. The ten
pairs of classes that the mean frame confuses most are chosen on the first half of the episodes; all
methods are compared on queries of these pairs in the second half. No method is trained.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.markdown import heading
from benchmarks.training.ablation_page import wrapped
from fewact import methods
from fewact.data import FeatureDataset
from fewact.evaluation import (
    ArrayFeatures,
    Pair,
    Result,
    confusion,
    evaluate_method,
    pair_accuracies,
)
from fewact.evaluation.episodes import Protocol, draw
from fewact.report import confusion_chart

FILE, DATA = "mobilenet_v2_t8.npz", "utd27_depth"
PAIRS, SHOTS = 10, (1, 5)
FIRST = "mean frame (protonet)"

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    FIRST: ("protonet", {}),
    "set of frames (Bi-MHM)": ("hyrsm", {"relations": "none"}),
    "frames in order (protonet)": ("protonet", {"frame_matching": "concatenated"}),
    "ordered alignment (otam)": ("otam", {}),
    "frames in order (ridge)": ("ridge", {}),
    "appearance and motion (fusion)": ("fusion", {}),
}
"""Methods by what they compare."""


def results_of(assets: Path, shots: int, episodes: int) -> dict[str, Result]:
    """Return the result of each method on the same episodes."""
    data = FeatureDataset(assets / "features" / FILE, groups="shared", dataset=DATA)
    source = ArrayFeatures(data.features, FILE)
    drawn = draw(data.videos, Protocol(5, shots, 1, episodes, 0, "shared"))
    found = {}
    for title, (name, options) in METHODS.items():
        fitting = methods.fitting(name, source.card, frames=source.frames)
        method = methods.create(name, **{**fitting, **options})
        found[title] = evaluate_method(method, source, data.videos, drawn)
        print(f"{title}, shots {shots}: {found[title].accuracy:.2f}", flush=True)
    return found


def table(results: Mapping[str, Result], pairs: Sequence[Pair], half: slice) -> list[str]:
    """Return the accuracy of each method on all queries and on those of the pairs."""
    lines = ["| compares | all queries | queries of the pairs | lost |", "|---|---|---|---|"]
    on_pairs = pair_accuracies(list(results.values()), pairs, half)
    for (title, result), found in zip(results.items(), on_pairs, strict=True):
        lines.append(
            f"| {title} | {result.accuracy:.1f} ± {result.ci95:.1f} | {found.accuracy:.1f} ±"
            f" {found.ci95:.1f} | {result.accuracy - found.accuracy:.1f} |"
        )
    return lines


def each_pair(results: Mapping[str, Result], pairs: Sequence[Pair], half: slice) -> list[str]:
    """Return the accuracy of each method on each pair."""
    lines = [heading("pair", "confused by the mean frame", *results)]
    for pair in pairs:
        found = pair_accuracies(list(results.values()), [pair], half)
        cells = " | ".join(f"{one.accuracy:.0f}" for one in found)
        names = f"{pair.first}, {pair.second}".replace("_", r"\_")
        lines.append(f"| {names} | {pair.confused:.0f} % | {cells} |")
    return lines


def page(found: Mapping[int, Mapping[str, Result]], episodes: int, chart: str) -> str:
    """Return the page as Markdown; all figures come from the results."""
    half = slice(episodes // 2, None)
    setup = found[SHOTS[0]][FIRST].setup
    lines = [
        "# Similar classes",
        "",
        "Which classes does the mean frame confuse, and what do the order of frames and motion"
        " gain on exactly these?",
        "",
        f"    python -m benchmarks.similar_classes ASSETS --episodes {episodes}",
        "",
        f"`{DATA}`, frame vectors of MobileNet v2 (ImageNet), {setup.videos.classes} classes,"
        f" people kept apart; {episodes} episodes of 5 ways and 1 query per class. The {PAIRS}"
        " pairs that the mean frame confuses most are chosen on the first half of the episodes;"
        " the accuracies are those of the second half, on queries of a pair in episodes that have"
        " both its classes. Both halves have the same clips, and the pairs are hard for the mean"
        " frame by choice: compare the other rows with each other. Class names, CLIP-SPM's parts"
        " and trained methods were not measured on these pairs.",
    ]
    for shots, results in found.items():
        pairs = confusion(results[FIRST], slice(episodes // 2)).most_confused(PAIRS)
        lines += [
            "",
            f"## {shots} shot{'s' * (shots > 1)}",
            "",
            *table(results, pairs, half),
            "",
            *each_pair(results, pairs, half),
        ]
    lines += [
        "",
        f"![Confusions of the mean frame, {SHOTS[0]} shot]({chart})",
        "",
        f"The figure shows the mean frame at {SHOTS[0]} shot.",
    ]
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    found = {shots: results_of(options.assets, shots, options.episodes) for shots in SHOTS}
    if options.page is None:
        return
    chart = options.page.with_suffix(".svg")
    first = found[SHOTS[0]][FIRST]
    chart.write_text(confusion_chart(confusion(first), FIRST), encoding="utf-8")
    options.page.write_text(page(found, options.episodes, chart.name), encoding="utf-8")


if __name__ == "__main__":
    main()
