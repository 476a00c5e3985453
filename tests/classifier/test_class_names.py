"""Class names are used if they improve held-out predictions, or on request."""

import hashlib
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fewact import FewShotClassifier, methods, networks
from fewact.classifier import class_names
from fewact.classifier.calibration import (
    MIN_GAIN,
    MIN_HELD_OUT,
    TEXT_WEIGHTS,
    expected_temperature,
    hold_out,
    softmax,
)
from fewact.classifier.class_names import ClassNames
from fewact.classifier.file import read_header
from fewact.classifier.pipeline import IMAGE_EMBEDDING
from fewact.core.errors import ModelError, OptionError, WeightsError
from fewact.data import Clip, list_clips
from fewact.features.request import FeatureRequest, View
from fewact.methods.common.temporal import normalised
from fewact.networks import Backbone
from fewact.networks.card import TextFacts
from fewact.video import Segments
from fewact.video.resizing import channels_last, planes
from fewact.video.source import Clean, ProcessedVideo
from tests.classifier.models import edit
from tests.lab.networks import tiny

METHOD = methods.create("protonet")
FACTS = TextFacts(encoder="made up", sha256="0" * 64, templates=("a photo of {}",))


def taught_clips(
    noise: float, *, classes: int = 4, each: int = 5, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Nodes (s …) around one centre per class, their labels (s), and the centres (n d)."""
    # Drawn by PyTorch: whether names help is near the limit for some other draws.
    generator = torch.Generator().manual_seed(seed)
    drawn = (
        torch.randn(*shape, generator=generator).numpy()
        for shape in ((classes, 32), (classes * each, 32), (classes * each, 8, 32))
    )
    centres, of_clips, of_frames = drawn
    labels = np.repeat(np.arange(classes), each)
    frames = (centres[labels] + noise * of_clips)[:, None] + 0.1 * of_frames
    nodes = dict(METHOD.encode({FeatureRequest("vectors", View(8)): frames}))
    return {**nodes, IMAGE_EMBEDDING: frames.mean(1)}, labels, centres


def names_of(text: np.ndarray, mode: Any = "auto") -> ClassNames:
    return ClassNames(tuple(f"class {i}" for i in range(len(text))), text, FACTS, mode)


def texts(kind: str, centres: np.ndarray, seed: int = 0) -> np.ndarray:
    """Embeddings like those of texts: similar to each other, slightly similar to their class."""
    generator = torch.Generator().manual_seed(100 + seed)
    noise = torch.randn(centres.shape, generator=generator).numpy()
    own = {"informative": centres, "misleading": np.roll(centres, 1, 0), "random": noise}[kind]
    return noise.mean(0) + 0.3 * own


@pytest.mark.parametrize("seed", range(5))
def test_only_informative_names_are_used(seed: int) -> None:
    nodes, labels, centres = taught_clips(2.5, seed=seed)
    without = hold_out(METHOD, nodes, labels, 4, [None] * 20)[0]
    found = {
        kind: hold_out(METHOD, nodes, labels, 4, [None] * 20, names_of(texts(kind, centres, seed)))[
            0
        ]
        for kind in ("informative", "misleading", "random")
    }
    assert found["informative"].text_weight > 0
    assert found["informative"].accuracy is not None
    assert without.accuracy is not None
    assert found["informative"].accuracy > without.accuracy + 5
    assert found["misleading"] == found["random"] == without


def test_names_are_not_used_if_they_are_alike_or_if_all_clips_are_correct() -> None:
    nodes, labels, centres = taught_clips(2.5)
    alike = np.tile(centres.mean(0), (4, 1))
    without = hold_out(METHOD, nodes, labels, 4, [None] * 20)[0]
    assert hold_out(METHOD, nodes, labels, 4, [None] * 20, names_of(alike))[0] == without
    nodes, labels, centres = taught_clips(0.05)
    found = hold_out(
        METHOD, nodes, labels, 4, [None] * 20, names_of(texts("informative", centres))
    )[0]
    assert (found.text_weight, found.accuracy) == (0.0, 100.0)


def slow_likelihoods(
    nodes: dict[str, np.ndarray], labels: np.ndarray, text: np.ndarray, temperature: float
) -> tuple[dict[float, float], float]:
    """Log-likelihood of each text weight, and the best one without names, clip by clip."""
    mean = nodes[IMAGE_EMBEDDING].astype(np.float64)
    unit = [row / np.linalg.norm(row) for row in text.astype(np.float64)]
    each = int((labels == 0).sum())
    with_names: dict[float, float] = dict.fromkeys(TEXT_WEIGHTS, 0.0)
    alone: dict[float, float] = dict.fromkeys((0.0, *TEXT_WEIGHTS), 0.0)
    for i, own in enumerate(labels.tolist()):
        out = [c * each + i % each for c in range(len(text))]  # one of each class is left out
        kept = [j for j in range(len(labels)) if j not in out]
        support = {name: value[kept][None] for name, value in nodes.items()}
        state = METHOD.support(support, labels[kept][None], len(text))
        query = {name: value[i][None, None] for name, value in nodes.items()}
        visual = METHOD.score(state, query)[0, 0].astype(np.float64) / temperature
        seen = 100 * np.array([row @ mean[i] for row in unit]) / np.linalg.norm(mean[i])
        for share in alone:
            kept_logits = (1 - share) * visual
            alone[share] += kept_logits[own] - np.logaddexp.reduce(kept_logits)
            if share:
                p_visual = visual - np.logaddexp.reduce(visual)
                p_named = seen - np.logaddexp.reduce(seen)
                both = share * p_named + (1 - share) * p_visual
                with_names[share] += both[own] - np.logaddexp.reduce(both)
    return with_names, max(alone.values())


@pytest.mark.parametrize("noise", [0.5, 1.5, 2.5, 4.0])
def test_the_text_weight_matches_a_slow_search(noise: float) -> None:
    nodes, labels, centres = taught_clips(noise)
    text = texts("informative", centres)
    got = hold_out(METHOD, nodes, labels, 4, [None] * 20, names_of(text))[0]
    four, five = (expected_temperature(METHOD.temperature, shots) for shots in (4, 5))
    likelihood, alone = slow_likelihoods(nodes, labels, text, got.temperature * four / five)
    best = max(TEXT_WEIGHTS, key=lambda share: likelihood[share])
    assert got.text_weight == (best if likelihood[best] > alone + MIN_GAIN else 0.0)
    needed = hold_out(METHOD, nodes, labels, 4, [None] * 20, names_of(text, "on"))[0]
    assert needed.text_weight == best
    assert got.temperature == needed.temperature


@pytest.mark.parametrize("each", [1, 2])
def test_too_few_clips_do_not_decide(each: int) -> None:
    nodes, labels, centres = taught_clips(2.0, classes=2, each=each)
    assert 2 * each < MIN_HELD_OUT
    text = texts("informative", centres)
    auto = hold_out(METHOD, nodes, labels, 2, [None] * len(labels), names_of(text))[0]
    assert auto == hold_out(METHOD, nodes, labels, 2, [None] * len(labels))[0]
    needed = hold_out(METHOD, nodes, labels, 2, [None] * len(labels), names_of(text, "on"))[0]
    assert needed.text_weight == 0.9
    assert needed.source == ("method" if each == 1 else "held-out clips")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A tiny CLIP with random weights and its tokenizer."""
    pytest.importorskip("transformers", reason="the extra hf is not installed")
    folder = tmp_path_factory.mktemp("clip")
    tiny.save("clip-vit", folder)
    return networks.create("clip-vit", weights=f"local-dir:{folder}", device="cpu", engine="torch")


class FixedText:
    """A text encoder with fixed embeddings."""

    name = "fixed"

    def __init__(self, rows: dict[str, Tensor]) -> None:
        self.rows = rows
        self.digest = hashlib.sha256(repr(rows).encode()).hexdigest()
        self.width = len(next(iter(rows.values())))

    def encode(self, prompts: Sequence[str]) -> Tensor:
        return torch.stack([self.rows[prompt.removeprefix("a photo of ")] for prompt in prompts])


@pytest.fixture
def tell(clip: Backbone, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Tensor]], None]:
    """Replace the text encoder of the backbone by one with fixed embeddings."""
    return lambda rows: monkeypatch.setitem(clip.__dict__, "text", FixedText(rows))


