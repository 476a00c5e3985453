"""Are frozen batch norms better on a small set? A²M²-Net, network trained from real clips.

    python -m benchmarks.training.batch_norms ASSETS --work FOLDER [--divisions 3]
        [--episodes 4000] [--set stages.0.steps=100] [--page docs/results/batch-norms.md]

The 27 classes of ``utd27_depth`` are put in a random order for each division: 15 for training, 5
that choose the checkpoint, 7 for the test; people are kept apart. The default network, on frames of
112 × 112, is trained with the paper's form of A²M²-Net by ``batch_norms.toml``: once with the
statistics of its batch norms frozen, once not, on the same training episodes. Both are scored on
the same test episodes with 1 and 5 shots. What FOLDER contains is not computed again.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.datasets import read_index
from benchmarks.training.ablation_page import judged, mean_of, wrapped
from benchmarks.training.clip_spm_ablation_work import in_memory
from benchmarks.training.clips import Split, split_by_class
from benchmarks.training.halved import SIDE, Halved
from benchmarks.training.paired import differences, listed
from fewact import backbones
from fewact.evaluation import Result, RunOptions, VideoFeatures, checkpoint, evaluate_method, load
from fewact.evaluation.encode import encode_list
from fewact.evaluation.episodes import Protocol, draw
from fewact.training import TrainingData, read, train

RECIPE = Path(__file__).with_name("batch_norms.toml")
CLIPS = "utd27_depth"
SHOTS = (1, 5)
LAST = 20
"""Steps at the end of training whose mean loss is shown."""

NORMS = {"frozen": "backbone", "not frozen": "none"}
"""Values of ``freeze_bn`` by their name on the page."""


class Tenth(Halved):
    """The network of ``halved.py`` whose running statistics move by a tenth a step.

    That is PyTorch's default and ResNet-50's. By the network's own hundredth, a short training
    would be tested with statistics that lag behind its weights.
    """

    defaults = replace(Halved.defaults, name="efficientnet-lite0-112-tenth")

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        for one in self.modules():
            if isinstance(one, nn.BatchNorm2d):
                one.momentum = 0.1


def register() -> None:
    """Register the network, so that the recipe can name it."""
    if Tenth.defaults.name not in backbones.names():
        backbones.register(Tenth.defaults.name)(Tenth)


@dataclass(frozen=True)
class Curve:
    """How a training went.

    Args:
        loss: Mean loss of the last steps.
        before: Validation accuracy before the first step, in per cent.
        best: That of the chosen checkpoint.
        last: That after the last step.
    """

    loss: float
    before: float
    best: float
    last: float


Found = Mapping[str, Sequence[Mapping[int, Result]]]
"""Results by treatment of the norms, division and shots."""


def division(work: Path, assets: Path, number: int) -> Split:
    """Return the lists of a division by class, with their frames in memory."""
    split = split_by_class(read_index(assets)[CLIPS], number)
    folder = work / f"division{number}"
    lists = (
        in_memory(getattr(split, name), folder / f"{name}.npy", SIDE)
        for name in ("train", "val", "test")
    )
    return Split(*lists)


def run_folder(work: Path, norms: str, number: int) -> Path:
    """Return the folder of a run."""
    return work / f"division{number}" / norms.replace(" ", "_")


def results_of(
    split: Split, work: Path, norms: str, number: int, episodes: int, changes: Mapping[str, Any]
) -> dict[int, Result]:
    """Train with one treatment of the norms, unless that is done, and return the results."""
    run, test = run_folder(work, norms, number), split.test
    files = {shots: run / f"test-{shots}-{episodes}.json" for shots in SHOTS}
    if not all(file.exists() for file in files.values()):
        seeds = {"seed": number, "method.options.seed": number}
        own = {"stages.0.freeze_bn": NORMS[norms], **seeds, **changes}
        begin = time.process_time()
        data = TrainingData(split.train, split.val)
        best = train(read(str(RECIPE), own), data, run, device="cpu").best
        seconds = time.process_time() - begin
        print(f"division {number}, {norms}: {seconds:.0f} s, {best}", flush=True)
        trained = checkpoint.read(run)
        network = backbones.create(Tenth.defaults.name, weights=trained.backbone.weights)
        method, source = trained.method(), VideoFeatures(test, network)
        bank = encode_list(method, source, test)
        for shots, file in files.items():
            drawn = draw(test, Protocol(5, shots, 1, episodes, 1, test.groups))
            evaluate_method(method, bank, test, drawn, run=RunOptions(output=file))
    found = {shots: load(file) for shots, file in files.items()}
    cells = ", ".join(f"{one.accuracy:.2f} ± {one.ci95:.2f}" for one in found.values())
    print(f"division {number}, {norms}: {cells}", flush=True)
    return found


def curve(run: Path) -> Curve:
    """Return how a training went."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    losses = [one["cross_entropy"] for one in found if "cross_entropy" in one]
    accuracies = [one["accuracy"] for one in found if "accuracy" in one]
    return Curve(statistics.mean(losses[-LAST:]), accuracies[0], max(accuracies), accuracies[-1])


