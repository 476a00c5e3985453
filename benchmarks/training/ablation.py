"""The paper's ablation on ``motions``: moments against alignment, with and without order.

    python -m benchmarks.training.ablation --work FOLDER [--preset misaligned] [--videos 40]
        [--seeds 3] [--episodes 10000] [--only "sqrt;mean"] [--set stages.0.steps=100] [--through]
        [--page docs/results/ablation.md] [--network]

For each kind of moments and each seed one reduction is trained on stored maps by the recipe
``a2m2-motions-lite0``, its checkpoint chosen on validation classes. On this one checkpoint all
alignments are compared, on the same episodes of the test classes. ``--through`` trains the best
pairs of moments and alignment, by validation, once more with that alignment, and those that the
paper's pair is compared with. What is in FOLDER is not done again; ``--page`` writes what was
found. With ``--network`` the default network learns, too, from frames of half the height and width
(``halved.py``), and single scales are compared on the checkpoint of all three.
"""

import argparse
import json
import statistics
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.training import halved
from benchmarks.training.paired import differences, listed
from benchmarks.training.stored import stored
from fewact import backbones, checkpoint
from fewact.data import VideoList
from fewact.data.videos import Split
from fewact.encoding import NodeBank, encode_list
from fewact.episodes import EpisodeSet, Protocol, draw
from fewact.evaluation import (
    FeatureSource,
    Result,
    RunOptions,
    VideoFeatures,
    evaluate_method,
    load,
)
from fewact.features.request import FeatureRequest, View
from fewact.features.stored import StoredFeatures
from fewact.synthetic import motions
from fewact.training import Recipe, TrainingData, read, train

RECIPE = "a2m2-motions-lite0"
NETWORK = Path(__file__).with_name("halved.toml")
SPLITS: tuple[Split, ...] = ("train", "val", "test")

PLAIN = {"alignment.time_weight": 0.0, "intra_class_weight": 0.0, "shot_aggregation": "prototype"}
"""The paper's form: no term that sees time, so that order is what the moments and aligners see."""

MOMENTS: dict[str, dict[str, Any]] = {
    "mean": {"moments.descriptor": "mean", "moments.subtract_clip_mean": False},
    "covariance": {"moments.descriptor": "covariance"},
    "sqrt": {},
    "sqrt, lengths 1": {"moments.lengths": [1]},
    "sqrt, lengths 2": {"moments.lengths": [2]},
    "sqrt, lengths 4": {"moments.lengths": [4]},
    "sqrt, attention": {"moments.attention": True},
    "sqrt, cross-frame": {"moments.cross_frame": 1.0},
    "third": {"moments.descriptor": "third", "moments.sketch": 512},
}

ALIGNMENTS: dict[str, dict[str, Any]] = {
    "cosine": {"alignment.name": "cosine"},
    "diagonal": {"alignment.name": "diagonal"},
    "hungarian": {"alignment.name": "hungarian"},
    "emd, uniform": {"alignment.name": "emd", "alignment.weights": "uniform"},
    "emd, cross": {"alignment.name": "emd", "alignment.weights": "cross"},
    "emd, cross, time": {
        "alignment.name": "emd",
        "alignment.weights": "cross",
        "alignment.time_weight": 0.5,
    },
    "otam": {"alignment.name": "otam"},
    "bi_mhm": {"alignment.name": "bi_mhm"},
}


ON_ANOTHER = {name: "sqrt" for name in MOMENTS if name.startswith("sqrt, lengths")}
"""Where the network learns, these are made on the checkpoint of others."""

USUAL = ("sqrt", "emd, cross")
"""What the paper proposes."""

Pair = tuple[str, str]
"""Moments and alignment."""

FAIR: tuple[Pair, ...] = (("sqrt", "diagonal"), ("sqrt", "otam"), ("covariance", "diagonal"))
"""Trained through whatever validation says: the others were trained with the paper's alignment.
Where the network learns, the first of them alone, and instead of the three best of all pairs the
two best of the moments in PAPER: a checkpoint takes five times as long."""

PAPER = ("mean", "covariance", "sqrt")