def informative_rows(clip: Backbone, actions: Path) -> dict[str, Tensor]:
    """A direction for each class that is similar to its clips and to no others."""
    examples = FewShotClassifier(clip, "protonet", text="on").fit(actions).fitted_.examples
    seen = examples.nodes[IMAGE_EMBEDDING].astype(np.float64)  # (s d)
    hot = np.eye(3)[examples.labels]  # (s n)
    rows = np.linalg.pinv(seen) @ (hot - 1 / 3)  # (d n)
    return dict(zip(examples.classes, torch.from_numpy(rows.T).float(), strict=True))


def test_helpful_names_are_used_and_misleading_names_change_nothing(
    clip: Backbone,
    actions: Path,
    queries: dict[str, Path],
    tell: Callable[[dict[str, Tensor]], None],
) -> None:
    right = informative_rows(clip, actions)
    without = FewShotClassifier(clip, "protonet", text="off").fit(actions)
    tell(right)
    helped = FewShotClassifier(clip, "protonet").fit(actions)
    assert helped.fitted_.calibration.text_weight > 0
    assert helped.fitted_.calibration.accuracy > without.fitted_.calibration.accuracy  # type: ignore[operator]
    labels = list(right)
    tell(dict(zip(labels, [right[label] for label in (*labels[1:], labels[0])], strict=True)))
    misled = FewShotClassifier(clip, "protonet").fit(actions)
    assert misled.fitted_.calibration == without.fitted_.calibration
    assert misled.predict(queries.values()) == without.predict(queries.values())


