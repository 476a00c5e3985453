"""The part of ``benchmarks.gpu`` that compares with the CPU."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gpu_parts import (
    Report,
    Task,
    attempt,
    difference,
    random_frames,
    some_backbones,
)
from fewact import FewShotClassifier, align, backbones, methods
from fewact.backbones import Card
from fewact.backbones.card import Level
from fewact.backbones.precision import exact_convolutions
from fewact.methods.base import Method, TrainingBatch, support_state
from fewact.methods.promises.subject import made_up_features, made_up_text
from fewact.synthetic import motions
from fewact.synthetic.folder import write_folder


def correctness(task: Task, report: Report) -> None:
    """Compare the classifier and every method, aligner and level with the CPU, in float32."""
    _compare_classifiers(task, report)
    with exact_convolutions(task.torch_device):  # as encoding and training do
        _compare_methods(task, report)
        _compare_losses(task, report)
    _compare_aligners(task, report)
    _compare_levels(task, report)


def _card() -> Card:
    """Return the card of made-up features of common shapes."""
    one = backbones.create("efficientnet-lite0", weights="random", device="cpu").card
    return replace(
        one,
        vectors=96,
        maps=(64, 7, 7),
        middle=(48, 14, 14),
        shallow=(24, 28, 28),
        input_size=(32, 32),
    )


def _methods(card: Card) -> Iterator[tuple[str, Method]]:
    """Return every method with its default options, and A²M²-Net as in its paper."""
    for name in methods.names():
        yield name, methods.create(name, **methods.fitting(name, card)).eval()
    paper = methods.create("a2m2", preset="paper", moments={"in_channels": 64})
    yield "a2m2, preset paper", paper.eval()


def logits_of(method: Method, episode: TrainingBatch) -> Tensor:
    """Return the logits of episodes, computed where the method and the features are."""
    support, query = method.encode(episode.support), method.encode(episode.query)
    given = support_state(method, support, episode.support_labels, episode.n, episode.text)
    return method.score(given, query)


def losses_of(method: Method, episode: TrainingBatch) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses, and the gradients of weights and features as one vector."""
    given: list[Tensor] = [*method.parameters()]
    for features in (episode.support, episode.query):
        given += [
            value.requires_grad_() for value in features.values() if value.dtype.is_floating_point
        ]
    for one in given:
        one.grad = None
    total = torch.stack([one.reshape(()) for one in method.losses(episode).values()]).sum()
    if not total.requires_grad:  # features that are whole numbers, and no weights
        return total, total
    total.backward()
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in given]
    return total.detach(), torch.cat([one.flatten() for one in gradients])


def _classes_and_shots(task: Task) -> tuple[int, int]:
    return (2, 1) if task.quick else (3, 2)


def _episodes(task: Task, method: Method, card: Card) -> TrainingBatch:
    """Return 2 episodes with as many queries as support videos, with random features."""
    classes, shots = _classes_and_shots(task)
    support, query = (
        made_up_features(method, card, 2, classes * shots, seed=seed) for seed in (1, 2)
    )
    labels = torch.arange(classes).repeat_interleave(shots).expand(2, -1)
    text = made_up_text(card, 2, classes) if method.uses_text else None
    return TrainingBatch(support, labels, query, labels, classes, text)


def _compare_methods(task: Task, report: Report) -> None:
    card = _card()
    for name, method in _methods(card):
        with attempt(report, "Methods, logits", method=name):
            episode = _episodes(task, method, card)
            with torch.no_grad():
                expected = logits_of(method, episode)
                moved = on(task.torch_device, method, episode)
                got = logits_of(*moved).cpu()
            changed = int((got.argmax(-1) != expected.argmax(-1)).sum())
            report(
                "Methods, logits",
                method=name,
                largest_relative_difference=difference(got, expected),
                decisions_changed=f"{changed} of {expected[..., 0].numel()}",
            )


def _compare_losses(task: Task, report: Report) -> None:
    """Compare losses and gradients, without dropout; in bfloat16, only whether they are finite."""
    card, table = _card(), "Methods, losses and gradients of weights and features"
    device = task.torch_device
    for name, method in _methods(card):
        with attempt(report, table, method=name):
            episode = _episodes(task, method, card)
            loss, gradients = losses_of(method, episode)
            moved = on(device, method, episode)
            other, other_gradients = losses_of(*moved)
            report(
                table,
                method=name,
                difference_of_the_loss=difference(other, loss),
                difference_of_gradients=difference(other_gradients, gradients),
                **(_in_bfloat16(device, moved, loss) if task.has_bfloat16 else {}),
            )


