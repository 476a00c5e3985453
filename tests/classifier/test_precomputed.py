"""Classifiers that learn from features that were made elsewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fewact import FewShotClassifier, backbones, methods
from fewact.classifier import Skipped
from fewact.data import Clip, FeatureClip, FeatureDataset, read_features
from fewact.episodes import Protocol, draw
from fewact.errors import DataError, ModelError, OptionError, ShapeError, VideoError
from fewact.evaluation import ArrayFeatures, evaluate
from fewact.features.request import FeatureRequest, View
from tests.classifier.test_model_folder import edit

T, D = 5, 12
CLASSES = ("clap", "jump", "wave")
BY_VECTORS = [
    name
    for name in methods.names()
    if name != "pixels" and not methods.REGISTRY.get(name).uses_text
]


def features(per_class: int, seed: int, noise: float = 0.4) -> list[FeatureClip]:
    """Clips that lie about a course of their class, each of a person of its own."""
    courses = np.random.default_rng(0).standard_normal((len(CLASSES), T, D))
    rng = np.random.default_rng([1, seed])
    return [
        FeatureClip(
            f"s{seed}{i}/{label}",
            course + noise * rng.standard_normal((T, D)),
            label,
            f"s{seed}{i}",
        )
        for i in range(per_class)
        for label, course in zip(CLASSES, courses, strict=True)
    ]


TAUGHT, NEW = features(3, seed=1), features(2, seed=2)


def write(folder: Path, clips: list[FeatureClip], *columns: str) -> Path:
    """The clips as a file; with no column of classes, as one whose classes are not known."""
    np.savez(folder / "mine.npz", features=np.stack([clip.vectors for clip in clips]))
    cells = {"clip": "name", "class": "label", "group": "group"}
    lines = [columns, *([getattr(clip, cells[c]) for c in columns] for clip in clips)]
    (folder / "mine.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))
    return folder / "mine.npz"


@pytest.fixture
def examples() -> FewShotClassifier:
    return FewShotClassifier(device="cpu").fit(TAUGHT)


def test_recognises_what_it_was_taught(examples: FewShotClassifier) -> None:
    predictions = examples.predict(NEW)
    assert [one.label for one in predictions] == [clip.label for clip in NEW]
    assert [one.name for one in predictions] == [clip.name for clip in NEW]
    assert {one.nearest for one in predictions} <= {clip.name for clip in TAUGHT}
    assert examples.classes_ == CLASSES
    assert {(c.name, c.label, c.group) for c in examples.clips_} == {
        (c.name, c.label, c.group) for c in TAUGHT
    }
    assert examples.calibration_.held_out == len(TAUGHT)
    assert examples.predict(NEW[0]) == predictions[0]
    assert examples.predict_proba(NEW).shape == (len(NEW), len(CLASSES))


@pytest.mark.parametrize("name", BY_VECTORS)
def test_scores_are_the_method_s_own(name: str) -> None:
    classifier = FewShotClassifier(method=name, device="cpu").fit(TAUGHT)
    assert classifier.calibration_.source == "held-out clips"
    method = methods.create(name, frames=T).eval()

    def nodes(clips: list[FeatureClip]) -> dict[str, torch.Tensor]:
        vectors = torch.from_numpy(np.stack([clip.vectors for clip in clips])).float()
        return dict(method.encode({FeatureRequest("vectors", View(T)): vectors[None]}))  # (1 v …)

    with torch.inference_mode():
        labels = torch.tensor([[CLASSES.index(clip.label or "") for clip in TAUGHT]])
        state = method.support(nodes(TAUGHT), labels, len(CLASSES))
        logits = method.score(state, nodes(NEW))[0].double()  # (q n)
    expected = (logits / classifier.calibration_.temperature).softmax(-1)
    np.testing.assert_allclose(classifier.predict_proba(NEW), expected, atol=2e-4)


def test_every_source_teaches_the_same(examples: FewShotClassifier, tmp_path: Path) -> None:
    file = write(tmp_path, TAUGHT, "clip", "class", "group")
    expected = examples.predict(NEW)
    bare = [FeatureClip(clip.name, clip.vectors, group=clip.group) for clip in TAUGHT]
    labels = [clip.label or "" for clip in TAUGHT]
    for source in (file, str(file), FeatureDataset(file), TAUGHT[::-1]):
        assert FewShotClassifier(device="cpu").fit(source).predict(NEW) == expected
    assert FewShotClassifier(device="cpu").fit(bare, labels).predict(NEW) == expected
    new = write(tmp_path, NEW, "clip")
    assert examples.predict(read_features(new)) == [
        examples.predict(FeatureClip(clip.name, clip.vectors)) for clip in NEW
    ]


def test_one_class_after_the_other(examples: FewShotClassifier, tmp_path: Path) -> None:
    def of(label: str) -> list[FeatureClip]:
        return [clip for clip in TAUGHT if clip.label == label]

    grown = FewShotClassifier(device="cpu").fit(of("wave") + of("clap"))
    grown.add_class("jump", write(tmp_path, of("jump")[1:], "clip", "group"))
    grown.add_clips("jump", of("jump")[0])
    assert grown.clips_ == examples.clips_
    assert grown.predict(NEW) == examples.predict(NEW)
    assert grown.calibration_ == examples.calibration_
    with pytest.raises(DataError, match=r"taught already.*s11/jump"):
        grown.add_clips("jump", of("jump")[1])
    grown.remove_class("jump")
    assert grown.classes_ == ("clap", "wave")
    assert grown.predict(NEW) == FewShotClassifier().fit(of("clap") + of("wave")).predict(NEW)


def test_saved_and_loaded_to_the_last_bit(examples: FewShotClassifier, tmp_path: Path) -> None:
    folder = examples.save(tmp_path / "model")
    loaded = FewShotClassifier.load(folder, device="cpu")
    assert loaded.predict(NEW) == examples.predict(NEW)
    assert loaded.clips_ == examples.clips_
    assert loaded.calibration_ == examples.calibration_
    card = (folder / "README.md").read_text()
    for said in (
        f"{T} vectors of length {D} a clip; it takes no videos",
        "read_features",
        "its group",
        "no thumbnails",
    ):
        assert said in card
    for unsaid in ("Backbone", "clip.mp4", "licence is"):
        assert unsaid not in card
    more = features(1, seed=3)[:1]
    assert loaded.add_clips("clap", more).clips_ == examples.add_clips("clap", more).clips_
    assert loaded.predict(NEW) == examples.predict(NEW)
    again = FewShotClassifier.load(loaded.save(tmp_path / "again"), device="cpu")
    assert again.predict(NEW) == examples.predict(NEW)
    assert loaded.fit(TAUGHT[3:]).predict(NEW[0]).label == NEW[0].label


def test_refuses_videos_and_other_sizes(examples: FewShotClassifier, tmp_path: Path) -> None:
    loaded = FewShotClassifier.load(examples.save(tmp_path / "model"), device="cpu")
    before = loaded.clips_
    bad: list[tuple[str | Clip | FeatureClip, str]] = [
        ("wave.mp4", r"wave\.mp4: a file is given to a classifier of features.*\(clips, 5, 12\)"),
        (Clip(Path("a/b.mp4")), r"a/b\.mp4.*classifier of features"),
        (FeatureClip("f", np.ones((T, D + 1))), "f: .*5 vectors of length 13.*5 vectors of .* 12"),
        (FeatureClip("f", np.ones((T + 1, D))), "f: .*6 vectors of length 12.*5 vectors of .* 12"),
    ]
    for clip, said in bad:
        with pytest.raises(DataError, match=said):
            loaded.predict(clip)
        with pytest.raises(DataError, match=said):
            loaded.predict_each([NEW[0], clip])
    for clip, said in bad[1:]:
        with pytest.raises(DataError, match=said):
            loaded.add_clips("wave", clip)
    assert loaded.clips_ == before


def test_a_classifier_of_videos_refuses_features(
    backbone: backbones.Backbone, actions: Path, tmp_path: Path
) -> None:
    videos = FewShotClassifier(backbone, "pixels").fit(actions)
    said = r"s20/clap: features are given to a classifier of videos"
    with pytest.raises(DataError, match=said):
        videos.predict(NEW)
    with pytest.raises(DataError, match=said):
        videos.add_class("clap", NEW[:1])
    assert videos.classes_ == ("down", "left", "right")
    with pytest.raises(DataError, match="features are given to a classifier of videos"):
        FewShotClassifier(backbone, "pixels").fit([*videos_of(actions), *TAUGHT])
    with pytest.raises(DataError, match="classifier of features"):
        FewShotClassifier().fit([*TAUGHT, *videos_of(actions)])


def videos_of(actions: Path) -> list[Clip]:
    return [Clip(path, path.parent.name) for path in sorted(actions.rglob("*.mp4"))]


def test_one_classifier_learns_from_either(actions: Path) -> None:
    classifier = FewShotClassifier(method="protonet", device="cpu").fit(TAUGHT)
    with pytest.raises(DataError, match="fewer than two classes"):
        classifier.fit(TAUGHT[:1])
    with pytest.raises(DataError, match="classifier of features"):
        classifier.fit([*TAUGHT, *videos_of(actions)])
    expected = classifier.predict(NEW)
    classifier.fit([clip for clip in videos_of(actions) if clip.path.stem == "clip 0"])
    assert classifier.classes_ == ("down", "left", "right")
    with pytest.raises(DataError, match="classifier of videos"):
        classifier.predict(NEW)
    assert classifier.fit(TAUGHT).predict(NEW) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "pixels"}, r"pixels:5.*vectors:5"),
        ({"method": methods.create("fusion")}, r"vectors:8.*option frames=5"),
        ({"method": methods.create("a2m2", frames=T, tap="middle")}, r"middle:5"),
        ({"method": "clip_fsar"}, "class names"),
        ({"backbone": "resnet50"}, "need no backbone.*resnet50"),
        ({"precision": "bfloat16"}, "need no backbone.*bfloat16"),
    ],
)
def test_what_features_cannot_be_taught_with(given: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        FewShotClassifier(**given).fit(TAUGHT)  # type: ignore[arg-type]


def test_clips_that_are_not_finite_are_skipped(examples: FewShotClassifier) -> None:
    vectors = TAUGHT[0].vectors.copy()
    vectors[0, 0] = np.nan
    broken = FeatureClip("s9/clap", vectors, "clap")
    found = list(examples.predict_each([NEW[0], broken, NEW[1]]))
    assert [type(one).__name__ for one in found] == ["Prediction", "Skipped", "Prediction"]
    assert [one.name for one in found] == [NEW[0].name, "s9/clap", NEW[1].name]
    assert isinstance(found[1], Skipped)
    assert "not finite" in found[1].reason
    with pytest.raises(VideoError, match="s9/clap"):
        examples.predict(broken)
    with pytest.warns(UserWarning, match="skipped: s9/clap.*not finite"):
        again = FewShotClassifier(device="cpu").fit([broken, *TAUGHT])
    assert [one.name for one in again.skipped_] == ["s9/clap"]
    assert again.clips_ == examples.clips_
    assert again.predict(NEW) == examples.predict(NEW)
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(DataError, match=r'no clip of the class "lie" can be read.*s9/clap'),
    ):
        FewShotClassifier().fit([FeatureClip("s9/clap", vectors, "lie"), *TAUGHT])


def test_lists_that_cannot_be_taught(examples: FewShotClassifier) -> None:
    bare = FeatureClip("a", TAUGHT[0].vectors)
    for clips, said in (
        ([*TAUGHT, replace(TAUGHT[0])], "s10/clap: the same clip is given twice"),
        ([bare, *TAUGHT], "a: a clip without a label"),
        ([*TAUGHT, FeatureClip("a", np.ones((T, D + 1)), "clap")], "a: .*length 13"),
        ([], "fewer than two classes"),
    ):
        with pytest.raises(DataError, match=said):
            FewShotClassifier().fit(clips)
    with pytest.raises(ShapeError, match="not floating"):
        FeatureClip("a", np.ones((T, D), dtype=np.uint8))
    assert examples.predict([]) == []


def test_models_that_do_not_fit(examples: FewShotClassifier, tmp_path: Path) -> None:
    folder = examples.save(tmp_path / "model")
    with pytest.raises(ModelError, match=r"model: .*need no weights.*random"):
        FewShotClassifier.load(folder, weights="random")
    with pytest.raises(ModelError, match="features have no thumbnails"):
        examples.save(folder, thumbnails=True)
    with pytest.raises(ModelError, match=r"another backbone.*name.*frames"):
        FewShotClassifier.load(folder, backbone=backbones.create(weights="random"))


def test_config_that_does_not_say_its_sizes(examples: FewShotClassifier, tmp_path: Path) -> None:
    folder = examples.save(tmp_path / "model")
    edit(folder, lambda content: content["backbone"]["card"].update(frames="5"))
    with pytest.raises(ModelError, match="how many vectors of which length"):
        FewShotClassifier.load(folder)


@pytest.mark.slow
@pytest.mark.assets
def test_real_features_of_other_people(assets: Path, tmp_path: Path) -> None:
    """Five people teach 27 actions, three others are asked."""
    clips = list(FeatureDataset(assets / "features" / "mobilenet_v2_t8.npz", dataset="utd27_depth"))
    first = {"s1", "s2", "s3", "s4", "s5"}
    examples = [clip for clip in clips if clip.group in first]
    new = [clip for clip in clips if clip.group not in first]
    classifier = FewShotClassifier(device="cpu").fit(examples)
    predictions = classifier.predict(new)
    right = np.mean([one.label == clip.label for one, clip in zip(predictions, new, strict=True)])
    assert right > 0.5  # chance is 1 / 27
    loaded = FewShotClassifier.load(classifier.save(tmp_path / "model"), device="cpu")
    assert loaded.predict(new[::20]) == predictions[::20]


@pytest.mark.assets
@pytest.mark.parametrize("name", ["fusion", "protonet"])
def test_as_accurate_as_an_evaluation_says(assets: Path, name: str) -> None:
    data = FeatureDataset(assets / "features" / "mobilenet_v2_t8.npz", dataset="utd27_depth")
    episodes = draw(data.videos, Protocol(shots=2, queries=3, count=3, groups="shared"))
    source = ArrayFeatures(data.features)
    result = evaluate(methods.create(name, frames=8), source, data.videos, episodes, threads=1)
    clips = list(data)
    for i, accuracy in enumerate(result.per_episode):
        classifier = FewShotClassifier(method=name, device="cpu")
        classifier.fit([clips[place] for place in episodes.support[i]])
        new = [clips[place] for place in episodes.query[i]]
        said = [one.label for one in classifier.predict(new)]
        right = [label == clip.label for label, clip in zip(said, new, strict=True)]
        assert 100 * np.mean(right) == pytest.approx(accuracy)
    assert result.accuracy > 20  # chance
