"""Checkpoints of CLIP-SPM's public code: converted, with equal features and logits."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fewact import networks
from fewact.cli import main
from fewact.core.errors import DataError, OptionError, WeightsError
from fewact.core.registry import Registry
from fewact.data import Video, VideoList
from fewact.features.request import FeatureRequest, View
from fewact.lab.evaluation import checkpoint
from fewact.lab.evaluation.checkpoint import training_flags
from fewact.lab.methods.clip_spm import ClipSpm
from fewact.lab.networks.torch_weights import tensors_of
from fewact.lab.training import public_code, published
from fewact.networks import catalogue
from tests.conftest import read_cases, vectors_folder
from tests.lab.training.test_other_networks import SmallResNet50
from tests.refused import refused

TRANSFORMER = {
    "0.norm.weight": "ln_g",
    "0.norm.bias": "ln_b",
    "0.fn.to_q.weight": "Wq",
    "0.fn.to_k.weight": "Wk",
    "0.fn.to_v.weight": "Wv",
    "0.fn.to_out.0.weight": "Wo",
    "0.fn.to_out.0.bias": "bo",
    "1.net.0.weight": "W1",
    "1.net.0.bias": "b1",
    "1.net.3.weight": "W2",
    "1.net.3.bias": "b2",
}
LAYERS = {
    "motion_conv1": ("conv1", ""),
    "motion_conv2": ("conv2", ""),
    "gate_text.0": ("gate_t", 1),
    "gate_text.2": ("gate_t", 2),
    "gate_vision.0": ("gate_v", 1),
    "gate_vision.2": ("gate_v", 2),
    "token_tr.mlp.net.0": ("mlp", 1),
    "token_tr.mlp.net.3": ("mlp", 2),
}
"""The vector's weights under the names of the public code."""


class Resnet(SmallResNet50):
    """The public code's image encoder, small, with vectors as long as those of the case."""

    defaults = replace(SmallResNet50.defaults, name="resnet", vectors=8)


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    cases = read_cases(vectors_folder(request.config) / "clip_spm.json")
    return next(one for one in cases if one["name"] == "support_text_only")


@pytest.fixture(autouse=True)
def small_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        entries = {**catalogue.NETWORKS._entries, "resnet": Resnet}
        patch.setattr(catalogue, "NETWORKS", Registry("backbone", entries))
        patch.setitem(public_code.NETWORK_OF_TENSOR, "attnpool.c_proj.weight", "resnet")
        yield


@pytest.fixture(scope="module")
def public(case: dict[str, Any]) -> dict[str, Tensor]:
    """All weights of the case, and an image encoder, as the public code names them."""
    given = case["weights"]
    found = {"mo_alpha1": torch.tensor(0.5), "scale": torch.ones(1)}
    for layer, (name, number) in LAYERS.items():
        found[f"{layer}.weight"] = torch.tensor(given[f"{name}_w{number}"])
        found[f"{layer}.bias"] = torch.tensor(given[f"{name}_b{number}"])
    for layer, name in (("context1", "Tr_p"), ("context2", "Tr_f")):
        for theirs, ours in TRANSFORMER.items():
            found[f"{layer}.layers.0.{theirs}"] = torch.tensor(given[name][ours])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = tensors_of(Resnet(None))
    return found | {name.replace("visual.", "backbone."): x for name, x in encoder.items()}


def converted(file: Path, folder: Path, **options: Any) -> checkpoint.Checkpoint:
    published.convert(file, folder, "hmdb51", **options)
    return checkpoint.read(folder)


def logits_of(found: checkpoint.Checkpoint, case: dict[str, Any]) -> Tensor:
    """Logits of the case; what its tensors do not show is as in the case."""
    params, inputs = case["params"], case["inputs"]
    options = {"guide_weight": params["alpha"], "slope": params["slope"], "heads": params["heads"]}
    width = len(case["weights"]["Tr_f"]["Wq"]) // params["heads"]
    frames = len(inputs["query"][0])
    method = found.method(**options, head_width=width, frames=frames)
    assert isinstance(method, ClipSpm)
    of_frames = FeatureRequest("vectors", View(frames))
    support, query = (
        method.encode({of_frames: torch.tensor(inputs[side])[None]})
        for side in ("support", "query")
    )
    labels, text = torch.tensor(inputs["labels"])[None], torch.tensor(inputs["text_of_class"])[None]
    return method.score(method.support(support, labels, text.shape[1], text=text), query)[0]


