"""The parts of ``benchmarks.gpu`` that train and that score episodes."""

import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import evaluation
from benchmarks.clip_cost.worker import random_nodes
from benchmarks.gpu_parts import FRAMES, Report, Task
from benchmarks.training.step_time import make_batch, network_step, seconds
from fewact import backbones, methods
from fewact.data import Video, VideoList
from fewact.evaluation.encode import NodeBank, workers
from fewact.evaluation.episodes import Protocol, draw
from fewact.evaluation.scoring import Batches, Scorer, bank_scorer, plan, score
from fewact.synthetic import motions
from fewact.synthetic.folder import write_folder
from fewact.training import Recipe, TrainingData, read, train
from fewact.training.devices import reproducible
from fewact.training.recipe import EpisodesStage


def training(task: Task, report: Report) -> None:
    """Meta-train A²M²-Net with ResNet-50, as the recipe for ``motions`` does, from random weights.

    Steps per second are those between the first steps, whose batches were ready, and the last,
    after which a validation follows.
    """
    for precision in ("float32",) if task.quick else ("bfloat16", "float32"):
        _share(task, report, precision)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _data(folder / "videos", task)
        steps, first = (3, 1) if task.quick else (40, 12)
        processes = 1 if task.quick else max(2, len(os.sched_getaffinity(0)))
        runs = [("bfloat16", processes), ("float32", processes), ("bfloat16", 1), ("bfloat16", 0)]
        if task.quick:
            runs = [(task.training_precision, processes)]
        for number, (precision, count) in enumerate(runs):
            recipe = _recipe(task, steps, precision=precision)
            ends: list[float] = []

            def note(done: int, total: int, ends: list[float] = ends) -> None:
                task.synchronise()
                ends.append(time.perf_counter())

            if task.torch_device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(task.torch_device)
            run = folder / f"run {number}"
            train(recipe, data, run, device=task.device, workers=count, progress=note)
            each = (ends[-2] - ends[first - 1]) / (len(ends) - 1 - first)
            (stage,) = recipe.stages
            if not isinstance(stage, EpisodesStage):
                raise RuntimeError("the second stage of the recipe has no episodes")
            report(
                f"Steps of {stage.accumulate} episodes of {stage.ways} ways, 1 shot and 1 query",
                precision=precision,
                processes_that_decode=count,
                steps_per_second=f"{1 / each:.3g}",
                episodes_per_second=f"{stage.accumulate / each:.3g}",
                memory=_memory(task),
            )


def _memory(task: Task) -> str:
    if task.torch_device.type != "cuda":
        return "not measured"
    return f"{torch.cuda.max_memory_allocated(task.torch_device) / 2**30:.2f} GiB"


def _data(folder: Path, task: Task) -> TrainingData:
    """Write videos of all training and validation classes, and return them as files."""
    size, frames = (16, 12) if task.quick else (112, 24)
    benchmark = motions(videos=2, size=size, frames=frames)
    train_list, val_list = (write_folder(benchmark, folder, split=s) for s in ("train", "val"))
    return TrainingData(train_list, val_list)


def _recipe(task: Task, steps: int, **changes: Any) -> Recipe:
    """Return the recipe's second stage, the meta-training, from random weights."""
    base = read("a2m2-motions-resnet50")
    stages = [base.stages[1].model_copy(update={"steps": steps})]
    parts: dict[str, Any] = {
        "stages": [stage.model_dump(mode="json") for stage in stages],
        "backbone": {"name": "resnet50", "weights": "random"},
        "validation": {"every": 10_000, "ways": 5, "shots": 1, "queries": 1, "count": 20},
        **changes,
    }
    if task.quick:
        parts["backbone"]["name"] = "efficientnet-lite0"
        parts["stages"][0] |= {"ways": 2, "accumulate": 1}
        parts["validation"] |= {"ways": 2, "count": 2}
        options = {"moments.in_channels": 1280, "frames": 2, "moments.lengths": [1, 2]}
        parts |= {f"method.options.{name}": value for name, value in options.items()}
    return read("a2m2-motions-resnet50", parts)


