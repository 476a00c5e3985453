"""Inference engines: time of a clip's frames in the network, and how far the features differ.

    python -m benchmarks.engines ASSETS [--backbone NAME --weights W --threads N --turns N]

ASSETS contains ``clips/index.tsv`` and the clips. The frames of some clips are decoded before. All
engines run in turns on 8 frames. A table has the median time by the clock and by the processor, and
the largest difference of a value from torch with batch norm as it is, relative to the largest value
of its level. "onnxruntime alone" and "openvino alone" run a plain export of the network with all
frames at once; OpenVINO only if it is installed.
"""

import argparse
import importlib
import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.datasets import read_rows
from fewact import backbones
from fewact.backbones import Backbone, Level
from fewact.core.workers import side_by_side
from fewact.data import Clip
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, View

FRAMES, CLIPS = 8, 6
LEVELS: tuple[Level, ...] = ("middle", "maps", "vectors")
Run = Callable[[Tensor], list[Tensor]]
"""Features of prepared frames, in the order of the levels."""


class Whole(nn.Module):
    """Levels of a backbone's network as a tuple (default: all), for a plain export."""

    def __init__(self, backbone: Backbone, levels: Sequence[Level] = ()) -> None:
        super().__init__()
        self.network, self.levels = backbone.network, levels or levels_of(backbone)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        found = self.network(images, self.levels)
        return tuple(found[level] for level in self.levels)


def levels_of(backbone: Backbone) -> list[Level]:
    return [level for level in LEVELS if backbone.card.has(level)]


def of(backbone: Backbone) -> Run:
    levels = levels_of(backbone)

    def run(frames: Tensor) -> list[Tensor]:
        found = backbone.features(frames, levels)
        return [found[level] for level in levels]

    return run


def as_it_was(backbone: Backbone) -> Run:
    """Run the network in torch with its batch norms, four frames at a time in each thread."""
    whole = Whole(backbone)
    together = backbone.network.frames_together

    @torch.inference_mode()
    def one(few: Tensor) -> tuple[Tensor, ...]:
        images = few.to(memory_format=backbone.network.memory_format).float()
        mean, std = (
            255 * torch.tensor(values).view(3, 1, 1)
            for values in (backbone.card.mean, backbone.card.std)
        )
        found: tuple[Tensor, ...] = whole((images - mean) / std)
        return found

    def run(frames: Tensor) -> list[Tensor]:
        pieces = side_by_side(one, frames.split(together * max(1, 4 // together)))
        return [torch.cat(values) for values in zip(*pieces, strict=True)]

    return run


def export(
    backbone: Backbone,
    frames: int,
    folder: Path,
    levels: Sequence[Level] = (),
    size: Sequence[int] = (),
) -> Path:
    """Export the network as ONNX with its weights, as torch's documentation does."""
    height, width = size or backbone.card.input_size
    path = folder / f"network-{frames}-{height}.onnx"
    example = torch.zeros(frames, 3, height, width)
    program: Any = torch.onnx.export(
        Whole(backbone, levels).eval(), (example,), dynamo=True, verbose=False
    )
    program.save(path)
    return path


def onnx_runtime(backbone: Backbone, model: Path, threads: int) -> Run:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(frames: Tensor) -> list[Tensor]:
        images = backbone.normalise(frames).contiguous()
        return [torch.from_numpy(value) for value in session.run(None, {name: images.numpy()})]

    return run


def openvino(backbone: Backbone, model: Path, threads: int) -> Run:
    library = importlib.import_module("openvino")
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = library.Core().compile_model(model, "CPU", options)

    def run(frames: Tensor) -> list[Tensor]:
        found = compiled([backbone.normalise(frames).contiguous().numpy()])
        return [torch.from_numpy(found[output]) for output in compiled.outputs]

    return run


def engines(options: argparse.Namespace, frames: int, folder: Path) -> dict[str, Run]:
    """Return the engines by the name of their row; the first one is the reference."""

    def create(engine: str, precision: str) -> Backbone:
        return backbones.create(
            options.backbone,
            weights=options.weights,
            device="cpu",
            precision=precision,
            engine=engine,
        )

    exact, threads = create("torch", "float32"), options.threads
    model = export(exact, frames, folder)
    runs = {
        "torch, batch norm as it is": as_it_was(exact),
        "torch": of(exact),
        "torch, bfloat16": of(create("torch", "bfloat16")),
        "onnx": of(create("onnx", "float32")),
        "onnxruntime alone": onnx_runtime(exact, model, threads),
    }
    if importlib.util.find_spec("openvino") is not None:
        runs["openvino alone"] = openvino(exact, model, threads)
    return runs


def clips_of(assets: Path, card: backbones.Card, frames: int) -> list[Tensor]:
    """Return the prepared frames of some clips of all datasets."""
    rows = read_rows(assets)
    chosen = rows[:: len(rows) // CLIPS][:CLIPS]
    reader = backbones.create(device="cpu", engine="torch")
    reader.card = card
    request = FeatureRequest("pixels", View(frames))
    found = extract([Clip(assets / row["path"]) for row in chosen], reader, [request])
    return [one.features[request] for one in found if one.features is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    description = backbones.describe(options.backbone)
    frames = FRAMES * description.frames_per_slot
    with tempfile.TemporaryDirectory() as folder:
        runs = engines(options, frames, Path(folder))
        compare(runs, options, frames)


def compare(runs: dict[str, Run], options: argparse.Namespace, frames: int) -> None:
    """Print the table."""
    exact = backbones.create(
        options.backbone, weights=options.weights, device="cpu", engine="torch"
    )
    clips = clips_of(options.assets, exact.card, frames)
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    differences = dict.fromkeys(runs, 0.0)
    for turn in range(options.turns + 1):
        for clip in clips:
            expected = next(iter(runs.values()))(clip)
            for name, run in runs.items():
                begin, busy = time.perf_counter(), time.process_time()
                found = run(clip)
                if turn > 0:  # The first turn warms up.
                    wall[name].append(time.perf_counter() - begin)
                    cpu[name].append(time.process_time() - busy)
                for one, right in zip(found, expected, strict=True):
                    difference = float((one - right).abs().max() / right.abs().max())
                    differences[name] = max(differences[name], difference)
    print(
        f"{exact.card.name}, {frames} frames of {len(clips)} clips, {options.turns} turns, "
        f"{options.threads} threads\n"
    )
    print("| engine | ms a clip | of processor time | times as fast | largest difference |")
    print("|---|---|---|---|---|")
    first = float(np.median(cpu[next(iter(runs))]))
    for name in runs:
        seconds, busy = np.median(wall[name]), np.median(cpu[name])
        print(
            f"| {name} | {1e3 * seconds:.0f} | {1e3 * busy:.0f} | {first / busy:.2f} | "
            f"{differences[name]:.0e} |"
        )


if __name__ == "__main__":
    main()