def test_logits_and_features_are_those_of_the_public_code(
    public: dict[str, Tensor], case: dict[str, Any], tmp_path: Path
) -> None:
    save_file(public, tmp_path / "checkpoint.safetensors")
    found = converted(tmp_path / "checkpoint.safetensors", tmp_path / "run")
    assert found.header.options["protocol"] == "joint"
    expected = torch.tensor(case["expected"]["logits"])
    torch.testing.assert_close(logits_of(found, case), expected, atol=2e-4, rtol=0)

    on_cpu = {"device": "cpu", "engine": "torch"}
    backbone = found.backbone.model_copy(update=on_cpu).create()
    assert backbone.card.network_digest == found.header.network_digest
    assert (backbone.card.resize, backbone.card.sampler) == ("centre-crop", "perrett")
    frames = torch.randint(256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    theirs = Resnet(None).eval()
    theirs.load_state_dict(
        {n.replace("backbone.", "visual."): x for n, x in public.items() if "backbone" in n},
        strict=False,
    )
    with torch.no_grad():
        vectors = theirs(frames / 255, ("vectors",))["vectors"]
    got = backbone.features(frames.numpy().astype(np.uint8), ("vectors",))["vectors"]
    np.testing.assert_allclose(got, vectors, atol=1e-5, rtol=1e-5)


def test_a_file_of_torch_save_is_read_with_its_hash_alone(
    public: dict[str, Tensor], case: dict[str, Any], tmp_path: Path
) -> None:
    parallel = {name.replace("backbone.", "backbone.module."): x for name, x in public.items()}
    file = tmp_path / "checkpoint_best.pt"
    # As the public code saves it: of several GPUs, with NumPy's accuracy and the optimiser.
    content = {"iteration": 1000, "model_state_dict": parallel, "acc": np.float64(84.5)}
    torch.save({**content, "optimizer_state_dict": {"state": {0: torch.ones(2)}}}, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match=rf"read only if.*{sha256}.*--sha256"):
        converted(file, tmp_path / "run")
    with refused(WeightsError, where="checkpoint_best.pt"):
        converted(file, tmp_path / "run", sha256="0" * 64)
    assert not (tmp_path / "run").exists()
    found = converted(file, tmp_path / "run", sha256=sha256.upper())
    assert sha256 in found.header.origin
    expected = torch.tensor(case["expected"]["logits"])
    torch.testing.assert_close(logits_of(found, case), expected, atol=2e-4, rtol=0)


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not run",)


def test_nothing_that_a_file_names_is_run(
    public: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "checkpoint.pt"
    torch.save({"model_state_dict": public, "acc": _Runs()}, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match="more than tensors") as refused:
        converted(file, tmp_path / "run", sha256=sha256)
    assert "(got print)" in str(refused.value)
    assert "weights_only" not in str(refused.value)  # no advice to run it
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gate_text.0.bias": torch.ones(6)}, "of another shape.*text_gate.first.bias"),
        ({"context2.layers.0.0.fn.to_v.weight": None}, "spm.transformer.project.weight"),
        ({"backbone.attnpool.c_proj.weight": None}, "no image encoder"),
        ({"backbone.conv1.weight": None}, r"1 missing \(visual.conv1.weight"),
        ({"gate_text.0.weight": None}, "no gate_text.0.weight"),
        ({"mo_alpha1": None, "context2.layers.0.0.norm.weight": None}, "CLIP-SPM .mo_alpha1"),
        ({"motion_conv1.bias": torch.full((8,), torch.nan)}, "not finite.*hsmr.first.bias"),
        ({"gate_audio.0.weight": torch.ones(2)}, r"1 unknown \(gate_audio.0.weight"),
        ({"backbone.attnpool.c_proj.weight": torch.ones(9, 64)}, "attnpool.c_proj"),
    ],
)
def test_weights_of_something_else_are_refused(
    change: dict[str, Tensor | None], says: str, public: dict[str, Tensor], tmp_path: Path
) -> None:
    changed = {name: x for name, x in {**public, **change}.items() if x is not None}
    save_file(changed, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=says):
        converted(tmp_path / "other.safetensors", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_benchmark_must_be_that_of_the_checkpoint(
    public: dict[str, Tensor], tmp_path: Path
) -> None:
    file = tmp_path / "checkpoint.safetensors"
    save_file(public, file)
    with refused(OptionError, where="benchmark", got="'hmdb'"):
        published.convert(file, tmp_path / "run", "hmdb")
    with refused(WeightsError, where="checkpoint.safetensors", got="ssv2-full, width 12"):
        published.convert(file, tmp_path / "run", "ssv2-full")


def test_results_name_the_origin_and_refuse_training_classes(
    public: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(public, tmp_path / "checkpoint.safetensors")
    found = converted(tmp_path / "checkpoint.safetensors", tmp_path / "run")
    card = networks.create("resnet", weights=found.backbone.weights, device="cpu").card

    def of(label: str) -> VideoList:
        return VideoList("hmdb51_arn", (Video("a.avi", label, "test"),))

    flags = training_flags(found, of("fencing"), card)
    assert flags[0] == "trained on hmdb51_arn"
    assert "its authors select on test episodes" in flags[1]
    trained = next(iter(found.header.trained_on.videos))
    with pytest.raises(DataError, match="the training data contains test data"):
        training_flags(found, of(trained), card)


def test_the_command_says_what_comes_next(
    public: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "checkpoint.pt", tmp_path / "run"
    torch.save({"model_state_dict": public}, file)
    command = ["convert", str(file), "--benchmark", "hmdb51", "-o", str(folder)]
    assert main(command) == 2
    assert "a file of torch.save is read only if its SHA-256 is known" in capsys.readouterr().err
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert main([*command, "--sha256", sha256]) == 0
    assert f"Next: fewact evaluate {folder} --data hmdb51_arn" in capsys.readouterr().out
    assert [file.name for file in folder.iterdir()] == ["best.safetensors"]
