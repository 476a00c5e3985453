"""What a GPU does: correctness against the CPU, and speed. Prints tables.

    python -m benchmarks.gpu [--only correctness]
    python -m benchmarks.gpu --device cpu --quick   # a dry run in small sizes

A row that fails says why, and what follows still runs. Weights are random.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import evaluation
from benchmarks.align import problems
from benchmarks.shared import table
from fewact import FewShotClassifier, align
from fewact.align import simplex
from fewact.align.simplex import Problems
from fewact.align.transport import solve
from fewact.lab import methods, networks
from fewact.lab.evaluation.encode import NodeBank
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.evaluation.scoring import Scorer, score
from fewact.lab.methods.adapters import differentiable
from fewact.lab.methods.base import TorchMethod, TrainingBatch, support_state
from fewact.lab.methods.promises.subject import made_up_features, made_up_text
from fewact.lab.networks.devices import exact_convolutions
from fewact.lab.synthetic.folder import write_folder
from fewact.lab.training import Recipe, TrainingData, read, train
from fewact.lab.workers import torch_workers
from fewact.methods.cards import CARDS, made_up_card
from fewact.networks import Card
from fewact.networks import names as network_names
from fewact.networks.card import Level
from fewact.synthetic import motions

Row = dict[str, str]
LEVELS: tuple[Level, ...] = ("vectors", "maps", "middle", "shallow")


@dataclass(frozen=True)
class Task:
    """What is measured.

    Args:
        device: Device, such as ``cuda``.
        quick: Small sizes, for a dry run.
    """

    device: torch.device
    quick: bool

    def synchronise(self) -> None:
        """Wait until the device has finished."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object], repeats: int = 3) -> float:
        """Return the median time of some work, after a warm-up."""
        spent = []
        for _ in range(repeats + 1):
            self.synchronise()
            begin = time.perf_counter()
            work()
            self.synchronise()
            spent.append(time.perf_counter() - begin)
        return median(spent[1:])


@contextmanager
def attempt(rows: list[Row], **cells: str) -> Iterator[Row]:
    """Add a row, with what failed in it, so that what follows still runs."""
    row: Row = dict(cells)
    try:
        yield row
    except Exception as error:  # what fails on a new device is what the table is for
        traceback.print_exc()
        row["failed"] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    rows.append(row)


def difference(got: Tensor, expected: Tensor) -> str:
    """Return the largest difference, relative to the largest value."""
    apart = (got.detach().cpu().double() - expected.detach().double()).abs().max()
    return f"{float(apart / expected.detach().abs().max().clamp_min(1e-12)):.1e}"


def compare_methods(task: Task) -> list[Row]:
    """Compare logits, losses and gradients of every method with the CPU, in float32."""
    wide = replace(
        made_up_card(),
        vectors=96,
        maps=(64, 7, 7),
        middle=(48, 14, 14),
        shallow=(24, 28, 28),
        input_size=(32, 32),
    )
    cards = {"fusion_joints": CARDS[-1]}
    options: dict[str, dict[str, Any]] = {name: {} for name in methods.names()}
    options["a2m2, preset paper"] = {"preset": "paper", "moments": {"in_channels": 64}}
    rows: list[Row] = []
    for label, changes in options.items():
        with attempt(rows, method=label) as row:
            name = label.partition(",")[0]
            card = cards.get(name, wide)
            method = methods.create(name, card, **changes).eval()
            episode = made_up_episodes(task, method, card)
            with torch.no_grad():
                expected = logits_of(method, episode)
            trains = differentiable(method)
            losses = losses_of(method, episode) if trains else ()
            with exact_convolutions(task.device):  # as encoding and training do
                moved, other = method.to(task.device), on_device(task.device, episode)
                with torch.no_grad():
                    got = logits_of(moved, other).cpu()
                other_losses = losses_of(moved, other) if trains else ()
            changed = int((got.argmax(-1) != expected.argmax(-1)).sum())
            row["logits"] = difference(got, expected)
            row["decisions changed"] = f"{changed} of {expected[..., 0].numel()}"
            for head, *values in zip(("loss", "gradients"), other_losses, losses, strict=False):
                row[head] = difference(*values)
    return rows