@pytest.mark.parametrize("mode", ["on", "auto"])
def test_probabilities_are_the_weighted_product(
    clip: Backbone, actions: Path, queries: dict[str, Path], mode: Any
) -> None:
    classifier = FewShotClassifier(clip, "protonet", text=mode).fit(actions)
    share = classifier.fitted_.calibration.text_weight
    assert share > 0 or mode == "auto"
    plain = FewShotClassifier(clip, "protonet", text="off").fit(actions)
    encoder = clip.text
    for path in queries.values():
        features = clip.features(frames_of(path, clip), ("vectors",))["vectors"].mean(0)
        text = np.concatenate([encoder.encode([f"a photo of {name}"]) for name in plain.classes_])
        p_named = softmax(100 * (normalised(text) @ normalised(features)))
        p_visual = np.array(list(plain.predict(path).probabilities.values()))
        both = p_named**share * p_visual ** (1 - share)
        got = list(classifier.predict(path).probabilities.values())
        np.testing.assert_allclose(got, both / both.sum(), rtol=1e-3, atol=1e-5)


def frames_of(path: Path, backbone: Backbone) -> np.ndarray:
    """Frames as ``predict`` reads them."""

    def prepare(frame: np.ndarray) -> np.ndarray:
        return channels_last(backbone.prepare(frame))

    (frames,) = ProcessedVideo(Clip(path)).then(Clean()).read([Segments(8)], transform=prepare)
    return planes(frames)


