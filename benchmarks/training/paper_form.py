"""A²M²-Net in the paper's form: can it be learned here, and which of its claims hold then?

    python -m benchmarks.training.paper_form ASSETS --work FOLDER [--seeds 3] [--videos 16]
        [--episodes 10000] [--data motions utd27_depth] [--only "last stage, kept, sqrt"]
        [--page docs/results/paper-form.md]

The paper's form is trained by ``paper_form.toml`` on stored maps of the default network, frames of
112 × 112: two layers on maps of the last stage, the clip's mean kept, pre-training and then
episodes. Next to it, maps of stride 16 and the clip's mean subtracted. Validation classes choose
each checkpoint; all alignments are compared on it. Seeds of ``utd27_depth`` are also splits by
class. What FOLDER contains is not computed again.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets import read_index
from benchmarks.markdown import heading
from benchmarks.training import halved
from benchmarks.training.ablation_page import judged, mean_of, wrapped
from benchmarks.training.ablation_variants import ALIGNMENTS, CLIP_MEAN, Pair
from benchmarks.training.clips import split_by_class
from benchmarks.training.paired import differences, listed
from benchmarks.training.stored import stored
from fewact.data import VideoList
from fewact.data.videos import SPLITS
from fewact.evaluation import Result, RunOptions, checkpoint, evaluate_method, load
from fewact.evaluation.encode import encode_list
from fewact.evaluation.episodes import Protocol, draw
from fewact.features.request import FeatureRequest, View
from fewact.features.stored import StoredFeatures
from fewact.synthetic import motions
from fewact.training import Recipe, TrainingData, read, train

RECIPE = Path(__file__).with_name("paper_form.toml")
MOTIONS, CLIPS = "motions", "utd27_depth"

STAGES: dict[str, dict[str, Any]] = {
    "last stage": {"moments.level": "maps", "moments.in_channels": 1280},
    "stride 16": {"moments.level": "middle", "moments.in_channels": 112},
}
"""Maps by name; the last stage, as in the paper, has 4 × 4 cells here, stride 16 has 7 × 7."""

MOMENTS: dict[str, dict[str, Any]] = {
    "sqrt": {},
    "covariance": {"moments.descriptor": "covariance"},
    "mean": {"moments.descriptor": "mean"},
}

SETTINGS = [
    *((stage, clip_mean, "sqrt") for stage in STAGES for clip_mean in CLIP_MEAN),
    *((stage, "kept", moments) for stage in STAGES for moments in MOMENTS if moments != "sqrt"),
]
"""Maps, the clip's mean, and moments of each run."""

EVERY = ";".join(map(", ".join, SETTINGS))

CLAIMS: dict[str, tuple[Pair, Pair]] = {
    "second order beats first": (("sqrt", "emd, cross"), ("mean", "emd, cross")),
    "the square root beats the covariance": (("sqrt", "emd, cross"), ("covariance", "emd, cross")),
    "adaptive alignment beats fixed (diagonal)": (("sqrt", "emd, cross"), ("sqrt", "diagonal")),
    "adaptive alignment beats the mean node": (("sqrt", "emd, cross"), ("sqrt", "cosine")),
    "EMD beats OTAM": (("sqrt", "emd, cross"), ("sqrt", "otam")),
    "EMD beats Bi-MHM": (("sqrt", "emd, cross"), ("sqrt", "bi_mhm")),
    "cross-reference weights beat uniform ones": (("sqrt", "emd, cross"), ("sqrt", "emd, uniform")),
}

CHANCE = 100 / 5

Setting = tuple[str, str, str]


@dataclass(frozen=True)
class Data:
    """Lists of a split by class, and their features."""

    videos: Mapping[str, VideoList]
    sources: Mapping[str, StoredFeatures]


