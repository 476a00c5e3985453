"""Specs of backbones and text encoders."""

from pathlib import Path
from typing import Any

import pytest

from fewact.core.errors import OptionError, UnknownNameError
from fewact.networks import BackboneSpec, TextSpec


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": "float23"}, 'precision: there is no such precision .*mean "float32"'),
        ({"engine": "onxx"}, 'engine: there is no such engine .*mean "onnx"'),
        ({"resize": "crop"}, "resize: there is no such resize"),
        ({"device": "gpu"}, 'device: there is no such device .*mean "cuda"'),
        ({"sampler": "windows"}, "sampler: no such sampler"),
        ({"size": 100}, "size: invalid size of frames .*a multiple of 32 up to 1024"),
        ({"size": 2048}, "size: invalid size of frames"),
        ({"size": 64.0}, "size: invalid size of frames"),
        ({"size": "160"}, "size: invalid size of frames"),
        ({"size": -32}, "size: invalid size of frames"),
        ({"wieghts": "random"}, 'no option "wieghts".*mean "weights"'),
        ({"weights": 3}, "BackboneSpec, weights: invalid value"),
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        BackboneSpec(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "resnet51"}, 'unknown backbone .*mean "resnet50"'),
        ({"name": "siglip", "size": 64}, "reads frames of one size only .*which means 224"),
        ({"engine": "onnx", "precision": "bfloat16"}, "onnx runs on a CPU"),
        ({"engine": "onnx", "device": "mps"}, "onnx runs on a CPU"),
        ({"precision": "int8", "device": "cuda"}, "int8 is computed by the engine onnx"),
        ({"engine": "torch", "precision": "int8"}, "int8 is computed by the engine onnx"),
    ],
)
def test_what_cannot_be_created_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((OptionError, UnknownNameError), match=message):
        BackboneSpec(**wrong).check()


def test_what_is_not_set_is_that_of_another_spec() -> None:
    trained = BackboneSpec(
        name="resnet50", weights="w", precision="bfloat16", size=64, options={"last_stride": 1}
    )
    assert BackboneSpec().over(None) == BackboneSpec()
    assert BackboneSpec().over(trained) == trained
    assert BackboneSpec(name="resnet50", weights="default").over(trained) == trained.model_copy(
        update={"weights": "default"}
    )
    assert BackboneSpec(precision="auto", size=0).over(trained) == trained.model_copy(
        update={"precision": "auto", "size": 0}
    )
    other = BackboneSpec(name="clip-vit")
    assert other.over(trained) == other
    of_features = trained.model_copy(update={"weights": ""})
    assert BackboneSpec().over(of_features) == BackboneSpec()


def test_a_text_takes_the_prompts_of_training_and_its_encoder_unless_another_is_set() -> None:
    trained = TextSpec(encoder="minilm", weights="w", prompts=("a {}",))
    assert TextSpec().over(trained) == trained
    assert TextSpec(prompts="b {}").over(trained) == trained.model_copy(update={"prompts": "b {}"})
    assert TextSpec(encoder="clip").over(trained) == TextSpec(encoder="clip", prompts=("a {}",))


def test_a_spec_survives_json() -> None:
    spec = BackboneSpec(name="resnet50", sampler="window:35", options={"last_stride": 1})
    assert BackboneSpec.model_validate_json(spec.model_dump_json()) == spec


def test_other_processes_get_absolute_paths_of_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("default", "random", "mine"):
        (tmp_path / name).mkdir()
    for weights, absolute in {
        **{name: name for name in ("default", "random", "hf-hub:owner/name")},
        **{name: name for name in ("local-dir:missing", "missing")},
        "mine": str(tmp_path / "mine"),
        "local-dir:mine": f"local-dir:{tmp_path / 'mine'}",
    }.items():
        assert BackboneSpec(weights=weights).with_absolute_weights.weights == absolute