def test_a_loaded_model_with_names_predicts_the_same_to_the_last_bit(
    clip: Backbone,
    actions: Path,
    queries: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    classifier = FewShotClassifier(clip, "protonet", text="on").fit(actions)
    folder = classifier.save(tmp_path / "model")
    assert "class names have weight" in (folder / "README.md").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(class_names, "embed_class_names", None)
        loaded = FewShotClassifier.load(folder, engine="torch")
        assert loaded.text == "on"
        assert loaded.predict(queries.values()) == classifier.predict(queries.values())
        again = loaded.save(tmp_path / "again")
        loaded.remove_class("down")
    assert read_header(again).is_of_same_model(read_header(folder))
    scratch = FewShotClassifier(clip, "protonet", text="on")
    scratch.fit([one for one in list_clips(actions) if one.label != "down"])
    assert loaded.predict(queries.values()) == scratch.predict(queries.values())
    loaded.add_class("down", actions / "down")
    assert loaded.predict(queries.values()) == classifier.predict(queries.values())


def test_a_model_without_names_stays_without_names(
    clip: Backbone, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    classifier = FewShotClassifier(clip, "protonet", text="off").fit(actions)
    assert read_header(classifier.save(tmp_path / "m")).class_names is None
    loaded = FewShotClassifier.load(tmp_path / "m", engine="torch")
    assert loaded.text == "off"
    loaded.remove_class("down").add_class("down", actions / "down")
    assert loaded.predict(queries.values()) == classifier.predict(queries.values())


def test_a_backbone_without_text_ignores_names(
    backbone: Backbone, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    saved = []
    for mode in ("auto", "off"):
        classifier = FewShotClassifier(backbone, "pixels", text=mode).fit(actions)  # type: ignore[arg-type]
        saved.append(read_header(classifier.save(tmp_path / mode)))
        assert IMAGE_EMBEDDING not in classifier.fitted_.examples.nodes
    assert saved[0].is_of_same_model(saved[1])
    with pytest.raises(OptionError):
        FewShotClassifier(backbone, "pixels", text="on").fit(actions)
    with pytest.raises(OptionError):
        FewShotClassifier(backbone, "pixels", text="yes").fit(actions)  # type: ignore[arg-type]


def test_a_text_encoder_that_cannot_be_read_is_an_error_on_request(
    clip: Backbone, actions: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(clip.card.weights.removeprefix("local-dir:"), tmp_path / "clip")
    (folder / "vocab.json").unlink()
    weights = f"local-dir:{folder}"

    def teach(mode: Any) -> FewShotClassifier:
        made = FewShotClassifier("clip-vit", "protonet", weights=weights, text=mode)
        return made.fit(actions)

    with pytest.warns(UserWarning, match="class names are not used: .*no tokenizer"):
        assert teach("auto").fitted_.class_names is None
    with pytest.raises(WeightsError):
        teach("on")
    assert teach("off").fitted_.class_names is None


def test_a_name_that_is_too_long_for_the_text_encoder_is_an_error_on_request(
    clip: Backbone, actions: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(actions, tmp_path / "actions")
    first = min(path for path in folder.iterdir() if path.is_dir())
    first.rename(folder / ("x" * 50))
    with pytest.warns(UserWarning, match="class names are not used: .*too long"):
        made = FewShotClassifier(clip, "protonet").fit(folder)
    assert made.fitted_.class_names is None
    assert IMAGE_EMBEDDING not in made.fitted_.examples.nodes
    with pytest.raises(OptionError):
        FewShotClassifier(clip, "protonet", text="on").fit(folder)


def test_inconsistent_class_names_are_refused(
    clip: Backbone, actions: Path, tmp_path: Path
) -> None:
    folder = FewShotClassifier(clip, "protonet", text="on").fit(actions).save(tmp_path / "model")
    names = read_header(folder).class_names
    assert names is not None
    for change, said in (
        (None, "a weight of class names without class names"),
        (names.model_dump(mode="json") | {"mode": "off"}, "class_names.mode"),
    ):
        edit(folder, lambda content, change=change: content.update(class_names=change))
        with pytest.raises(ModelError, match=said):
            FewShotClassifier.load(folder)


def test_a_new_class_needs_the_same_text_encoder(
    clip: Backbone, actions: Path, queries: dict[str, Path], tell: Callable[..., None]
) -> None:
    classifier = FewShotClassifier(clip, "protonet", text="on")
    classifier.fit([one for one in list_clips(actions) if one.label != "down"])
    before = classifier.predict(queries.values())
    tell({"down": torch.ones(24)})
    with pytest.raises(ModelError):
        classifier.add_class("down", actions / "down")
    assert classifier.predict(queries.values()) == before


def test_the_embedding_of_a_name_does_not_depend_on_other_names(clip: Backbone) -> None:
    both = class_names.embed_class_names(clip.text, ("wave", "ApplyLipstick"), "on")
    alone = class_names.embed_class_names(clip.text, ("ApplyLipstick",), "on")
    assert np.array_equal(both.text[1:], alone.text)
    assert np.array_equal(alone.text, clip.text.encode(["a photo of Apply Lipstick"]))
    assert math.isclose(float(both.logits(both.text).diagonal().min()), 100, rel_tol=1e-4)