def read_data(name: str, options: argparse.Namespace, seed: int) -> Data:
    """Return the lists and the features of ``motions``, or of real clips in the split of a seed."""
    if name == MOTIONS:
        every = motions("misaligned", videos=options.videos, size=halved.SIDE).videos
        videos: dict[str, VideoList] = {one: every.of(one) for one in SPLITS}
    else:
        split = split_by_class(read_index(options.assets)[name], seed)
        videos = {one: getattr(split, one) for one in SPLITS}
    requests = [FeatureRequest("middle", View(8)), FeatureRequest("maps", View(8))]
    network = halved.Halved.defaults.name
    folder = options.work / "store" / name
    return Data(videos, {one: stored(v, folder, requests, network) for one, v in videos.items()})


def folder_of(work: Path, name: str, setting: Setting, seed: int) -> Path:
    """Return the folder of a run."""
    return work / name / f"{', '.join(setting)}, {seed}".replace(", ", "-").replace(" ", "_")


def recipe_of(setting: Setting, seed: int) -> Recipe:
    """Return the recipe of a setting."""
    stage, clip_mean, moments = setting
    changes = {
        **STAGES[stage],
        **MOMENTS[moments],
        "moments.subtract_clip_mean": CLIP_MEAN[clip_mean],
    }
    options = {f"method.options.{name}": value for name, value in changes.items()}
    return read(str(RECIPE), {**options, "seed": seed, "method.options.seed": seed})


def run(
    name: str, setting: Setting, seed: int, data: Data, options: argparse.Namespace
) -> list[Result]:
    """Train a setting, unless that is done, and return the result of each alignment."""
    folder = folder_of(options.work, name, setting, seed)
    files = {how: folder / "test" / f"{how}.json" for how in ALIGNMENTS}
    if all(file.exists() for file in files.values()):
        return [load(file) for file in files.values()]
    recipe = recipe_of(setting, seed)
    begin = time.process_time()
    v, s = data.videos, data.sources
    trained = train(
        recipe, TrainingData(v["train"], v["val"], s["train"], s["val"]), folder, device="cpu"
    )
    print(
        f"{name}, {', '.join(setting)}, seed {seed}: {time.process_time() - begin:.0f} s of"
        f" processor time, {trained.best}",
        flush=True,
    )
    test = v["test"]
    episodes = draw(test, Protocol(5, 1, 1, options.episodes, 1, test.groups))
    best = checkpoint.read(folder)
    bank = encode_list(best.method(), s["test"], test, episodes.needed)
    return [
        evaluate_method(
            best.method(**how), bank, test, episodes, run=RunOptions(output=files[title])
        )
        for title, how in ALIGNMENTS.items()
    ]


