"""Classifiers that are taught from precomputed features."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier, methods, networks
from fewact.classifier import Skipped
from fewact.classifier.calibration import softmax
from fewact.core.errors import DataError, ModelError, ShapeError, VideoError
from fewact.data import Clip, FeatureClip, labelled_features, read_features
from fewact.data.clips import LARGEST_FEATURE
from fewact.features.precomputed import precomputed_card
from fewact.features.request import FeatureRequest, Features, View
from fewact.lab.benchmarks import FeatureDataset
from fewact.methods.base import Nodes
from fewact.methods.protonet import ProtoNet, ProtoNetOptions
from tests.classifier.features import CLASSES, NEW, TRAINING, D, T, features, videos_of
from tests.classifier.models import content_of, edit

BY_VECTORS = [
    name
    for name in methods.names()
    if name not in ("pixels", "fusion_joints") and not methods.REGISTRY.get(name).uses_text
]


def write(folder: Path, clips: list[FeatureClip], *columns: str) -> Path:
    """Write clips as a file of features with these columns."""
    np.savez(folder / "mine.npz", features=np.stack([clip.vectors for clip in clips]))
    cells = {"clip": "name", "class": "label", "group": "group"}
    lines = [columns, *([getattr(clip, cells[c]) for c in columns] for clip in clips)]
    (folder / "mine.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))
    return folder / "mine.npz"


@pytest.fixture
def examples() -> FewShotClassifier:
    return FewShotClassifier(device="cpu").fit(TRAINING)


def test_new_clips_are_recognised(examples: FewShotClassifier) -> None:
    predictions = examples.predict(NEW)
    assert [one.best for one in predictions] == [clip.label for clip in NEW]
    assert [one.name for one in predictions] == [clip.name for clip in NEW]
    assert {one.nearest for one in predictions} <= {clip.name for clip in TRAINING}
    assert tuple(examples.classes_) == CLASSES
    assert {(c.name, c.label, c.group) for c in examples.fitted_.clips} == {
        (c.name, c.label, c.group) for c in TRAINING
    }
    assert examples.fitted_.calibration.held_out == len(TRAINING)
    assert examples.predict(NEW[0]) == predictions[0]
    assert examples.predict_proba(NEW).shape == (len(NEW), len(CLASSES))


@pytest.mark.parametrize("name", BY_VECTORS)
def test_probabilities_follow_the_scores_of_the_method(name: str) -> None:
    card = precomputed_card("", D)
    method = methods.create(name, card, **methods.fitting(name, card, frames=T))
    method.trained = True  # random weights do for this test
    classifier = FewShotClassifier(method=method, device="cpu").fit(TRAINING)
    assert classifier.fitted_.calibration.source == "held-out clips"

    def nodes(clips: list[FeatureClip]) -> Nodes:
        vectors = np.stack([clip.vectors for clip in clips]).astype(np.float32)
        return method.encode({FeatureRequest("vectors", View(T)): vectors[None]})  # (1 v …)

    labels = np.array([[CLASSES.index(clip.label or "") for clip in TRAINING]])
    state = method.support(nodes(TRAINING), labels, len(CLASSES))
    logits = method.score(state, nodes(NEW))[0].astype(np.float64)  # (q n)
    expected = softmax(logits / classifier.fitted_.calibration.temperature)
    np.testing.assert_allclose(classifier.predict_proba(NEW), expected, atol=2e-4)


def test_every_source_gives_the_same_classifier(
    examples: FewShotClassifier, tmp_path: Path
) -> None:
    file = write(tmp_path, TRAINING, "clip", "class", "group")
    expected = examples.predict(NEW)
    bare = [FeatureClip(clip.name, clip.vectors, group=clip.group) for clip in TRAINING]
    labels = [clip.label or "" for clip in TRAINING]
    for source in (file, str(file), TRAINING[::-1]):
        assert FewShotClassifier(device="cpu").fit(source).predict(NEW) == expected
    assert FewShotClassifier(device="cpu").fit(bare, labels).predict(NEW) == expected
    new = write(tmp_path, NEW, "clip")
    assert examples.predict(read_features(new)) == [
        examples.predict(FeatureClip(clip.name, clip.vectors)) for clip in NEW
    ]


def test_classes_can_be_added_one_by_one(examples: FewShotClassifier, tmp_path: Path) -> None:
    def of(label: str) -> list[FeatureClip]:
        return [clip for clip in TRAINING if clip.label == label]

    grown = FewShotClassifier(device="cpu").fit(of("wave") + of("clap"))
    grown.add_class("jump", write(tmp_path, of("jump")[1:], "clip", "group"))
    grown.add_clips("jump", of("jump")[0])
    assert grown.fitted_.clips == examples.fitted_.clips
    assert grown.predict(NEW) == examples.predict(NEW)
    assert grown.fitted_.calibration == examples.fitted_.calibration
    with pytest.raises(DataError):
        grown.add_clips("jump", of("jump")[1])
    grown.remove_class("jump")
    assert tuple(grown.classes_) == ("clap", "wave")
    assert grown.predict(NEW) == FewShotClassifier().fit(of("clap") + of("wave")).predict(NEW)


def test_a_loaded_model_predicts_the_same_to_the_last_bit(
    examples: FewShotClassifier, tmp_path: Path
) -> None:
    folder = examples.save(tmp_path / "model")
    loaded = FewShotClassifier.load(folder, device="cpu")
    assert loaded.predict(NEW) == examples.predict(NEW)
    assert loaded.fitted_.clips == examples.fitted_.clips
    assert loaded.fitted_.calibration == examples.fitted_.calibration
    card = (folder / "README.md").read_text()
    for message in (
        f"{T} vectors of length {D} per clip; videos cannot be predicted",
        "read_features",
        "the group",
        "no thumbnail",
    ):
        assert message in card
    for absent in ("Backbone", "clip.mp4", "licence is"):
        assert absent not in card
    more = features(1, seed=3)[:1]
    assert (
        loaded.add_clips("clap", more).fitted_.clips
        == examples.add_clips("clap", more).fitted_.clips
    )
    assert loaded.predict(NEW) == examples.predict(NEW)
    again = FewShotClassifier.load(loaded.save(tmp_path / "again"), device="cpu")
    assert again.predict(NEW) == examples.predict(NEW)
    assert loaded.fit(TRAINING[3:]).predict(NEW[0]).best == NEW[0].label


def test_videos_and_features_of_other_sizes_are_refused(
    examples: FewShotClassifier, tmp_path: Path
) -> None:
    loaded = FewShotClassifier.load(examples.save(tmp_path / "model"), device="cpu")
    before = loaded.fitted_.clips
    video = tmp_path / "b.mp4"
    video.touch()
    bad: list[tuple[str | Clip | FeatureClip, str]] = [
        (
            "wave.mp4",
            r"wave\.mp4: a classifier of features needs features or poses.*\(clips, 5, 12\)",
        ),
        (Clip(video), r"b\.mp4.*classifier of features"),
        (FeatureClip("f", np.ones((T, D + 1))), "f: .*5 vectors of length 13.*5 vectors of .* 12"),
        (FeatureClip("f", np.ones((T + 1, D))), "f: .*6 vectors of length 12.*5 vectors of .* 12"),
    ]
    for clip, message in bad:
        with pytest.raises(DataError, match=message):
            loaded.predict(clip)
        with pytest.raises(DataError, match=message):
            loaded.predict_each([NEW[0], clip])
    for clip, message in bad[1:]:
        with pytest.raises(DataError, match=message):
            loaded.add_clips("wave", clip)
    assert loaded.fitted_.clips == before


def test_a_classifier_of_videos_refuses_features(
    backbone: networks.Backbone, actions: Path, tmp_path: Path
) -> None:
    videos = FewShotClassifier(backbone, "pixels").fit(actions)
    message = r"s20/clap: features were passed to a classifier of videos"
    with pytest.raises(DataError, match=message):
        videos.predict(NEW)
    with pytest.raises(DataError, match=message):
        videos.add_class("clap", NEW[:1])
    assert tuple(videos.classes_) == ("down", "left", "right")
    with pytest.raises(DataError):
        FewShotClassifier(backbone, "pixels").fit([*videos_of(actions), *TRAINING])
    with pytest.raises(DataError):
        FewShotClassifier().fit([*TRAINING, *videos_of(actions)])


def test_clips_that_are_not_finite_are_skipped(examples: FewShotClassifier) -> None:
    vectors = TRAINING[0].vectors.copy()
    vectors[0, 0] = np.nan
    broken = FeatureClip("s9/clap", vectors, "clap")
    found = list(examples.predict_each([NEW[0], broken, NEW[1]]))
    assert [type(one).__name__ for one in found] == ["Prediction", "Skipped", "Prediction"]
    assert [one.name for one in found] == [NEW[0].name, "s9/clap", NEW[1].name]
    assert isinstance(found[1], Skipped)
    assert "not finite" in found[1].reason
    with pytest.raises(VideoError):
        examples.predict(broken)
    with pytest.warns(UserWarning, match="skipped: s9/clap.*not finite"):
        again = FewShotClassifier(device="cpu").fit([broken, *TRAINING])
    assert [one.name for one in again.fitted_.skipped] == ["s9/clap"]
    assert again.fitted_.clips == examples.fitted_.clips
    assert again.predict(NEW) == examples.predict(NEW)
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(DataError),
    ):
        FewShotClassifier().fit([FeatureClip("s9/clap", vectors, "lie"), *TRAINING])


def test_features_with_a_large_common_offset_keep_their_differences(tmp_path: Path) -> None:
    """In float16 all of these clips would be equal."""

    def shifted(clips: list[FeatureClip]) -> list[FeatureClip]:
        return [replace(clip, vectors=np.float32(1000 + 0.01 * clip.vectors)) for clip in clips]

    classifier = FewShotClassifier(method="simpleshot", device="cpu").fit(shifted(TRAINING))
    new = shifted(NEW)
    predictions = classifier.predict(new)
    assert [one.best for one in predictions] == [clip.label for clip in new]
    assert classifier.fitted_.calibration.accuracy == 100
    loaded = FewShotClassifier.load(classifier.save(tmp_path / "model"), device="cpu")
    assert loaded.predict(new) == predictions


@pytest.mark.parametrize("name", ["protonet", "simpleshot", "otam"])
def test_features_that_are_too_large_are_refused(name: str) -> None:
    huge = [replace(clip, vectors=1e20 * clip.vectors) for clip in TRAINING]
    with (
        pytest.warns(UserWarning, match=r"skipped: .*too large; expected: .*1e\+15"),
        pytest.raises(DataError),
    ):
        FewShotClassifier(method=name, device="cpu").fit(huge)
    classifier = FewShotClassifier(method=name, device="cpu").fit(TRAINING)
    found = list(classifier.predict_each([NEW[0], huge[0], NEW[1]]))
    assert [type(one).__name__ for one in found] == ["Prediction", "Skipped", "Prediction"]
    with pytest.raises(VideoError):
        classifier.predict(huge[0])


@pytest.mark.parametrize("name", [name for name in BY_VECTORS if methods.create(name).trained])
def test_features_at_the_limit_are_predicted(name: str) -> None:
    def scaled(clips: list[FeatureClip]) -> list[FeatureClip]:
        largest = max(np.abs(clip.vectors).max() for clip in [*TRAINING, *NEW])
        return [replace(c, vectors=LARGEST_FEATURE / largest * c.vectors) for c in clips]

    classifier = FewShotClassifier(method=name, device="cpu").fit(scaled(TRAINING))
    predictions = classifier.predict(scaled(NEW))
    assert [one.best for one in predictions] == [clip.label for clip in NEW]


class NotFinite(ProtoNet):
    """Encodes clips whose first number is 7 to infinity, and scores those with an 8 as NaN."""

    def encode(self, features: Features) -> Nodes:
        (vectors,) = features.values()
        ((name, value),) = super().encode(features).items()
        marked = vectors[..., 0, 0]
        return {
            name: np.where(marked[..., None, None] == 7, np.inf, value),
            "mark": marked[..., None],
        }

    def score(self, state: Any, nodes: Nodes) -> Any:
        return np.where(nodes["mark"] == 8, np.nan, super().score(state, nodes))


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (7, r"bad: the clip is encoded to numbers that are not finite.*expected: finite numbers"),
        (8, r"bad: the scores of the clip are not finite numbers \(got nan\); expected: finite"),
    ],
)
@pytest.mark.parametrize("shots", [1, 3])
def test_a_method_whose_numbers_are_not_finite_is_refused(
    mark: int, message: str, shots: int
) -> None:
    vectors = NEW[0].vectors.astype(np.float32)
    vectors[0, 0] = mark
    bad, training = FeatureClip("bad", vectors, "clap"), TRAINING[: shots * len(CLASSES)]
    classifier = FewShotClassifier(method=NotFinite(ProtoNetOptions(frames=T)), device="cpu")
    with pytest.raises(DataError, match=message):
        classifier.fit([bad, *[clip for clip in training if shots > 1 or clip.label != bad.label]])
    with pytest.raises(DataError, match=message):
        classifier.fit(training).predict([NEW[1], bad])


def test_invalid_lists_are_refused(examples: FewShotClassifier) -> None:
    bare = FeatureClip("a", TRAINING[0].vectors)
    for clips, message in (
        ([*TRAINING, replace(TRAINING[0])], "s10/clap: the clip appears twice"),
        ([bare, *TRAINING], "a: a training clip needs a label"),
        ([*TRAINING, FeatureClip("a", np.ones((T, D + 1)), "clap")], "a: .*length 13"),
        ([], "fewer than two classes"),
    ):
        with pytest.raises(DataError, match=message):
            FewShotClassifier().fit(clips)
    with pytest.raises(ShapeError):
        FeatureClip("a", np.ones((T, D), dtype=np.uint8))
    assert examples.predict([]) == []


def test_other_backbones_weights_and_thumbnails_are_refused(
    examples: FewShotClassifier, tmp_path: Path
) -> None:
    folder = examples.save(tmp_path / "model")
    with pytest.raises(ModelError):
        FewShotClassifier.load(folder, weights="random")
    with pytest.raises(ModelError):
        examples.save(folder, thumbnails=True)
    with pytest.raises(ModelError):
        FewShotClassifier.load(folder, backbone=networks.create(weights="random"))


def test_a_config_without_the_size_of_features_is_refused(
    examples: FewShotClassifier, tmp_path: Path
) -> None:
    folder = examples.save(tmp_path / "model")
    edit(folder, lambda content: content["backbone"]["card"].update(frames="5"))
    with pytest.raises(ModelError):
        FewShotClassifier.load(folder)


@pytest.mark.slow
@pytest.mark.assets
def test_real_features_of_unknown_people(assets: Path, tmp_path: Path) -> None:
    """27 actions, taught from five people and predicted for three others."""
    clips = labelled_features(assets / "features" / "mobilenet_v2_t8.npz", dataset="utd27_depth")
    first = {"s1", "s2", "s3", "s4", "s5"}
    examples = [clip for clip in clips if clip.group in first]
    new = [clip for clip in clips if clip.group not in first]
    classifier = FewShotClassifier(device="cpu", false_alarms=1).fit(examples)
    predictions = classifier.predict(new)
    right = np.mean([one.label == clip.label for one, clip in zip(predictions, new, strict=True)])
    assert right > 0.5  # chance is 1 / 27
    loaded = FewShotClassifier.load(classifier.save(tmp_path / "model"), device="cpu")
    assert loaded.predict(new[::20]) == predictions[::20]


@pytest.mark.assets
@pytest.mark.parametrize("name", ["fusion", "protonet"])
def test_accuracy_equals_that_of_an_evaluation(assets: Path, name: str) -> None:
    from fewact.lab import methods as lab_methods
    from fewact.lab.evaluation import ArrayFeatures, RunOptions, evaluate_method
    from fewact.lab.evaluation.episodes import Protocol, draw

    file = assets / "features" / "mobilenet_v2_t8.npz"
    data = FeatureDataset(file, dataset="utd27_depth")
    episodes = draw(data.videos, Protocol(shots=2, queries=3, count=3, groups="shared"))
    source = ArrayFeatures(data.features)
    result = evaluate_method(
        lab_methods.create(name, source.card, frames=8),
        source,
        data.videos,
        episodes,
        run=RunOptions(threads=1),
    )
    clips = labelled_features(file, dataset="utd27_depth")
    for i, accuracy in enumerate(result.per_episode):
        classifier = FewShotClassifier(method=name, device="cpu")
        classifier.fit([clips[place] for place in episodes.support[i]])
        new = [clips[place] for place in episodes.query[i]]
        message = [one.best for one in classifier.predict(new)]
        right = [label == clip.label for label, clip in zip(message, new, strict=True)]
        assert 100 * np.mean(right) == pytest.approx(accuracy)
    assert result.accuracy > 20  # chance


def test_a_model_has_the_vectors_as_they_were_given(tmp_path: Path) -> None:
    folder = FewShotClassifier(method="fusion").fit(TRAINING).save(tmp_path / "model")
    stored = content_of(folder / "model.safetensors")[1]["nodes.vectors"]
    given = {clip.vectors.astype(np.float32).tobytes() for clip in TRAINING}
    assert {row.tobytes() for row in stored} == given


def test_units_of_the_channels_do_not_decide() -> None:
    """Metres or millimetres: fusion predicts hardly differently."""
    units = 10.0 ** np.linspace(-3, 3, D)
    training, new = (
        [replace(clip, vectors=clip.vectors * units) for clip in clips]
        for clips in (features(3, seed=1, noise=0.8), features(20, seed=2, noise=0.8))
    )
    classifier = FewShotClassifier(method="fusion", false_alarms=1).fit(training)
    assert classifier.score(new) > 0.9
