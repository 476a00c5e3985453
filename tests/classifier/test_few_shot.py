import copy
import logging
import pickle
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewact
from fewact import FewShotClassifier, Frames, methods
from fewact.classifier import NONE, Prediction, Skipped
from fewact.core.errors import DataError, ModelError, OptionError, VideoError, WeightsError
from fewact.data import Clip, list_clips
from fewact.features.extract import Timing
from fewact.networks import Backbone
from fewact.video import EveryNth, Segments, read_frames, write_video
from tests.classifier.conftest import render
from tests.classifier.features import LABELS, vectors


def probabilities(classifier: FewShotClassifier, queries: dict[str, Path]) -> np.ndarray:
    return classifier.predict_proba(queries.values())


def test_motions_are_recognised(
    examples: FewShotClassifier, predicted: list[Prediction], queries: dict[str, Path]
) -> None:
    assert tuple(examples.classes_) == ("down", "left", "right")
    assert examples.fitted_.calibration.source == "held-out clips"
    for (motion, path), got in zip(queries.items(), predicted, strict=True):
        assert (got.best, got.path) == (motion, path)
        assert got.nearest.startswith(f"{motion}/clip ")
        assert tuple(got.probabilities) == tuple(examples.classes_)
        assert got.probability == got.probabilities[motion] == max(got.probabilities.values())
        assert sum(got.probabilities.values()) == pytest.approx(1)


@pytest.mark.slow
def test_a_prediction_does_not_depend_on_other_clips(
    examples: FewShotClassifier, predicted: list[Prediction], queries: dict[str, Path]
) -> None:
    paths = list(queries.values())
    assert examples.predict(paths[1]) == predicted[1]
    rows = examples.predict_proba(paths[::-1])
    assert rows.dtype == np.float64
    assert rows.tolist() == [list(got.probabilities.values()) for got in predicted[::-1]]


def test_no_clips_give_no_predictions(examples: FewShotClassifier) -> None:
    assert examples.predict([]) == []
    assert examples.predict_proba([]).shape == (0, 3)


def test_a_training_clip_is_nearest_to_itself(examples: FewShotClassifier, actions: Path) -> None:
    for clip in list_clips(actions)[::5]:
        got = examples.predict(clip.path)
        assert got.nearest == clip.path.relative_to(actions).as_posix()
        assert got.label == clip.label


def test_weights_are_loaded_by_fit(actions: Path) -> None:
    classifier = FewShotClassifier(weights="missing.safetensors")
    with pytest.raises(WeightsError):
        classifier.fit(actions)


def test_all_sources_give_the_same_classifier(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    expected = probabilities(quick.fit(actions), queries)
    clips = list_clips(actions)
    random.Random(0).shuffle(clips)
    table = tmp_path / "clips.csv"
    table.write_text("path;label\n" + "".join(f"{c.path};{c.label}\n" for c in clips))
    labels = [str(c.label) for c in clips]
    for source, given in ((table, None), ([str(c.path) for c in clips], labels), (clips, None)):
        quick.fit(source, given)
        assert np.array_equal(probabilities(quick, queries), expected)
        assert [clip.name for clip in quick.fitted_.clips][:2] == [
            "down/clip 0.mp4",
            "down/clip 1.mp4",
        ]


def test_other_class_names_only_change_the_labels(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path]
) -> None:
    expected = probabilities(quick.fit(actions), queries)  # down, left, right
    new = {"left": "z", "right": "a b", "down": "ö"}
    clips = [Clip(c.path, new[str(c.label)]) for c in list_clips(actions)]
    got = probabilities(quick.fit(clips), queries)
    assert tuple(quick.classes_) == ("a b", "z", "ö")
    np.testing.assert_allclose(got, expected[:, [2, 1, 0]], rtol=1e-5)


