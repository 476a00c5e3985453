"""The parts of ``benchmarks.gpu`` that compare with the CPU, and that embed."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmarks.align import problems
from benchmarks.training.step_time import seconds
from fewact import align, backbones, methods
from fewact.align._emd import simplex
from fewact.align._emd.engine import engine, solve
from fewact.align._emd.problem import Problems, Solution
from fewact.backbones import Card
from fewact.backbones.card import Level
from fewact.cli.doctor import examine
from fewact.data import VideoList
from fewact.features.request import CameraMotionRequest, Features, Request
from fewact.methods.base import Method, support_state
from fewact.synthetic import motions
from fewact.synthetic.folder import write_folder
from fewact.training.drawing import Drawn
from fewact.training.inputs import FrameBatches, Reading, load
from fewact.training.recipe import Augment

FRAMES = 8
VECTORS: Level = "vectors"


class Report(Protocol):
    """Adds a row to a table of the page."""

    def __call__(self, table: str, **cells: object) -> None: ...


@dataclass(frozen=True)
class Task:
    """What is measured.

    Args:
        device: Device, such as ``cuda``.
        quick: Small sizes, for a dry run.
    """

    device: str
    quick: bool

    @property
    def torch_device(self) -> torch.device:
        """The device."""
        return torch.device(self.device)

    @property
    def device_name(self) -> str:
        """Name of the device for people."""
        if self.torch_device.type == "cuda":
            return torch.cuda.get_device_name(self.torch_device)
        return f"Dry run on {self.device}"

    def synchronise(self) -> None:
        """Wait until the device has finished."""
        if self.torch_device.type == "cuda":
            torch.cuda.synchronize(self.torch_device)


def environment(task: Task, report: Report) -> None:
    """Report the machine and the versions."""
    found = examine()
    for name, version in found["versions"].items():
        report("Versions", name=name, version=version or "not installed")
    machine = found["machine"]
    report("Machine", fact="device", value=task.device_name)
    report("Machine", fact="system", value=machine["system"])
    report("Machine", fact="cores", value=machine["cores"])
    report("Machine", fact="memory", value=f"{machine['memory_gib']} GiB")
    report("Machine", fact="transport solver of the CPU", value=engine().name)
    if task.torch_device.type == "cuda":
        facts = torch.cuda.get_device_properties(task.torch_device)
        report("Machine", fact="GPU memory", value=f"{facts.total_memory / 2**30:.1f} GiB")
        report("Machine", fact="compute capability", value=f"{facts.major}.{facts.minor}")
        report("Machine", fact="CUDA of torch", value=torch.version.cuda)
        report("Machine", fact="cuDNN", value=torch.backends.cudnn.version())


def correctness(task: Task, report: Report) -> None:
    """Compare every method, aligner and level with the CPU, in float32."""
    _compare_methods(task, report)
    _compare_aligners(task, report)
    _compare_levels(task, report)


def difference(got: Tensor, expected: Tensor) -> str:
    """Return the largest difference, relative to the largest value."""
    apart = (got.detach().cpu().double() - expected.detach().double()).abs().max()
    return f"{float(apart / expected.detach().abs().max().clamp_min(1e-12)):.1e}"


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


def _features(method: Method, card: Card, *leading: int, seed: int) -> Features:
    """Return random features of a method, non-negative as a ReLU leaves them."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[Request, Tensor] = {}
    for request in method.requests(card):
        values = torch.rand(*leading, *request.shape(card), generator=generator)
        if isinstance(request, CameraMotionRequest):
            affine = torch.eye(2, 3).flatten() + 0.2 * (values[..., 1:] - 0.5)
            values = torch.cat([values[..., :1, :1].expand_as(values[..., :1]), affine], -1)
        found[request] = (values * 255).to(torch.uint8) if request.dtype == "uint8" else values
    return found


def _logits(method: Method, features: tuple[Features, Features], device: torch.device) -> Tensor:
    """Return the logits of 2 episodes of 3 classes, 2 shots and 4 queries, computed on a device."""
    method = method.to(device)
    support, query = (
        method.encode({name: value.to(device) for name, value in side.items()}) for side in features
    )
    labels = torch.arange(3, device=device).repeat_interleave(2).expand(2, -1)
    text = torch.randn(2, 3, 96, generator=torch.Generator().manual_seed(5)).to(device)
    return method.score(support_state(method, support, labels, 3, text), query)


@torch.inference_mode()
def _compare_methods(task: Task, report: Report) -> None:
    card = _card()
    for name in methods.names():
        method = methods.create(name, **methods.fitting(name, card)).eval()
        features = (
            _features(method, card, 2, 6, seed=1),
            _features(method, card, 2, 4, seed=2),
        )
        expected = _logits(method, features, torch.device("cpu"))
        got = _logits(method, features, task.torch_device).cpu()
        changed = int((got.argmax(-1) != expected.argmax(-1)).sum())
        report(
            "Methods, logits",
            method=name,
            largest_relative_difference=difference(got, expected),
            decisions_changed=f"{changed} of {expected[..., 0].numel()}",
        )