CLAIMS: dict[str, tuple[Pair, Pair]] = {
    "covariances beat means": (("covariance", "emd, cross"), ("mean", "emd, cross")),
    "their square roots beat covariances": (USUAL, ("covariance", "emd, cross")),
    "EMD beats the cosine of the means": (USUAL, ("sqrt", "cosine")),
    "EMD beats the diagonal": (USUAL, ("sqrt", "diagonal")),
    "EMD beats Hungarian": (USUAL, ("sqrt", "hungarian")),
    "EMD beats OTAM": (USUAL, ("sqrt", "otam")),
    "EMD beats Bi-MHM": (USUAL, ("sqrt", "bi_mhm")),
    "cross-reference weights beat uniform ones": (USUAL, ("sqrt", "emd, uniform")),
    "W124 beats windows of 1": (USUAL, ("sqrt, lengths 1", "emd, cross")),
    "W124 beats windows of 2": (USUAL, ("sqrt, lengths 2", "emd, cross")),
    "W124 beats windows of 4": (USUAL, ("sqrt, lengths 4", "emd, cross")),
    "ours: attention before the moments gains": (("sqrt, attention", "emd, cross"), USUAL),
    "ours: cross-frame covariance gains": (("sqrt, cross-frame", "emd, cross"), USUAL),
    "ours: the third order beats the second": (("third", "emd, cross"), USUAL),
    "ours: a time term gains": (("sqrt", "emd, cross, time"), USUAL),
    "ours: attention and the time term gain on the time term": (
        ("sqrt, attention", "emd, cross, time"),
        ("sqrt", "emd, cross, time"),
    ),
    "ours: cross-frame and the time term gain on the time term": (
        ("sqrt, cross-frame", "emd, cross, time"),
        ("sqrt", "emd, cross, time"),
    ),
}
"""What the paper says, and what we hope of our options: the first is the better."""


class Work:
    """The folder, the data and the episodes of one ablation.

    Args:
        folder: Where all of it is kept.
        preset: Of ``motions``.
        videos: Of each class.
        episodes: To test on.
        network: The network learns, too, from frames, instead of a matrix on stored maps alone.
    """

    def __init__(
        self, folder: Path, preset: str, videos: int, episodes: int, *, network: bool = False
    ) -> None:
        self.folder, self.preset, self.network = folder, preset, network
        self.recipe = str(NETWORK) if network else RECIPE
        if network:
            halved.register()
        size = {"size": halved.SIDE} if network else {}
        every = motions(preset, videos=videos, **size).videos
        self.videos: dict[str, VideoList] = {}
        self.stored: dict[str, StoredFeatures] = {}
        self.episodes: dict[str, EpisodeSet] = {}
        for split in SPLITS:
            own = self.videos[split] = every.of(split)
            if not network:
                self.stored[split] = stored(
                    own, folder / "store", (FeatureRequest("middle", View(8)),)
                )
            if split != "train":
                count = episodes if split == "test" else min(episodes, 2000)
                self.episodes[split] = draw(own, Protocol(5, 1, 1, count, 1))

    def data(self) -> TrainingData:
        train, val = self.videos["train"], self.videos["val"]
        return TrainingData(train, val, self.stored.get("train"), self.stored.get("val"))

    def trained(self, name: str) -> str:
        """The moments whose checkpoint these are made on: their own, or others."""
        return ON_ANOTHER.get(name, name) if self.network else name

    def chosen_from(self, name: str) -> bool:
        """Whether pairs of these moments may be trained through."""
        return not self.network or name in PAPER

    def moments(self, name: str) -> Mapping[str, Any]:
        """Options that moments have otherwise than their checkpoint."""
        return {} if self.trained(name) == name else MOMENTS[name]

    def place(self, name: str, seed: int) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / f"{name} {seed}".replace(" ", "_")

    def run(self, name: str, seed: int, changes: Mapping[str, Any]) -> Path:
        """The folder of a trained run."""
        folder = self.place(name, seed)
        begin = time.process_time()
        trained = train(
            read(self.recipe, {**changes, "seed": seed}), self.data(), folder, device="cpu"
        )
        seconds = time.process_time() - begin
        print(f"{name}, seed {seed}: {seconds:.0f} s of processor time, {trained.best}", flush=True)
        return folder

    def score(self, run: Path, split: str, changes: Mapping[str, Any], bank: NodeBank) -> Result:
        """A result on a run's checkpoint with another alignment; one that is there is read."""
        output = result_file(run, split, changes)
        if output.exists():
            return load(output)
        method = checkpoint.read(run).method(**PLAIN | dict(changes))
        return evaluate_method(
            method, bank, self.videos[split], self.episodes[split], run=RunOptions(output=output)
        )

    def scored(self, name: str, how: str, split: str, seeds: int) -> list[Result]:
        """The results of each seed, which are there."""
        changes = {**self.moments(name), **ALIGNMENTS[how]}
        runs = (self.place(self.trained(name), seed) for seed in range(seeds))
        return [load(result_file(run, split, changes)) for run in runs]

    def bank(self, run: Path, split: str, changes: Mapping[str, Any]) -> NodeBank:
        """The nodes of a run's checkpoint, which alignments share."""
        best, videos = checkpoint.read(run), self.videos[split]
        source: FeatureSource | None = self.stored.get(split)
        if source is None:
            network = backbones.create(best.header.backbone.name, weights=best.backbone_weights)
            source = VideoFeatures(videos, network)
        method = best.method(**PLAIN | dict(changes))
        return encode_list(method, source, videos, self.episodes[split].needed)