def _in_bfloat16(
    device: torch.device, moved: tuple[Method, TrainingBatch], loss: Tensor
) -> dict[str, str]:
    """Return whether the loss and the gradients are finite, and how the loss differs."""
    with torch.autocast(device.type, torch.bfloat16):
        half, gradients = losses_of(*moved)
    finite = half.isfinite().all() and gradients.isfinite().all()
    return {
        "bfloat16": "finite" if finite else "NOT FINITE",
        "difference_of_the_loss_in_bfloat16": difference(half, loss),
    }


def on(
    device: torch.device, method: Method, episode: TrainingBatch
) -> tuple[Method, TrainingBatch]:
    """Return a method and episodes moved to a device."""
    support, query = (
        {request: value.detach().to(device) for request, value in one.items()}
        for one in (episode.support, episode.query)
    )
    labels = [one.to(device) for one in (episode.support_labels, episode.query_labels)]
    text = None if episode.text is None else episode.text.to(device)
    moved = TrainingBatch(support, labels[0], query, labels[1], episode.n, text)
    return method.to(device), moved


def _compare_aligners(task: Task, report: Report) -> None:
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(64, 14, 14, generator=generator)
    weights = [torch.rand(64, 14, generator=generator) for _ in range(2)]
    a, b = (14 * one / one.sum(-1, keepdim=True) for one in weights)
    table = "Aligners, 64 problems of 14 × 14"
    for name in align.names():
        with attempt(report, table, aligner=name):
            found = []
            for device in (torch.device("cpu"), task.torch_device):
                on_device = cost.to(device, copy=True).requires_grad_()
                value = align.align(name, on_device, a.to(device), b.to(device)).value
                value.sum().backward()
                found.append((value, on_device.grad))
            (value, gradient), (other, other_gradient) = found
            if gradient is None or other_gradient is None:
                raise RuntimeError(f"{name} has no gradient")
            report(
                table,
                aligner=name,
                value_difference=difference(other, value),
                gradient_difference=difference(other_gradient, gradient),
            )


def _compare_levels(task: Task, report: Report) -> None:
    table = "Levels of backbones with random weights"
    every: tuple[Level, ...] = ("vectors", "maps", "middle", "shallow")
    for name in some_backbones(task):
        with attempt(report, table, backbone=name):
            pair = [
                backbones.create(
                    name, weights="random", device=device, precision="float32", engine="torch"
                )
                for device in ("cpu", task.device)
            ]
            card, count = pair[0].card, max(2, pair[0].network.frames_together)
            frames = random_frames(card, count)
            levels = [level for level in every if card.has(level)]
            expected, got = (one.features(frames, levels) for one in pair)
            for level in levels:
                cosine = torch.cosine_similarity(
                    got[level].flatten(1).cpu().double(),
                    expected[level].flatten(1).double(),
                    dim=-1,
                )
                report(
                    table,
                    backbone=name,
                    level=level,
                    largest_relative_difference=difference(got[level], expected[level]),
                    smallest_cosine=f"{float(cosine.min()):.6f}",
                )


def _compare_classifiers(task: Task, report: Report) -> None:
    """Teach clips and predict others, on the CPU and on the device."""
    with tempfile.TemporaryDirectory() as folder:
        classes, shots = _classes_and_shots(task)
        size = 64 if task.quick else 112
        rendered = motions(videos=2 * shots, size=size, frames=24)
        listed = write_folder(rendered, folder, split="val")
        clips: dict[str, list[str]] = {}
        for clip in filter(None, (video.clip for video in listed.videos)):
            clips.setdefault(str(clip.label), []).append(str(clip.path))
        taught = {label: paths[:shots] for label, paths in list(clips.items())[:classes]}
        others = [path for label in taught for path in clips[label][shots:]]
        for name in ("fusion",) if task.quick else ("fusion", "a2m2"):
            with attempt(report, "Clips taught and predicted, random weights", method=name):
                found = []
                for device in ("cpu", task.device):
                    classifier = FewShotClassifier(
                        method=name,
                        device=device,
                        weights="random",
                        precision="float32",
                        engine="torch",
                    )
                    classifier.fit(taught)
                    found.append(torch.from_numpy(classifier.predict_proba(others)))
                    classifier.save(Path(folder) / f"{name} {device}")
                loaded = FewShotClassifier.load(Path(folder) / f"{name} {task.device}")
                again = torch.from_numpy(loaded.predict_proba(others))
                cpu, other = found
                report(
                    "Clips taught and predicted, random weights",
                    method=name,
                    largest_difference_of_a_probability=f"{float((other - cpu).abs().max()):.1e}",
                    after_loading=f"{float((again - other).abs().max()):.1e}",
                    answers_changed=f"{int((other.argmax(-1) != cpu.argmax(-1)).sum())} of"
                    f" {len(cpu)}",
                )