def _compare_aligners(task: Task, report: Report) -> None:
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(64, 14, 14, generator=generator)
    weights = [torch.rand(64, 14, generator=generator) for _ in range(2)]
    a, b = (14 * one / one.sum(-1, keepdim=True) for one in weights)
    for name in align.names():
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
            "Aligners, 64 problems of 14 × 14",
            aligner=name,
            value_difference=difference(other, value),
            gradient_difference=difference(other_gradient, gradient),
        )


def _backbones(task: Task) -> tuple[str, ...]:
    return ("efficientnet-lite0",) if task.quick else backbones.names()


def _compare_levels(task: Task, report: Report) -> None:
    for name in _backbones(task):
        pair = [
            backbones.create(
                name, weights="random", device=device, precision="float32", engine="torch"
            )
            for device in ("cpu", task.device)
        ]
        card, count = pair[0].card, max(2, pair[0].network.frames_together)
        frames = _random_frames(card, count)
        every: tuple[Level, ...] = ("vectors", "maps", "middle")
        levels = [level for level in every if card.has(level)]
        expected, got = (one.features(frames, levels) for one in pair)
        for level in levels:
            cosine = torch.cosine_similarity(
                got[level].flatten(1).cpu(), expected[level].flatten(1), dim=-1
            )
            report(
                "Levels of backbones with random weights",
                backbone=name,
                level=level,
                largest_relative_difference=difference(got[level], expected[level]),
                smallest_cosine=f"{float(cosine.min()):.6f}",
            )


def _random_frames(card: Card, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, *card.input_size)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def embedding(task: Task, report: Report) -> None:
    """Measure clips per second: the network alone, and with decoding in other processes."""
    clips = 4 if task.quick else 256
    processes = 1 if task.quick else max(1, len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        benchmark = motions(videos=1, size=32 if task.quick else 240, frames=24)
        videos = write_folder(benchmark, folder, split="val")
        for name in _backbones(task):
            for precision in ("float32",) if task.quick else ("bfloat16", "float32"):
                _embed(task, report, videos, name, precision, clips, processes)


def _embed(
    task: Task,
    report: Report,
    videos: VideoList,
    name: str,
    precision: Any,
    clips: int,
    processes: int,
) -> None:
    backbone = backbones.create(
        name, weights="random", device=task.device, precision=precision, engine="torch"
    )
    count = max(FRAMES, backbone.network.frames_together)
    at_once = 2 if task.quick else 8
    frames = _random_frames(backbone.card, at_once * count).to(task.torch_device)

    def alone() -> None:
        backbone.features(frames, [VECTORS])

    network = at_once / seconds(alone, task.torch_device, 1 if task.quick else 5)
    reading = Reading(backbone.card, (count,), Augment(flip="never"), False, 0, 0)
    drawn = _clips(len(videos.videos), at_once, (clips // at_once) + 1)
    batches = load(
        FrameBatches(videos, reading), drawn, workers=processes, device=task.torch_device
    )
    begin, done = 0.0, 0
    for batch in batches:
        backbone.features(batch.frames[count].flatten(0, 1), [VECTORS])
        task.synchronise()
        if not begin:  # the first batch has waited for the processes to start
            begin = time.perf_counter()
        else:
            done += at_once
    both = done / (time.perf_counter() - begin)
    report(
        "Clips per second",
        backbone=name,
        precision=precision,
        frames=count,
        network_alone=f"{network:.1f}",
        with_decoding=f"{both:.1f}",
        processes_that_decode=processes,
    )


def _clips(videos: int, at_once: int, batches: int) -> Iterator[Drawn]:
    for number in range(batches):
        first = number * at_once
        yield Drawn(number, tuple((first + i) % videos for i in range(at_once)))


def transport(task: Task, report: Report) -> None:
    """Compare the solver on the device with the copy to the CPU and the compiled solver there."""
    sizes = ((64, 14, 14),) if task.quick else ((6400, 14, 14), (1600, 14, 70), (400, 64, 64))
    for count, n, m in sizes:
        on_cpu = Problems(*(part.float() for part in problems(count, n, m, seed=0)))
        on_device = Problems(*(part.to(task.torch_device) for part in on_cpu))
        there = seconds(partial(_solved, on_device), task.torch_device, 3)
        back = seconds(partial(_copied, on_device), task.torch_device, 3)
        report(
            "µs per problem",
            size=f"{n} × {m}",
            problems=count,
            solver_on_the_device=f"{1e6 * there / count:.2f}",
            copied_to_the_CPU_and_back=f"{1e6 * back / count:.2f}",
            ratio=f"{there / back:.2f}",
            largest_relative_difference=difference(
                _solved(on_device)[0], _copied(on_device)[0].cpu()
            ),
        )


def _solved(given: Problems) -> list[Tensor]:
    """Solve problems on their device."""
    return _parts(simplex.solve(given, plan=True))


def _copied(given: Problems) -> list[Tensor]:
    """Solve problems of a device by the CPU's solver, and copy the solution back."""
    on_cpu = Problems(*(part.cpu() for part in given))
    found = solve(on_cpu, threads=torch.get_num_threads(), plan=True)
    return [part.to(given.cost.device) for part in _parts(found)]


def _parts(found: Solution) -> list[Tensor]:
    return [part for part in (found.value, found.plan, found.u, found.v) if part is not None]