def result_file(run: Path, split: str, changes: Mapping[str, Any]) -> Path:
    """Where the result of a run's checkpoint with another alignment is kept."""
    return run / split / ("-".join(f"{key}={value}" for key, value in changes.items()) + ".json")


def options_of(moments: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of the recipe for a kind of moments."""
    return {f"method.options.{key}": value for key, value in {**PLAIN, **moments}.items()}


def ablate(
    work: Work,
    names: Sequence[str],
    seeds: int,
    changes: Mapping[str, Any],
    splits: Sequence[str],
) -> None:
    """Train one checkpoint for each kind of moments and seed, and score all alignments on it."""
    for name in names:
        for seed in range(seeds):
            own = work.trained(name)
            run = work.run(own, seed, {**options_of(MOMENTS[own]), **changes})
            every = [{**work.moments(name), **how} for how in ALIGNMENTS.values()]
            for split in splits if work.chosen_from(name) else ("test",):
                if all(result_file(run, split, one).exists() for one in every):
                    continue
                bank = work.bank(run, split, work.moments(name))
                for one in every:
                    work.score(run, split, one, bank)
        show(work, name, seeds)


def show(work: Work, name: str, seeds: int) -> None:
    """A line for each alignment: mean accuracy over the seeds, and their spread."""
    for title in ALIGNMENTS:
        results = work.scored(name, title, "test", seeds)
        print(f"{name:18} {title:18} {mean_of(results)} ± {results[0].ci95:.2f}", flush=True)


def mean_of(results: Sequence[Result]) -> str:
    """Mean accuracy and, of several seeds, the lowest and highest."""
    accuracies = [one.accuracy for one in results]
    spread = f" ({min(accuracies):.1f} to {max(accuracies):.1f})" if len(accuracies) > 1 else ""
    return f"{statistics.mean(accuracies):.1f}{spread}"


def train_through(
    work: Work, names: Sequence[str], seeds: int, changes: Mapping[str, Any]
) -> dict[Pair, list[Result]]:
    """Train the best pairs, by validation, and FAIR with the alignment that they are scored by."""

    def untrained(pair: Pair) -> float:
        return statistics.mean(one.accuracy for one in work.scored(*pair, "val", seeds))

    every = [(name, how) for name in names if work.chosen_from(name) for how in ALIGNMENTS]
    best = sorted(every, key=untrained, reverse=True)[: 2 if work.network else 3]
    fair = FAIR[:1] if work.network else FAIR
    found: dict[Pair, list[Result]] = {}
    for name, how in dict.fromkeys((*best, *(pair for pair in fair if pair in every))):
        before = untrained((name, how))
        print(f"through: {name}, {how}: {before:.1f} % on validation before", flush=True)
        for seed in range(seeds):
            more = options_of({**MOMENTS[name], **ALIGNMENTS[how]})
            run = work.run(f"through {name} {how}", seed, {**more, **changes})
            result = work.score(run, "test", ALIGNMENTS[how], work.bank(run, "test", {}))
            print(f"  seed {seed}: {result.accuracy:.1f} ± {result.ci95:.2f}", flush=True)
            found.setdefault((name, how), []).append(result)
    return found


def verdict(work: Work, better: Pair, worse: Pair, seeds: int) -> str:
    """Cells of a claim's row: mean difference, that of each seed, and whether it holds."""
    pairs = differences(*(work.scored(*pair, "test", seeds) for pair in (better, worse)))
    mean = statistics.mean(pair.difference for pair in pairs)
    if all(pair.difference > pair.ci95 for pair in pairs):
        said = "holds"
    else:
        lost = all(pair.difference < -pair.ci95 for pair in pairs)
        said = "**the opposite holds**" if lost else "**not confirmed**"
    return f"{mean:+.2f} | {listed(pairs)} | {said}"


def on_validation(work: Work, name: str, seeds: int) -> str:
    """Mean accuracy on validation before the first step, and of the chosen checkpoints."""
    before, after = [], []
    for seed in range(seeds):
        lines = (work.place(name, seed) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        looks = [told["accuracy"] for told in map(json.loads, lines) if "accuracy" in told]
        before.append(looks[0])
        after.append(max(looks))
    return f"{statistics.mean(before):.1f} to {statistics.mean(after):.1f} %"


def page(
    work: Work,
    names: Sequence[str],
    seeds: int,
    through: Mapping[Pair, Sequence[Result]],
    recipe: Recipe,
    command: str,
) -> str:
    """Return the page as Markdown; all figures come from the results."""
    asked = work.scored(*USUAL, "test", 1)[0].setup
    protocol, (stage,) = asked.episodes.protocol, recipe.stages
    train, val = (work.videos[split] for split in ("train", "val"))
    width = recipe.method.options["moments"]["width"]
    learns = (
        f"8 frames of {halved.SIDE} × {halved.SIDE} pass the default network (stride 16) and one"
        f" matrix of {width} channels. Both are trained together, except for the first blocks and"
        " the batch norms' statistics, by episodes"
        if work.network
        else "Stored maps of the default network (stride 16, 8 frames) pass one matrix of"
        f" {width} channels, which is trained by episodes"
    )
    ends = (
        " Single scales use the checkpoint of all three. On validation classes, training takes"
        f" the paper's pair ({', '.join(USUAL)}) from {on_validation(work, USUAL[0], seeds)}."
        " [The same with stored maps](ablation.md)."
        if work.network
        else " [The same with the network trained, too](ablation-network.md)."
    )
    lines = [
        "# Ablation of A²M²-Net, " + ("network trained" if work.network else "stored maps"),
        "",
        f"Data: `motions`, preset `{work.preset}`, whose classes differ in the order of motions."
        f" {learns}"
        f" ({stage.steps} steps of {_count(stage.accumulate, 'episode')}) on"
        f" {len(train.videos)} videos of"
        f" {len(train.classes)} classes; {len(val.videos)} videos of {len(val.classes)} classes"
        f" choose the checkpoint. Test: {asked.videos.videos} videos of {asked.videos.classes}"
        f" classes, {protocol.count} episodes, {protocol.ways}-way, {protocol.shots} shot,"
        f" {protocol.queries} query per class; chance {100 / protocol.ways:.0f} %. The cells show"
        f" the mean, the lowest and the highest of {seeds} seeds.",
        "",
        "For each type of moments, one checkpoint is trained with the transport and cross-reference"
        " weights. All alignments are compared on it. Only `time`, the diagonal and OTAM use the"
        f" order of windows.{ends}",
        "",
        f"    {command}",
        "",
        "| moments | " + " | ".join(ALIGNMENTS) + " |",
        "|---" * (len(ALIGNMENTS) + 1) + "|",
    ]
    for name in names:
        cells = [mean_of(work.scored(name, how, "test", seeds)) for how in ALIGNMENTS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if through:
        lines += [
            "",
            f"The best pairs{' of the paper' * work.network} by validation, and those that the"
            " paper compares with, each trained with the alignment that scores it. The last columns"
            " show the gain of each seed over the same pair in the table above, and over the"
            f" paper's pair there ({', '.join(USUAL)}).",
            "",
            "| moments, alignment | accuracy | gain over the same pair | over the paper's pair |",
            "|---|---|---|---|",
        ]
        for (name, how), results in through.items():
            cells = [
                differences(results, work.scored(*pair, "test", seeds))
                for pair in ((name, how), USUAL)
            ]
            each = " | ".join(listed(one) for one in cells)
            lines.append(f"| {name}, {how} | {mean_of(results)} | {each} |")
    lines += [
        "",
        "## Claims",
        "",
        "Differences in points, paired on the same episodes; ± is their 95 % interval over"
        " episodes. A claim holds if the interval of each seed is above zero.",
        "",
        "| claim | mean | each seed | |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {claim} | {verdict(work, better, worse, seeds)} |"
        for claim, (better, worse) in CLAIMS.items()
        if {better[0], worse[0]} <= set(names)
    ]
    return "\n".join((*map(wrapped, lines), ""))


def _count(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number} {what}s"


def wrapped(line: str) -> str:
    """A paragraph in lines of 100 characters; tables, headings and commands as they are."""
    return line if line.startswith(("|", "#", " ")) else textwrap.fill(line, 100)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--preset", default="misaligned")
    options.add_argument("--videos", type=int, default=40, help="of a class")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--episodes", type=int, default=10_000)
    options.add_argument("--only", default=";".join(MOMENTS), help="kinds of moments, ; between")
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options.add_argument("--through", action="store_true")
    options.add_argument("--network", action="store_true", help="the network learns, too")
    options.add_argument("--page", type=Path, help="File for the page")
    given = options.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in given.set)}
    names = given.only.split(";")
    splits = ("val", "test") if given.through else ("test",)
    work = Work(given.work, given.preset, given.videos, given.episodes, network=given.network)
    ablate(work, names, given.seeds, changes, splits)
    through = train_through(work, names, given.seeds, changes) if given.through else {}
    if given.page is not None:
        more = f" --videos {given.videos}" + " --network" * given.network
        more += " --through" * given.through
        more += f' --only "{given.only}"' if names != list(MOMENTS) else ""
        command = f"python -m benchmarks.training.ablation --work FOLDER{more}"
        text = page(work, names, given.seeds, through, read(work.recipe, changes), command)
        given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