def curve(folder: Path) -> tuple[float, float, float]:
    """Return the validation accuracy before training, after the pre-training, and the best one."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [one for one in map(json.loads, lines) if "accuracy" in one]
    before = found[0]["accuracy"]
    first = [one["accuracy"] for one in found if one["stage"] == 0]
    return before, first[-1], max(one["accuracy"] for one in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--videos", type=int, default=16, help="videos per class of motions")
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--data", nargs="+", default=[MOTIONS, CLIPS])
    parser.add_argument("--only", default=EVERY, help="settings, separated by ;")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    halved.register()
    chosen = [setting for setting in SETTINGS if ", ".join(setting) in options.only.split(";")]
    found: dict[str, dict[Setting, list[list[Result]]]] = {name: {} for name in options.data}
    for seed in range(options.seeds):
        for name in options.data:
            data = read_data(name, options, seed)
            for setting in chosen:
                results = run(name, setting, seed, data, options)
                found[name].setdefault(setting, []).append(results)
    if options.page is not None:
        options.page.write_text(page(found, options), encoding="utf-8")


def page(
    found: Mapping[str, Mapping[Setting, Sequence[Sequence[Result]]]], options: argparse.Namespace
) -> str:
    """Return the page as Markdown; all figures come from the results."""
    recipe = read(str(RECIPE), {})
    steps = [stage.steps for stage in recipe.stages]
    names = list(ALIGNMENTS)
    lines = [
        "# A²M²-Net in the paper's form",
        "",
        "The paper's form has maps of the last stage, a learned reduction of two layers, the clip's"
        " mean kept, pre-training by classification and then episodes. Can it be learned from"
        " stored maps, and which of the paper's claims hold then? On real clips it can:"
        " [the same there](paper-form-clips.md).",
        "",
        f"    {command(options)}",
        "",
        f"Maps of the default network (ImageNet), 8 frames of {halved.SIDE} × {halved.SIDE}; the"
        " network is not trained, which the paper does. The last stage has 4 × 4 cells, stride 16"
        f" 7 × 7. {steps[0]} steps of classification of 32 videos, then {steps[1]} steps of four"
        " episodes; validation classes choose the checkpoint. `motions` is the preset"
        f" `misaligned` ({options.videos} videos a class), whose classes differ in the order of"
        f" motions; `{CLIPS}` has depth clips of eight people, who are kept apart, and each seed"
        f" draws its own split of the classes. Test: {options.episodes} episodes, 5-way, 1 shot;"
        " chance 20 %.",
    ]
    for name, settings in found.items():
        lines += [
            "",
            f"## {name}",
            "",
            "Validation accuracy before training, after pre-training, and of the chosen checkpoint;"
            " test accuracy by alignment on that checkpoint: the mean over the seeds, the lowest"
            f" and the highest of several. Seeds: {options.seeds}.",
            "",
            heading("maps, clip mean, moments", "validation", *names),
        ]
        for setting, results in settings.items():
            curves = [
                curve(folder_of(options.work, name, setting, seed)) for seed in range(len(results))
            ]
            means = " → ".join(f"{statistics.mean(one):.1f}" for one in zip(*curves, strict=True))
            cells = " | ".join(mean_of(one) for one in zip(*results, strict=True))
            lines.append(f"| {', '.join(setting)} | {means} | {cells} |")
        for stage in STAGES:
            if any(one[0] == stage for one in settings):
                lines += ["", *claims(settings, stage)]
    return "\n".join((*map(wrapped, lines), ""))


def command(options: argparse.Namespace) -> str:
    """Return the command that writes the page."""
    more = f" --seeds {options.seeds} --videos {options.videos} --episodes {options.episodes}"
    if options.data != [MOTIONS, CLIPS]:
        more += f" --data {' '.join(options.data)}"
    more += f' --only "{options.only}"' if options.only != EVERY else ""
    return f"python -m benchmarks.training.paper_form ASSETS --work FOLDER{more}"


def claims(settings: Mapping[Setting, Sequence[Sequence[Result]]], stage: str) -> list[str]:
    """Return the table of the claims on maps of a stage with the clip's mean kept."""
    found = {m: settings[stage, "kept", m] for m in MOMENTS if (stage, "kept", m) in settings}
    return table_of_claims(found, f"{stage}, clip mean kept")


def table_of_claims(found: Mapping[str, Sequence[Sequence[Result]]], of: str) -> list[str]:
    """Return the table of the claims, or that none is judged: at chance, differences say nothing.

    Args:
        found: Results by moments, seed and position in ``ALIGNMENTS``.
        of: Description of the moments.
    """
    position = {how: i for i, how in enumerate(ALIGNMENTS)}
    proposed = [one[position["emd, cross"]] for one in found.get("sqrt", ())]
    if any(one.accuracy - (one.ci95 or 0) <= CHANCE for one in proposed):
        return [f"With {of}, it stays at chance: no claim is judged."]
    lines = []
    for claim, both in CLAIMS.items():
        if any(moments not in found for moments, _ in both):
            continue
        better, worse = ([one[position[how]] for one in found[moments]] for moments, how in both)
        pairs = differences(better, worse)
        over = [one.class_interval for one in pairs]
        classes = ", ".join(
            "–" if one is None else f"{one[0]:+.1f} … {one[1]:+.1f}" for one in over
        )
        mean = statistics.mean(pair.difference for pair in pairs)
        lines.append(f"| {claim} | {mean:+.2f} | {listed(pairs)} | {classes} | {judged(pairs)} |")
    head = [f"| claim, {of} | mean | each seed | over other classes | |", "|---|---|---|---|---|"]
    return [*head, *lines] if lines else []


if __name__ == "__main__":
    main()