def made_up_episodes(task: Task, method: TorchMethod, card: Card) -> TrainingBatch:
    """Return 2 episodes with as many queries as support videos, with random features."""
    classes, shots = (2, 1) if task.quick else (3, 2)
    support, query = (
        made_up_features(method, card, 2, classes * shots, seed=seed) for seed in (1, 2)
    )
    labels = torch.arange(classes).repeat_interleave(shots).expand(2, -1)
    text = made_up_text(card, 2, classes) if method.uses_text else None
    return TrainingBatch(support, labels, query, labels, classes, text)


def on_device(device: torch.device, episode: TrainingBatch) -> TrainingBatch:
    """Return episodes on a device."""
    support, query = (
        {request: value.detach().to(device) for request, value in features.items()}
        for features in (episode.support, episode.query)
    )
    labels = [values.to(device) for values in (episode.support_labels, episode.query_labels)]
    text = None if episode.text is None else episode.text.to(device)
    return TrainingBatch(support, labels[0], query, labels[1], episode.n, text)


def logits_of(method: TorchMethod, episode: TrainingBatch) -> Tensor:
    """Return the logits of episodes, computed where the method and the features are."""
    support, query = method.encode(episode.support), method.encode(episode.query)
    state = support_state(method, support, episode.support_labels, episode.n, episode.text)
    return method.score(state, query)


def losses_of(method: TorchMethod, episode: TrainingBatch) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses, and the gradients of weights and features as one vector."""
    leaves: list[Tensor] = [*method.parameters()]
    for features in (episode.support, episode.query):
        leaves += [
            value.requires_grad_() for value in features.values() if value.dtype.is_floating_point
        ]
    for leaf in leaves:
        leaf.grad = None
    total = torch.stack([loss.reshape(()) for loss in method.losses(episode).values()]).sum()
    if not total.requires_grad:  # features that are whole numbers, and no weights
        return total, total
    total.backward()
    gradients = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    return total.detach(), torch.cat([gradient.flatten() for gradient in gradients])


def compare_aligners(task: Task) -> list[Row]:
    """Compare values and gradients of every aligner with the CPU."""
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(64, 14, 14, generator=generator)
    weights = [torch.rand(64, 14, generator=generator) for _ in range(2)]
    a, b = (14 * values / values.sum(-1, keepdim=True) for values in weights)
    rows: list[Row] = []
    for name in align.names():
        with attempt(rows, aligner=name) as row:
            found = []
            for device in (torch.device("cpu"), task.device):
                leaf = cost.to(device, copy=True).requires_grad_()
                value = align.align(name, leaf, a.to(device), b.to(device)).value
                value.sum().backward()
                assert leaf.grad is not None
                found.append((value, leaf.grad))
            row["value"], row["gradient"] = (
                difference(got, expected) for expected, got in zip(*found, strict=True)
            )
    return rows


def compare_levels(task: Task) -> list[Row]:
    """Compare the features of every backbone with the CPU."""
    rows: list[Row] = []
    for name in ("efficientnet-lite0",) if task.quick else network_names():
        with attempt(rows, backbone=name) as row:
            pair = [
                networks.create(name, weights="random", device=device, precision="float32")
                for device in ("cpu", task.device)
            ]
            card, count = pair[0].card, max(2, pair[0].network.frames_together)
            generator = torch.Generator().manual_seed(0)
            shape = (count, 3, *card.input_size)
            frames = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
            levels = [level for level in LEVELS if card.has(level)]
            expected, got = (network.tensors(frames, levels) for network in pair)
            row |= {level: difference(got[level], expected[level]) for level in levels}
    return rows


def compare_classifiers(task: Task) -> list[Row]:
    """Teach clips and predict others, on the CPU and on the device."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        rendered = motions(videos=4, size=64 if task.quick else 112, frames=24)
        clips: dict[str, list[str]] = {}
        for video in write_folder(rendered, folder, split="val").videos:
            if video.clip is not None:
                clips.setdefault(video.label, []).append(str(video.clip.path))
        support = {label: paths[:2] for label, paths in list(clips.items())[:3]}
        queries = [path for label in support for path in clips[label][2:]]
        for name in ("fusion",) if task.quick else ("fusion", "a2m2"):
            with attempt(rows, method=name) as row:
                expected, got = (
                    FewShotClassifier(
                        method=name,
                        device=str(device),
                        weights="random",
                        precision="float32",
                        engine="torch",
                    )
                    .fit(support)
                    .predict_proba(queries)
                    for device in ("cpu", task.device)
                )
                row["largest difference of a probability"] = f"{np.abs(got - expected).max():.1e}"
                changed = int((got.argmax(-1) != expected.argmax(-1)).sum())
                row["answers changed"] = f"{changed} of {len(expected)}"
    return rows