def _share(task: Task, report: Report, precision: str) -> None:
    """Report the time of a step's parts: network, reduction, moments and transport."""
    device = task.torch_device
    method = methods.create("a2m2", preset="paper", moments={"in_channels": 2048}).to(device)
    batch = make_batch(device)
    backbone = backbones.create("resnet50", weights="random", device=task.device)
    backbone.network.train()
    frames = 4 if task.quick else 10 * FRAMES
    repeats = 1 if task.quick else 5

    def head() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            losses = method.losses(batch)
        torch.stack(list(losses.values())).sum().backward()

    def network() -> float:
        taken = seconds(lambda: network_step(backbone, precision, frames, frames), device, repeats)
        return taken * 10 * FRAMES / frames

    fast = network()
    with reproducible(device):
        alone, rest = network(), seconds(head, device, repeats)
    report(
        "An episode of 10 videos of 8 frames, forward and backward",
        precision=precision,
        ResNet_50=f"{1000 * alone:.1f} ms",
        ResNet_50_not_deterministic=f"{1000 * fast:.1f} ms",
        reduction_moments_transport_and_loss=f"{1000 * rest:.1f} ms",
        fraction=f"{100 * rest / (alone + rest):.1f} %",
    )


def resumption(task: Task, report: Report) -> None:
    """Interrupt a training run, continue it, and compare its files with those of another run."""
    steps, at = (3, 2) if task.quick else (6, 4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _data(folder / "videos", task)
        precision = task.training_precision
        recipe = _recipe(task, steps, precision=precision, keep_every=1 if task.quick else 2)
        train(recipe, data, folder / "whole", device=task.device)

        def interrupt(done: int, total: int) -> None:
            if done == at:
                raise KeyboardInterrupt

        try:
            train(recipe, data, folder / "halted", device=task.device, progress=interrupt)
        except KeyboardInterrupt:
            train(recipe, data, folder / "halted", device=task.device)
        whole, halted = (_digests(folder / run) for run in ("whole", "halted"))
        if whole.keys() != halted.keys():
            raise RuntimeError(f"other files: {sorted(whole.keys() ^ halted.keys())}")
        for file, digest in whole.items():
            report(
                f"Files after {steps} steps, uninterrupted and interrupted after {at}",
                file=file,
                bytes="equal" if halted[file] == digest else "DIFFERENT",
            )


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith("events.out.tfevents.")  # named by the time
    }


def episodes(task: Task, report: Report) -> None:
    """Score 10,000 episodes of A²M² on the device and on all threads of the CPU."""
    videos, count, ways = (48, 24, 3) if task.quick else (2400, 10_000, 5)
    listed = VideoList("random", tuple(Video(str(i), f"class {i % 24}") for i in range(videos)))
    drawn = draw(listed, Protocol(ways=ways, shots=1, queries=1, count=count))
    for name in ("A²M², EMD", "A²M², OTAM"):
        kind, options = evaluation.COLUMNS[name]
        method = methods.create(kind, **options).eval()
        bank = random_nodes(method, listed)
        banks = {"CPU": bank, task.device: _moved(bank, task.torch_device)}
        hits, spent = {}, {}
        for where, one in banks.items():
            from_bank = bank_scorer(method, one, one)
            batches = plan(drawn, one, one, copies=from_bank is None)
            if where != "CPU":
                batches = Batches(count, 256)  # fewer, larger steps
            scorer = Scorer(method, drawn, one, one, batches, bank=from_bank)
            with workers(None if where == "CPU" else 1) as pool:
                dict(score(scorer, [0], pool))
                task.synchronise()
                begin = time.perf_counter()
                found = dict(score(scorer, range(len(batches)), pool))
                task.synchronise()
                spent[where] = time.perf_counter() - begin
            hits[where] = np.concatenate([found[i] for i in sorted(found)])
        changed = int((hits["CPU"] != hits[task.device]).sum())
        report(
            f"{count} episodes, {ways}-way 1-shot, {videos} videos",
            method=name,
            CPU=f"{spent['CPU']:.2f} s on {torch.get_num_threads()} threads",
            device=f"{spent[task.device]:.2f} s",
            ratio=f"{spent['CPU'] / spent[task.device]:.2f}",
            decisions_that_differ=f"{changed} of {hits['CPU'].size}",
        )


def _moved(bank: NodeBank, device: torch.device) -> NodeBank:
    moved = NodeBank(bank.positions, bank.method, bank.features, bank.list_digest)
    moved.tensors = {name: value.to(device, copy=True) for name, value in bank.tensors.items()}
    return moved
