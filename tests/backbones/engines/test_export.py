"""Networks that are exported, and the graphs that come with fewact."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from fewact import backbones
from fewact.backbones.engines.export import missing_packages, quiet
from fewact.backbones.engines.graphs import PACKAGED, read_graphs

MOBILENET = "weights/mobilenet_v2_1.0_imagenet_fp16.safetensors"
IN_INT8 = "efficientnet-lite0-int8"
SCRIPT = Path(__file__).parents[3] / ".ci" / "graphs.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_packages()), reason="the extra onnx is not installed"),
]


def largest(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet50", {"last_stride": 1}),
        ("clip-rn50", {}),
        ("clip-vit", {}),
        ("siglip", {}),
        ("videomae", {}),
    ],
    ids=str,
)
def test_an_exported_network_agrees_with_torch(name, options, random_backbone):
    exact, found = (random_backbone(name, engine=one, **options) for one in ("torch", "onnx"))
    assert found.card.engine == "onnx"
    generator = torch.Generator().manual_seed(0)
    shape = (2 * exact.network.frames_together, 3, *exact.card.input_size)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    levels = [level for level in ("shallow", "middle", "maps", "vectors") if exact.card.has(level)]
    got, expected = (one.features(frames, levels) for one in (found, exact))
    for level in levels:
        assert largest(got[level], expected[level]) <= 1e-3
    half = found.features(frames[len(frames) // 2 :], levels)
    for level in levels:
        assert torch.equal(half[level], got[level][len(got[level]) // 2 :])


@pytest.mark.assets
def test_real_weights_of_another_network_agree(assets, frames):
    weights = str(assets / MOBILENET)
    found, exact = (
        backbones.create(
            "mobilenet-v2", weights=weights, device="cpu", precision="float32", engine=engine
        )
        for engine in ("auto", "torch")
    )
    assert found.card.engine == "onnx"
    got, expected = (one.features(frames, ["vectors"])["vectors"] for one in (found, exact))
    assert largest(got, expected) <= 1e-4


def test_the_graphs_that_come_with_fewact_are_those_of_the_script(tmp_path):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = sorted(str(path.relative_to(PACKAGED)) for path in PACKAGED.rglob("*.*"))
    assert names == sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    for name in names:
        if "int8/" not in name:
            assert (tmp_path / name).read_bytes() == (PACKAGED / name).read_bytes(), name
    # Graphs in int8 contain scales of activations, which another processor rounds otherwise.
    made, kept = (read_graphs(folder / IN_INT8) for folder in (tmp_path, PACKAGED))
    for one, other in zip(made.graphs, kept.graphs, strict=True):
        assert one.scales == pytest.approx(other.scales, rel=1e-3)
        assert (one.weights, nodes(one)) == (other.weights, nodes(other))


def nodes(graph):
    model = pytest.importorskip("onnx").load_from_string(graph.content)
    return [(one.op_type, list(one.input), list(one.output)) for one in model.graph.node]


def test_exports_in_two_threads_give_the_output_back() -> None:
    before, inside, release = sys.stdout, threading.Event(), threading.Event()

    def export() -> None:
        with quiet():
            inside.set()
            release.wait(60)

    other = threading.Thread(target=export)
    with quiet():
        other.start()
        inside.wait(0.2)  # It waits for the end of this block, in vain.
    release.set()
    other.join()
    assert sys.stdout is before