def episodes(task: Task) -> list[Row]:
    """Score 10,000 episodes of A²M² on the device and on all threads of the CPU."""
    count, ways = (24, 3) if task.quick else (10_000, 5)
    videos = evaluation.random_videos(48 if task.quick else 2400)
    drawn = draw(videos, Protocol(ways=ways, shots=1, queries=1, count=count))
    rows: list[Row] = []
    for name in ("A²M², EMD", "A²M², OTAM"):
        with attempt(rows, method=name) as row:
            kind, options = evaluation.COLUMNS[name]
            method = methods.create(kind, **options)
            bank = evaluation.random_nodes(method, videos)
            hits, spent = {}, {}
            for place, nodes in (("CPU", bank), ("device", moved_bank(bank, task.device))):
                size = 256 if place == "device" else None  # fewer, larger steps
                scorer = Scorer(method, drawn, nodes, nodes, size=size)
                with torch_workers(None if place == "CPU" else 1) as pool:
                    dict(score(scorer, [0], pool))
                    task.synchronise()
                    begin = time.perf_counter()
                    right = dict(score(scorer, range(len(scorer.batches)), pool))
                    task.synchronise()
                    spent[place] = time.perf_counter() - begin
                hits[place] = np.concatenate([right[i].predictions for i in sorted(right)])
            changed = int((hits["CPU"] != hits["device"]).sum())
            row |= {place: f"{seconds:.2f} s" for place, seconds in spent.items()}
            row["decisions that differ"] = f"{changed} of {hits['CPU'].size}"
    return rows


def moved_bank(bank: NodeBank, device: torch.device) -> NodeBank:
    """Return nodes on a device."""
    moved = NodeBank(bank.positions, bank.method, bank.features, bank.list_digest)
    moved.tensors = {name: value.to(device, copy=True) for name, value in bank.tensors.items()}
    return moved


def transport(task: Task) -> list[Row]:
    """Compare the solver on the device with the copy to the CPU and the compiled solver there."""
    sizes = ((64, 14, 14),) if task.quick else ((6400, 14, 14), (1600, 14, 70), (400, 64, 64))
    rows: list[Row] = []
    for count, n, m in sizes:
        with attempt(rows, size=f"{n} × {m}", problems=str(count)) as row:
            posed = problems(count, n, m, seed=0)
            on_cpu = Problems(*(torch.from_numpy(part).float() for part in posed))
            there = Problems(*(part.to(task.device) for part in on_cpu))

            def copied(there: Problems = there) -> Tensor:
                back = Problems(*(part.cpu() for part in there))
                found = solve(back, threads=torch.get_num_threads(), plan=True)
                value: Tensor = found.value
                return value.to(task.device)

            def solved(there: Problems = there) -> Tensor:
                value: Tensor = simplex.solve(there, plan=True).value
                return value

            seconds = {
                "µs on the device": task.seconds(solved),
                "µs copied to the CPU and back": task.seconds(copied),
            }
            row |= {name: f"{1e6 * value / count:.2f}" for name, value in seconds.items()}
            row["difference"] = difference(solved(), copied().cpu())
    return rows


