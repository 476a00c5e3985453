"""Time of M² and A² in a training step, as a fraction of the time of the backbone.

    python -m benchmarks.training.step_time [--device cpu] [--precision float32] [--repeats 3]
        [--frames-at-once 16] [--sample 1.0]

An episode of 5 ways, 1 shot and 5 queries in all: 10 videos of 8 frames of 224², ResNet-50 with
maps of 14×14, reduced to 128 channels. Measured are forward and backward of the network on random
frames, a few at a time to limit memory (``--sample`` measures a fraction and scales up), of the
reduction alone, and of reduction, moments, transport and loss on its maps. Medians of the repeats.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.features.request import FeatureRequest, View
from fewact.methods.a2m2 import A2M2
from fewact.methods.base import TrainingBatch

WAYS, FRAMES, VIDEOS = 5, 8, 10
REQUEST = FeatureRequest("maps", View(FRAMES))


def seconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median time of a call, after a warm-up; on a CPU, of the processor."""
    taken = []
    for _ in range(repeats + 1):
        if device.type == "cuda":
            torch.cuda.synchronize()
        # On a shared machine, processor time; on a device, the time until it is done.
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        begin = clock()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(clock() - begin)
    return statistics.median(taken[1:])


def network_step(backbone: Backbone, precision: str, at_once: int, count: int) -> None:
    """Run forward and backward of the network over some frames."""
    kind = backbone.device.type
    for first in range(0, count, at_once):
        few = min(at_once, count - first)
        frames = torch.randint(256, (few, 3, 224, 224), dtype=torch.uint8)
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"):
            maps = backbone.network(backbone.normalise(frames), ("maps",))["maps"]
        maps.backward(torch.ones_like(maps))


def make_batch(device: torch.device) -> TrainingBatch:
    """Return maps (1 5 8 2048 14 14) of support and queries that require gradients."""
    support, query = (
        torch.rand(1, WAYS, FRAMES, 2048, 14, 14, device=device, requires_grad=True)
        for _ in range(2)
    )
    labels = torch.arange(WAYS, device=device)[None]
    return TrainingBatch({REQUEST: support}, labels, {REQUEST: query}, labels, WAYS)


def measure(
    device: torch.device,
    *,
    precision: str = "float32",
    repeats: int = 3,
    at_once: int = 16,
    sample: float = 1.0,
) -> dict[str, float]:
    """Return the milliseconds of the network, of the reduction, and of all after the network.

    Args:
        device: Device to run on.
        precision: ``float32`` or ``bfloat16``.
        repeats: Number of measurements whose median counts.
        at_once: Number of frames that the network computes at a time.
        sample: Fraction of the frames that is measured and scaled up.
    """
    torch.manual_seed(0)
    method = methods.create("a2m2", preset="paper", moments={"in_channels": 2048}).to(device)
    if not isinstance(method, A2M2):
        raise TypeError("a2m2 is another method")
    batch = make_batch(device)

    def full_head() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            losses = method.losses(batch)
        torch.stack(list(losses.values())).sum().backward()

    def reduction() -> None:
        maps: Tensor = torch.cat([batch.support[REQUEST], batch.query[REQUEST]], 1)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            reduced = method.reduction(maps)
        reduced.sum().backward()

    frames = VIDEOS * FRAMES
    some = max(at_once, round(sample * frames))
    backbone = backbones.create("resnet50", weights="random", device=str(device))
    backbone.network.train()
    network = seconds(lambda: network_step(backbone, precision, at_once, some), device, repeats)
    both, alone = (seconds(call, device, repeats) for call in (full_head, reduction))
    return {
        "network_ms": 1e3 * network * frames / some,
        "reduction_ms": 1e3 * alone,
        "head_ms": 1e3 * both,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frames-at-once", type=int, default=16)
    parser.add_argument("--sample", type=float, default=1.0)
    options = parser.parse_args()
    device = torch.device(options.device)
    found = measure(
        device,
        precision=options.precision,
        repeats=options.repeats,
        at_once=options.frames_at_once,
        sample=options.sample,
    )
    network, alone, both = (found[f"{part}_ms"] for part in ("network", "reduction", "head"))
    rest = both - alone
    threads = torch.get_num_threads()
    print(f"{device}, {options.precision}, {threads} threads, torch {torch.__version__}")
    print(f"ResNet-50, {VIDEOS * FRAMES} frames, forward and backward: {network:.0f} ms")
    for name, spent in (
        ("reduction 2048 → 256 → 128", alone),
        ("M², A² and loss", rest),
        ("reduction, M², A² and loss", both),
    ):
        print(f"{name}: {spent:.1f} ms, {100 * spent / network:.1f} %")


if __name__ == "__main__":
    main()