@pytest.mark.parametrize("shots", [(1, 1, 1), (1, 3, 2), (2, 2, 2)])
def test_classes_may_have_different_numbers_of_clips(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], shots: tuple[int, ...]
) -> None:
    kept = dict(zip(("left", "right", "down"), shots, strict=True))
    clips = [c for c in list_clips(actions) if int(c.path.stem[-1]) < kept[str(c.label)]]
    quick.fit(clips)
    assert quick.fitted_.calibration.held_out == sum(k for k in shots if k > 1)
    assert {motion: quick.predict(path).label for motion, path in queries.items()} == {
        motion: motion for motion in queries
    }


def test_copies_of_a_clip_are_accepted(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(actions, tmp_path / "a")
    for motion in queries:
        original = tmp_path / "a" / motion / "clip 0.mp4"
        shutil.copy(original, original.with_name("copy.mp4"))
    quick.fit(tmp_path / "a")
    assert len(quick.fitted_.clips) == 12
    assert quick.predict(actions / "left" / "clip 0.mp4").nearest == "left/clip 0.mp4"
    assert all(quick.predict(path).label == motion for motion, path in queries.items())


def test_names_may_be_in_any_script(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    new = {"left": "nach links ←", "right": "往右 跳", "down": "À l'est, 100 %"}
    for motion, name in new.items():
        shutil.copytree(actions / motion, tmp_path / "mes vidéos" / name)
    quick.fit(tmp_path / "mes vidéos").save(tmp_path / "mon modèle")
    loaded = FewShotClassifier.load(tmp_path / "mon modèle")
    assert set(loaded.classes_) == set(new.values())
    for motion, path in queries.items():
        odd = Path(shutil.copy(path, tmp_path / f"{new[motion]} #1.mp4"))
        assert loaded.predict(odd).label == new[motion]


def test_adding_and_removing_equals_fitting_from_scratch(
    quick: FewShotClassifier,
    backbone: Backbone,
    actions: Path,
    queries: dict[str, Path],
    tmp_path: Path,
) -> None:
    quick.fit(actions)
    steps = FewShotClassifier(backbone, "pixels")
    few = shutil.copytree(actions, tmp_path / "few")
    shutil.rmtree(few / "down")
    (few / "left" / "clip 1.mp4").unlink()
    steps.fit(few)
    shutil.rmtree(few)  # training clips are not read again
    assert steps.add_class("down", actions / "down") is steps
    assert steps.add_clips("left", [actions / "left" / "clip 1.mp4"]) is steps
    assert np.array_equal(probabilities(steps, queries), probabilities(quick, queries))
    assert steps.fitted_.calibration == quick.fitted_.calibration
    assert steps.remove_class("down") is steps
    quick.fit([c for c in list_clips(actions) if c.label != "down"])
    assert np.array_equal(probabilities(steps, queries), probabilities(quick, queries))
    assert steps.fitted_.calibration == quick.fitted_.calibration
    assert tuple(steps.classes_) == ("left", "right")


def test_failed_calls_change_nothing(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    quick.fit(actions)
    before = quick._state
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    left = actions / "left" / "clip 0.mp4"
    new = queries["left"]
    calls = [
        (lambda: quick.add_class("left", new), "exists already"),
        (lambda: quick.add_class("None", new), "reserved for clips of no class.*Use add_none"),
        (lambda: quick.add_clips("none", new), "reserved for clips of no class.*Use add_none"),
        (lambda: quick.add_class("up", tmp_path / "missing"), "no clips found"),
        (lambda: quick.add_clips("lfet", new), r'Did you mean "left"\?'),
        (lambda: quick.add_clips("left", left), "training clip already"),
        (lambda: quick.add_clips("left", [new, new]), "appears twice"),
        (lambda: quick.remove_class("up"), "expected: down, left, right"),
        (lambda: quick.fit([new, left], ["a", "a"]), "fewer than two .*other movements a class"),
        (lambda: quick.fit([]), "fewer than two classes"),
    ]
    for call, says in calls:
        with pytest.raises(DataError, match=says):
            call()
    for call in (lambda: quick.add_class("up", bad), lambda: quick.add_clips("left", bad)):
        with (
            pytest.warns(UserWarning, match=r"bad\.mp4"),
            pytest.raises(DataError),
        ):
            call()
    assert quick._state is before
    quick.remove_class("down")
    before_last = quick._state
    with pytest.raises(DataError):
        quick.remove_class("left")
    assert quick._state is before_last


def test_bad_clips_are_skipped(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    expected = probabilities(quick.fit(actions), queries)
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    clips = [*list_clips(actions), Clip(bad, "left")]
    with pytest.warns(UserWarning, match=r"skipped: .*bad\.mp4"):
        quick.fit(clips)
    assert [one.path for one in quick.fitted_.skipped] == [bad]
    assert np.array_equal(probabilities(quick, queries), expected)
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(DataError),
    ):
        quick.fit([*clips, Clip(tmp_path / "gone.mp4", "up")])


def test_bad_clips_are_reported_by_predict_each(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    quick.fit(actions)
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    with pytest.raises(VideoError):
        quick.predict(bad)
    with pytest.raises(VideoError):
        quick.predict_proba([queries["left"], bad])
    got = list(quick.predict_each([bad, queries["left"], tmp_path / "gone.mp4", queries["down"]]))
    assert [type(one) for one in got] == [Skipped, Prediction, Skipped, Prediction]
    assert isinstance(got[0], Skipped)
    assert (got[0].path, got[0].reason) == (bad, got[0].error.reason)
    assert got[1] == quick.predict(queries["left"])


def test_segments_of_one_file(quick: FewShotClassifier, actions: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    path = actions / "left" / "clip 0.mp4"
    table.write_text(
        f"path,label,start,end\n{path},early,,0.5\n{path},late,0.5,\n"
        f"{actions / 'right' / 'clip 0.mp4'},late,0.5,\n"
    )
    quick.fit(table)
    assert sorted(clip.title for clip in quick.fitted_.clips) == [
        "left/clip 0.mp4 [0 s … 0.5 s]",
        "left/clip 0.mp4 [0.5 s …]",
        "right/clip 0.mp4 [0.5 s …]",
    ]
    assert quick.predict(Clip(path, end=0.5)).label == "early"
    assert quick.predict(Clip(path, start=0.5)).nearest == "left/clip 0.mp4 [0.5 s …]"


def test_progress_and_timing_are_reported(
    backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    calls: list[tuple[int, int]] = []
    timing = Timing()
    clips = [clip for clip in list_clips(actions) if clip.path.stem == "clip 0"]
    classifier = FewShotClassifier(backbone, "protonet")
    classifier.fit(clips, progress=lambda done, of: calls.append((done, of)), timing=timing)
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert timing.seconds["backbone"] > 0
    assert timing.seconds["alignment"] == 0
    timing = Timing()
    list(classifier.predict_each([queries["left"]], timing=timing))
    assert all(seconds > 0 for seconds in timing.seconds.values())


def test_the_temperature_divides_the_logits(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path]
) -> None:
    once = np.log(probabilities(quick.fit(actions), queries))
    warmer = replace(
        quick.fitted_.calibration, temperature=2 * quick.fitted_.calibration.temperature
    )
    quick.fitted_ = replace(quick.fitted_, calibration=warmer)
    half = np.log(probabilities(quick, queries))
    np.testing.assert_allclose(half[:, :1] - half, (once[:, :1] - once) / 2, atol=1e-9)


def test_calls_before_fit_are_refused(tmp_path: Path) -> None:
    for call in (
        lambda c: c.predict("x.mp4"),
        lambda c: c.add_class("a", "x.mp4"),
        lambda c: c.remove_class("a"),
        lambda c: c.save(tmp_path / "m"),
    ):
        with pytest.raises(ModelError):
            call(FewShotClassifier(method="pixels"))


def test_methods_that_compare_with_text_are_refused(actions: Path) -> None:
    method = methods.create("pixels")
    method.uses_text = True
    with pytest.raises(OptionError):
        FewShotClassifier(method=method).fit(actions)


@pytest.mark.slow
@pytest.mark.assets
def test_real_clips_of_unknown_people(assets: Path) -> None:
    """Classes that differ in motion only; chance is a third."""
    labels = ("a01_swipe_left", "a03_wave", "a05_throw")
    clips = [
        clip
        for clip in list_clips(assets / "clips" / "utd5_rgb")
        if clip.label in labels and "_t1_" in clip.path.name
    ]
    people = [next(p for p in c.path.stem.split("_") if p[0] == "s") for c in clips]
    teach = [c for c, person in zip(clips, people, strict=True) if person in ("s1", "s2", "s3")]
    test = [c for c, person in zip(clips, people, strict=True) if person in ("s6", "s7")]
    assert (len(teach), len(test)) == (9, 6)
    got = FewShotClassifier().fit(teach).predict(test)
    assert sum(p.best == clip.label for p, clip in zip(got, test, strict=True)) >= 5


@pytest.mark.slow
def test_a_long_clip_of_no_class_is_named(
    actions: Path, backbone: Backbone, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [
        read_frames(render(tmp_path / f"{seed}.mp4", "down", seed), Segments(12))
        for seed in (20, 21)
    ]
    long, short = tmp_path / "long.mp4", tmp_path / "20.mp4"
    write_video(long, np.concatenate(clips), 12)
    with caplog.at_level(logging.WARNING, "fewact"):
        FewShotClassifier(backbone).fit(actions, none=[long, short])
    assert "1 of 2 clips of no class are at least 2 times as long" in caplog.text
    assert "one movement: none/long.mp4" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "fewact"):
        FewShotClassifier(backbone).fit(actions).add_none([short, actions / "left" / "clip 0.mp4"])
    assert "times as long" not in caplog.text


def test_score(taught: FewShotClassifier, actions: Path, queries: dict[str, Path]) -> None:
    assert taught.score(actions) == 1
    paths = list(queries.values())
    assert taught.score(paths, ["left", "right", "up"]) == pytest.approx(2 / 3)
    assert taught.score(paths, ["left", "right", "up"], [1, 1, 2]) == pytest.approx(1 / 2)
    with pytest.raises(DataError):
        taught.score([], [])
    assert taught.score([Clip(paths[0], "none")]) == 0
    folders = {motion: actions / motion for motion in ("left", "right")}
    taught.fit(folders, none=actions / "down")
    assert taught.predict(queries["down"]).label == NONE
    assert taught.score([Clip(queries["down"], "none"), Clip(queries["left"], "left")]) == 1


def test_parameters(actions: Path, queries: dict[str, Path]) -> None:
    classifier = FewShotClassifier(method="pixels", false_alarms=0.2)
    assert repr(classifier) == "FewShotClassifier(method='pixels', false_alarms=0.2)"
    assert list(classifier.get_params())[:3] == ["backbone", "method", "device"]
    with pytest.raises(OptionError):
        classifier.set_params(metod="a2m2")
    assert classifier.set_params(false_alarms=None) is classifier
    assert not hasattr(classifier, "classes_")
    assert classifier.fit(actions) is classifier
    assert repr(classifier) == "<FewShotClassifier(method='pixels'): down, left, right; 9 clips>"
    before = classifier.predict(queries["left"])
    assert classifier.set_params(method="protonet").predict(queries["left"]) == before
    assert classifier.fit(actions).predict(queries["left"]) != before


def test_messages_are_quiet_until_a_handler_asks(
    quick: FewShotClassifier, actions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert any(isinstance(h, logging.NullHandler) for h in logging.getLogger("fewact").handlers)
    with caplog.at_level(logging.INFO, "fewact"):
        quick.fit(actions).warm_up()
    assert "learned 3 classes from 9 clips" in caplog.text
    assert fewact.Frames is Frames


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_scikit_learn_clones_and_cross_validates(actions: Path) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.metrics import accuracy_score
    from sklearn.model_selection import cross_val_predict, cross_val_score

    classifier = FewShotClassifier(method="pixels")
    other = clone(classifier.fit(actions))
    assert other.get_params() == classifier.get_params()
    assert not hasattr(other, "classes_")
    clips = list_clips(actions)
    paths, labels = [str(c.path) for c in clips], [str(c.label) for c in clips]
    assert cross_val_score(classifier, paths, labels, cv=3).tolist() == [1, 1, 1]
    codes = np.array([["down", "left", "right"].index(label) for label in labels])
    for scoring in ("neg_log_loss", "roc_auc_ovr"):
        scores = cross_val_score(classifier, np.array(paths), codes, cv=3, scoring=scoring)
        assert scores.shape == (3,)
        assert np.isfinite(scores).all()
    frames = [read_frames(clip.path, EveryNth(1)) for clip in clips]
    predicted = cross_val_predict(classifier, frames, codes, cv=3)
    assert accuracy_score(codes, predicted) == 1
    # Labels are encoded to 0 … n−1, and the columns of a fold are put in the order of all classes.
    likely = cross_val_predict(classifier, paths, labels, cv=3, method="predict_proba")
    assert np.array(["down", "left", "right"])[likely.argmax(1)].tolist() == labels


def test_what_is_learned_by_fit_is_missing_before() -> None:
    pytest.importorskip("sklearn")
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    classifier = FewShotClassifier()
    with pytest.raises(NotFittedError):
        check_is_fitted(classifier)
    learned = [name for name in dir(classifier) if name.endswith("_") and name[0] != "_"]
    assert "classes_" in learned
    assert not any(hasattr(classifier, name) for name in learned)
    with pytest.raises(ModelError):
        classifier.classes_  # noqa: B018
    check_is_fitted(classifier.fit(vectors(LABELS), LABELS))
    assert all(hasattr(classifier, name) for name in learned)


@pytest.mark.parametrize(
    "names", [("Zeta", "alpha", "b10"), ("c10", "c9", "c1"), (10, 9, 1), (0, 1)]
)
def test_metrics_of_scikit_learn_read_the_columns_of_the_classes(names: tuple[Any, ...]) -> None:
    pytest.importorskip("sklearn")
    from sklearn.metrics import get_scorer

    labels = [name for name in names for _ in range(4)]
    clips = vectors(labels)
    classifier = FewShotClassifier().fit(clips, labels)
    assert classifier.classes_.tolist() == sorted(names)
    likely = classifier.predict_proba(clips)
    assert classifier.classes_[likely.argmax(1)].tolist() == labels
    assert get_scorer("neg_log_loss")(classifier, clips, labels) > -0.1
    exact = ("roc_auc", "average_precision", "f1") if len(names) == 2 else ("roc_auc_ovr",)
    assert [get_scorer(name)(classifier, clips, labels) for name in exact] == [1] * len(exact)


def test_weights_of_a_score_belong_to_the_clips_in_their_order() -> None:
    labels = ["clap"] * 3 + ["wave"] * 3
    clips = vectors(labels)
    classifier = FewShotClassifier().fit(clips, labels)
    mixed, truth = [clips[0], clips[1], clips[4]], ["none", "clap", "wave"]
    assert classifier.score(mixed, truth, sample_weight=[1, 0, 0]) == 0
    assert classifier.score(mixed, truth, sample_weight=[0, 1, 1]) == 1


def test_a_copy_of_a_classifier_shows_the_same(taught: FewShotClassifier) -> None:
    assert repr(pickle.loads(pickle.dumps(FewShotClassifier()))) == "FewShotClassifier()"
    taught.set_params(backbone="auto")
    assert repr(copy.deepcopy(taught)) == repr(taught)