def page(found: Found, work: Path, command: str, changes: Mapping[str, Any]) -> str:
    """Return the page as Markdown; all figures come from the results."""
    setup = next(iter(found.values()))[0][SHOTS[0]].setup
    (stage,) = read(str(RECIPE), changes).stages
    lines = [
        "# Batch norms frozen or not",
        "",
        "The paper freezes the backbone's batch norms on small sets, because training them"
        " overfits. Does that gain here?",
        "",
        f"    {command}",
        "",
        f"`{CLIPS}`: 15 classes for training (240 clips), 5 that choose the checkpoint,"
        f" {setup.videos.classes} for the test, in another division for each seed; people are kept"
        f" apart. The default network, from its ImageNet weights, on 8 frames of {SIDE} × {SIDE},"
        " and A²M²-Net in the paper's form (maps of the last stage, a learned reduction of two"
        f" layers, the clip's mean kept) are trained together by {stage.steps} episodes, without"
        " pre-training; the first blocks of the network are not trained. *Frozen*: its batch norms"
        " keep the statistics of ImageNet. *Not frozen*: they use those of each step, and running"
        " means, which move by a tenth a step, for the test. Everything else is the same, the"
        " training episodes too. Rates were chosen with frozen norms, on `motions`.",
        "",
        f"Test: {setup.episodes.protocol.count} episodes, 5-way, 1 query per class; chance 20 %."
        " Means over the divisions, with the lowest and the highest. *Validation* is before"
        " training, of the chosen checkpoint, and after the last step; *loss* is the mean training"
        f" loss of the last {LAST} steps.",
        "",
        "| batch norms | 1 shot | 5 shots | validation | loss |",
        "|---|---|---|---|---|",
    ]
    for norms, results in found.items():
        cells = " | ".join(mean_of([one[shots] for one in results]) for shots in SHOTS)
        curves = [curve(run_folder(work, norms, number)) for number in range(len(results))]
        mean = {
            name: statistics.mean(getattr(one, name) for one in curves)
            for name in ("before", "best", "last", "loss")
        }
        validation = " → ".join(f"{mean[name]:.1f}" for name in ("before", "best", "last"))
        lines.append(f"| {norms} | {cells} | {validation} | {mean['loss']:.2f} |")
    lines += [
        "",
        "Differences in points, paired on the same episodes, one entry a division; ± is their 95 %"
        " interval over episodes, and the next column the 95 % interval over other classes.",
        "",
        "| frozen − not frozen | mean | each division | over other classes | frozen gains |",
        "|---|---|---|---|---|",
    ]
    for shots in SHOTS:
        pairs = differences(*([one[shots] for one in found[norms]] for norms in NORMS))
        mean_gain = statistics.mean(one.difference for one in pairs)
        over = [one.class_interval for one in pairs]
        classes = ", ".join("–" if o is None else f"{o[0]:+.1f} … {o[1]:+.1f}" for o in over)
        lines.append(
            f"| {shots} shot{'s' * (shots > 1)} | {mean_gain:+.2f} | {listed(pairs)} | {classes} |"
            f" {judged(pairs)} |"
        )
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of runs and results")
    parser.add_argument("--divisions", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=4000)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in options.set)}
    register()
    found: dict[str, list[dict[int, Result]]] = {norms: [] for norms in NORMS}
    for number in range(options.divisions):
        split = division(options.work, options.assets, number)
        for norms, results in found.items():
            results.append(
                results_of(split, options.work, norms, number, options.episodes, changes)
            )
    if options.page is not None:
        more = f" --divisions {options.divisions} --episodes {options.episodes}"
        more += "".join(f" --set {one}" for one in options.set)
        command = f"python -m benchmarks.training.batch_norms ASSETS --work FOLDER{more}"
        options.page.write_text(page(found, options.work, command, changes), encoding="utf-8")


if __name__ == "__main__":
    main()