def training(task: Task) -> list[Row]:
    """Meta-train A²M²-Net with ResNet-50 from random weights; interrupt a run and continue it."""
    steps, first = (3, 1) if task.quick else (40, 12)
    every = 1 if task.quick else max(2, len(os.sched_getaffinity(0)))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        size, frames = (16, 12) if task.quick else (112, 24)
        rendered = motions(videos=2, size=size, frames=frames)
        videos = folder / "videos"
        data = TrainingData(
            write_folder(rendered, videos, split="train"),
            write_folder(rendered, videos, split="val"),
        )
        runs = [("float32", 1)] if task.quick else [("bfloat16", every), ("float32", every)]
        for number, (precision, processes) in enumerate(runs):
            with attempt(rows, precision=precision, processes=str(processes)) as row:
                ends: list[float] = []

                def note(done: int, total: int, ends: list[float] = ends) -> None:
                    task.synchronise()
                    ends.append(time.perf_counter())

                train(
                    small_recipe(task, steps, precision=precision),
                    data,
                    folder / f"run {number}",
                    device=str(task.device),
                    workers=processes,
                    progress=note,
                )
                step = (ends[-2] - ends[first - 1]) / (len(ends) - 1 - first)
                row["steps a second"] = f"{1 / step:.3g}"
        with attempt(rows, precision="float32", processes="continued run") as row:
            row["files with other bytes"] = str(continued_run(task, data, folder))
    return rows


def continued_run(task: Task, data: TrainingData, folder: Path) -> int:
    """Interrupt a run and continue it; return how many files differ from those of another run."""
    recipe = small_recipe(task, 3, precision="float32", keep_every=1)

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    train(recipe, data, folder / "whole", device=str(task.device))
    try:
        train(recipe, data, folder / "halted", device=str(task.device), progress=interrupt)
    except KeyboardInterrupt:
        train(recipe, data, folder / "halted", device=str(task.device))
    whole, halted = (digests(folder / name) for name in ("whole", "halted"))
    return sum(whole.get(name) != halted.get(name) for name in whole | halted)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file but those that are named by the time."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith("events.out.tfevents.")
    }


def small_recipe(task: Task, steps: int, **changes: Any) -> Recipe:
    """Return the meta-training of a recipe, from random weights."""
    base = read("a2m2-motions-resnet50")
    stage = base.stages[1].model_copy(update={"steps": steps}).model_dump(mode="json")
    parts: dict[str, Any] = {
        "stages": [stage],
        "backbone": {"name": "resnet50", "weights": "random"},
        "validation": {"every": 10_000, "ways": 5, "shots": 1, "queries": 1, "count": 20},
        **changes,
    }
    if task.quick:
        parts["backbone"] |= {"name": "efficientnet-lite0", "size": 64}
        stage |= {"ways": 2, "accumulate": 1}
        parts["validation"] |= {"ways": 2, "count": 2}
        options = {"moments.in_channels": 1280, "frames": 2, "moments.lengths": [1, 2]}
        parts |= {f"method.options.{name}": value for name, value in options.items()}
    return read("a2m2-motions-resnet50", parts)


PARTS: dict[str, Callable[[Task], list[Row]]] = {
    "classifiers": compare_classifiers,
    "methods": compare_methods,
    "aligners": compare_aligners,
    "levels": compare_levels,
    "episodes": episodes,
    "transport": transport,
    "training": training,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda", help="device; cpu for a dry run")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), help="some parts only")
    options = parser.parse_args()
    task = Task(torch.device(options.device), options.quick)
    if task.device.type == "cuda" and not torch.cuda.is_available():
        sys.exit(
            f"There is no GPU here that this torch ({torch.__version__}) can use. For a dry run on"
            " the CPU: --device cpu --quick"
        )
    failed = False
    for name in options.only or PARTS:
        rows = PARTS[name](task)
        heads = list(dict.fromkeys(head for row in rows for head in row))
        print(f"\n{name.capitalize()}\n")
        print(table(heads, [[row.get(head, "") for head in heads] for row in rows]), flush=True)
        failed |= any("failed" in row for row in rows)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
