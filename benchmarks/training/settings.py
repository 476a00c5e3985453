"""Scales, shots and ways of A²M²-Net on trained checkpoints, adaptive against fixed alignment.

    python -m benchmarks.training.settings --work FOLDER [--small] [--videos 16] [--seeds 1]
        [--episodes 2000] [--page docs/results/settings.md]

FOLDER is that of ``benchmarks.training.ablation``, with the checkpoints of ``sqrt`` and the clip's
mean subtracted; with the mean kept they are at chance. One thing changes at a time: window lengths
and spatial grid of the nodes, shots, ways; a grid is also trained. Each setting is scored with the
transport, the transport with a time term, and the diagonal, which matches windows at the same time,
on the same nodes and episodes. Results in FOLDER are not computed again.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.markdown import heading
from benchmarks.training.ablation_page import judged, mean_of, wrapped
from benchmarks.training.ablation_variants import (
    ALIGNMENTS,
    MOMENTS,
    PLAIN,
    moments_of,
    options_of,
)
from benchmarks.training.ablation_work import Work
from benchmarks.training.paired import differences, listed
from fewact.evaluation import Result, RunOptions, checkpoint, evaluate_method, load, stability
from fewact.evaluation.encode import encode_list
from fewact.evaluation.episodes import Protocol, draw
from fewact.report import stability_chart

CHECKPOINT = moments_of("sqrt", "subtracted")
HOW = ("emd, cross", "emd, cross, time", "diagonal")


@dataclass(frozen=True)
class Setting:
    """A setting that differs from the first one in one thing.

    Args:
        options: Options of the method.
        ways: Number of classes of an episode.
        shots: Number of support videos per class.
        cut: Divisor of the number of episodes, for settings that cost more.
        trained: Train a checkpoint with these options.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    ways: int = 5
    shots: int = 1
    cut: int = 1
    trained: bool = False


QUARTERS = {"moments.grid": 2}
SETTINGS: dict[str, Setting] = {
    "W124, 5 ways, 1 shot": Setting(),
    "W248": Setting({"moments.lengths": (2, 4, 8)}),
    "W148": Setting({"moments.lengths": (1, 4, 8)}),
    "W124, four quarters of the maps too": Setting(QUARTERS),
    "the same, trained with quarters": Setting(QUARTERS, trained=True),
    "3 shots": Setting(shots=3),
    "5 shots": Setting(shots=5),
    "10 ways": Setting(ways=10, cut=4),
    "15 ways": Setting(ways=15, cut=8),
    "20 ways": Setting(ways=20, cut=16),
}


def results_of(work: Work, name: str, seed: int, episodes: int) -> dict[str, Result]:
    """Return the result of a seed's checkpoint by alignment, stored or computed."""
    setting, run = SETTINGS[name], work.run_folder(CHECKPOINT, seed)
    if setting.trained:
        run = work.run(
            f"settings {name}", seed, options_of({**MOMENTS[CHECKPOINT], **setting.options})
        )
    files = {how: run / "settings" / f"{name}, {how}.json" for how in HOW}
    if not all(file.exists() for file in files.values()):
        best, videos = checkpoint.read(run), work.videos["test"]
        drawn = draw(videos, Protocol(setting.ways, setting.shots, 1, episodes // setting.cut, 1))
        every = {how: best.method(**{**PLAIN, **setting.options, **ALIGNMENTS[how]}) for how in HOW}
        bank = encode_list(every[HOW[0]], work.stored["test"], videos, drawn.needed)
        for how, method in every.items():
            evaluate_method(method, bank, videos, drawn, run=RunOptions(output=files[how]))
    return {how: load(file) for how, file in files.items()}


def page(
    found: Mapping[str, Mapping[str, Sequence[Result]]], work: Work, command: str, chart: str
) -> str:
    """Return the page as Markdown; all figures come from the results."""
    first = next(iter(found.values()))[HOW[0]]
    setup = first[0].setup
    lines = [
        "# Scales, shots and ways of A²M²-Net",
        "",
        "Does adaptive alignment gain over a fixed one, and does that depend on the nodes, the"
        f" shots and the ways? Data: `motions`, preset `{work.preset}`. Checkpoints of the"
        " [ablation](ablation.md): `sqrt`, clip mean subtracted, trained with windows of 1, 2 and"
        " 4 frames and the transport, 5 ways, 1 shot. One thing changes at a time, without"
        f" training again, except where it says so. Test: {setup.videos.videos} videos of"
        f" {setup.videos.classes} classes;"
        f" {setup.episodes.protocol.count} episodes, fewer where they cost more.",
        "",
        f"    {command}",
        "",
        "EMD is the transport with cross-reference weights, as in the paper. The diagonal matches"
        " windows at the same time: a fixed alignment of the same nodes. A setting of more scales"
        " weighs long windows differently; shots are averaged to prototypes.",
        "",
        heading("setting", *HOW, "EMD − diagonal", "over other classes", "EMD gains"),
    ]
    for name, results in found.items():
        cells = " | ".join(mean_of(results[how]) for how in HOW)
        pairs = differences(results["emd, cross"], results["diagonal"])
        over = [one.class_interval for one in pairs]
        classes = ", ".join(
            "–" if one is None else f"{one[0]:+.1f} … {one[1]:+.1f}" for one in over
        )
        lines.append(f"| {name} | {cells} | {listed(pairs)} | {classes} | {judged(pairs)} |")
    points = stability(first[0])
    few, most = points[min(3, len(points) - 1)], points[-1]
    lines += [
        "",
        "## Episodes",
        "",
        f"Over the first {few.episodes} episodes the transport's accuracy is {few.accuracy:.1f} ±"
        f" {few.ci95:.1f}, over all {most.episodes} {most.accuracy:.1f} ± {most.ci95:.1f}. The"
        " interval over episodes says nothing of other classes.",
        "",
        f"![Accuracy over the first episodes]({chart})",
    ]
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the ablation")
    parser.add_argument("--preset", default="misaligned")
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    work = Work(options.work, options.preset, options.videos, options.episodes, small=options.small)
    found: dict[str, dict[str, list[Result]]] = {}
    for name in SETTINGS:
        each = [results_of(work, name, seed, options.episodes) for seed in range(options.seeds)]
        found[name] = {how: [one[how] for one in each] for how in HOW}
        for how, results in found[name].items():
            print(f"{name:36} {how:18} {mean_of(results)} ± {results[0].ci95:.2f}", flush=True)
    if options.page is None:
        return
    more = " --small" * options.small + f" --videos {options.videos} --seeds {options.seeds}"
    command = (
        f"python -m benchmarks.training.settings --work FOLDER{more} --episodes {options.episodes}"
    )
    chart = options.page.with_suffix(".svg")
    first = next(iter(found.values()))
    curves = {how: stability(results[0]) for how, results in first.items()}
    chart.write_text(stability_chart(curves), encoding="utf-8")
    options.page.write_text(page(found, work, command, chart.name), encoding="utf-8")


if __name__ == "__main__":
    main()
