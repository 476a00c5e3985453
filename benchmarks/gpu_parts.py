"""What the parts of ``benchmarks.gpu`` share, and those that embed and solve transports."""

import os
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor

from benchmarks.align import problems
from benchmarks.training.step_time import seconds
from fewact import backbones
from fewact.align._emd import Problems, Solution, simplex
from fewact.align.transport import engine, solve
from fewact.backbones import Card
from fewact.backbones.card import Level
from fewact.backbones.precision import multiplies_bfloat16
from fewact.cli.doctor import examine
from fewact.data import VideoList
from fewact.synthetic import motions
from fewact.synthetic.folder import write_folder
from fewact.training.batch import Drawn
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

    @property
    def has_bfloat16(self) -> bool:
        """Whether the device multiplies in bfloat16; a CPU that does not takes minutes for it."""
        return self.torch_device.type != "cpu" or multiplies_bfloat16()

    @property
    def training_precision(self) -> Literal["bfloat16", "float32"]:
        """The recipe's bfloat16 where the device multiplies in it."""
        return "bfloat16" if self.has_bfloat16 else "float32"

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


@contextmanager
def attempt(report: Report, table: str, **cells: object) -> Iterator[None]:
    """Report a failure as a row, with its traceback in the log, so that what follows still runs."""
    try:
        yield
    except Exception as error:  # whatever fails on a new device is what the page is for
        traceback.print_exc()
        said = " ".join(f"{type(error).__name__}: {error}".split())
        report(table, **cells, failed=said[:200])


def some_backbones(task: Task) -> tuple[str, ...]:
    first = ("efficientnet-lite0", "resnet50", "clip-vit-b16", "videomae")
    return first[:1] if task.quick else (*first, *sorted(set(backbones.names()) - set(first)))


def random_frames(card: Card, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, *card.input_size)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def difference(got: Tensor, expected: Tensor) -> str:
    """Return the largest difference, relative to the largest value."""
    apart = (got.detach().cpu().double() - expected.detach().double()).abs().max()
    return f"{float(apart / expected.detach().abs().max().clamp_min(1e-12)):.1e}"


def embedding(task: Task, report: Report) -> None:
    """Measure clips per second: the network alone, and with decoding in other processes."""
    processes = 1 if task.quick else max(1, len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        benchmark = motions(videos=1, size=32 if task.quick else 240, frames=24)
        videos = write_folder(benchmark, folder, split="val")
        for name in some_backbones(task):
            with attempt(report, "Clips per second", backbone=name):
                _embed(task, report, videos, name, processes)


def _embed(task: Task, report: Report, videos: VideoList, name: str, processes: int) -> None:
    at_once = 2 if task.quick else 8
    alone = {}
    for precision in ("float32",) if task.quick else ("bfloat16", "float32"):
        backbone = backbones.create(
            name, weights="random", device=task.device, precision=precision, engine="torch"
        )
        count = max(FRAMES, backbone.network.frames_together)
        frames = random_frames(backbone.card, at_once * count).to(task.torch_device)
        run = partial(backbone.features, frames, [VECTORS])
        alone[precision] = at_once / seconds(run, task.torch_device, 1 if task.quick else 5)
    reading = Reading(backbone.card, (count,), Augment(flip="never"), False, 0, 0)
    ahead = 2 * processes  # batches that are ready when the first one is
    drawn = _clips(len(videos.videos), at_once, ahead + (2 if task.quick else 40))
    batches = load(
        FrameBatches(videos, reading), drawn, workers=processes, device=task.torch_device
    )
    begin, done = 0.0, 0
    for number, batch in enumerate(batches, start=1):
        backbone.features(batch.frames[count].flatten(0, 1), [VECTORS])
        task.synchronise()
        if number == ahead:
            begin = time.perf_counter()
        elif number > ahead:
            done += at_once
    both = done / (time.perf_counter() - begin)
    report(
        "Clips per second",
        backbone=name,
        frames=count,
        **{f"network in {precision}": f"{value:.1f}" for precision, value in alone.items()},
        float32_with_decoding=f"{both:.1f}",
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
