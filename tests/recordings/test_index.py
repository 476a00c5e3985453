"""An index of recordings: killed and resumed, moved, and asked for an action by one clip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewact import methods
from fewact.classifier.pipeline import Pipeline
from fewact.core.errors import DataError, ModelError, StoreError, VideoError
from fewact.data import Clip
from fewact.features.store import Store
from fewact.networks import Backbone
from fewact.recordings import discover
from fewact.recordings import index as module
from fewact.recordings.find import (
    ALIGNED_UNLIKE,
    FLOOR,
    POSITIONS,
    Question,
    Sought,
    alignment,
    apart,
    motion_at,
    products_of,
    proposals,
    question_of_clips,
    read_again,
    small_rows,
    spans_to_watch,
    to_mark,
    variances_of,
    window_scores,
    with_marks,
    with_probabilities,
)
from fewact.recordings.formats import Event
from fewact.recordings.index import TRACKS, Archive
from fewact.video import EveryNth, read_frames, write_video
from tests.classifier.conftest import render

MOTIONS = ["left", "down", "right", "down", "left", "right", "down", "left", "down"]


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    clips = [render(root / f"{i}.mp4", motion, 30 + i) for i, motion in enumerate(MOTIONS)]
    frames = np.concatenate([read_frames(clip, EveryNth(1)) for clip in clips])
    return write_video(root / "long.mkv", frames, 12)


@pytest.fixture(scope="session")
def archive(
    recording: Path, backbone: Backbone, tmp_path_factory: pytest.TempPathFactory
) -> Archive:
    store = Store.create(tmp_path_factory.mktemp("index") / "index")
    found = Archive(store, backbone.card, create=True)
    assert found.add(recording, backbone)
    return found


@pytest.fixture(scope="session")
def question(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Question:
    clip = render(tmp_path_factory.mktemp("query") / "right.mp4", "right", 17)
    pipeline = Pipeline(backbone, methods.create("fusion").eval())
    return question_of_clips([Clip(clip, "right")], pipeline)


def test_a_killed_index_goes_on_and_is_the_same(
    recording: Path, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 3)
    monkeypatch.setattr(module, "BLOCKS", 1)
    whole, killed = (
        Archive(Store.create(tmp_path / name), backbone.card, create=True)
        for name in ("whole", "killed")
    )
    whole.add(recording, backbone)
    key = Clip(recording).fingerprint()
    read: list[float] = []

    def kill(time: float) -> None:
        read.append(time)
        if time >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed.add(recording, backbone, kill)
    assert 0 < killed.blocks(key) < whole.blocks(key) == 3
    assert not killed.recordings()
    read.clear()
    assert killed.add(recording, backbone, read.append)
    assert min(read) > 3, "minutes that are stored were read again"
    for name, values in whole.rows(key, 0, 3).items():
        assert np.abs(values).max() > 20
        np.testing.assert_array_equal(killed.rows(key, 0, 3)[name], values)


def test_an_index_killed_before_a_recording_is_known_goes_on(
    recording: Path, backbone: Backbone, tmp_path: Path
) -> None:
    archive = Archive(Store.create(tmp_path / "index"), backbone.card, create=True)
    archive.add(recording, backbone)
    with archive.entries._index.transaction() as tables:
        tables.execute("DELETE FROM videos")
    assert not archive.recordings()
    archive.add(recording, backbone)
    assert archive.blocks(archive.recordings()[0].fingerprint) == 1


def test_what_a_damaged_shard_had_is_read_again(
    recording: Path, backbone: Backbone, tmp_path: Path
) -> None:
    store = Store.create(tmp_path / "index")
    archive = Archive(store, backbone.card, create=True)
    archive.add(recording, backbone)
    (shard,) = archive.entries.folder.iterdir()
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="not found, because their shards are damaged: 1"):
        assert not Archive(Store(store.folder), backbone.card).recordings()
    again = Archive(Store(store.folder), backbone.card, create=True)
    assert again.add(recording, backbone)
    assert not again.add(recording, backbone)
    assert len(Archive(Store(store.folder), backbone.card).recordings()) == 1


def test_a_second_backbone_reads_again(
    recording: Path, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.create(tmp_path / "index")
    Archive(store, backbone.card, create=True).add(recording, backbone)
    other = Archive(store, replace(backbone.card, mean=(0.1, 0.2, 0.3)), create=True)
    assert not other.recordings()
    assert other.add(recording, backbone)
    assert len(other.recordings()) == 1


def test_a_gap_has_no_vectors(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (64, 48, 64, 3), np.uint8)
    times = [k / 10 for k in range(120) if not 35 <= k < 80]
    monkeypatch.setattr(
        module, "_sampled", lambda path, begin: ((t, images[int(10 * t) % 64]) for t in times)
    )
    (minute,) = list(module._minutes(Path("gap"), backbone, 0, lambda time: None))
    for name, track in TRACKS.items():
        shown = minute[name].any(1)
        assert len(shown) == 60 * track.rate
        assert shown[: 2 * track.rate].all()
        assert not shown[4 * track.rate : 7 * track.rate].any()
        assert shown[9 * track.rate : 11 * track.rate].all()
        assert not shown[13 * track.rate :].any()


def test_only_what_is_new_is_read(
    archive: Archive, recording: Path, backbone: Backbone, tmp_path: Path
) -> None:
    other: Backbone = None  # type: ignore[assignment]  # it would fail if it were needed
    assert not archive.add(recording, other)
    moved = tmp_path / "moved.mkv"
    moved.write_bytes(recording.read_bytes())
    assert not archive.add(moved, other)
    assert len(archive.recordings()) == 1
    assert all(one.is_there for one in archive.recordings())
    changed = tmp_path / "changed.mkv"
    changed.write_bytes(recording.read_bytes())
    archive.add(changed, other)
    changed.write_bytes(recording.read_bytes()[:-100])
    assert [str(one.path) for one in archive.recordings() if one.is_there] == [str(recording)]
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    with pytest.raises(VideoError):
        archive.add(bad, backbone)
    assert len(archive.recordings()) == 1


def test_a_recording_is_where_its_file_is(
    archive: Archive, recording: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.mkv"
    moved.write_bytes(recording.read_bytes())
    recording.rename(recording.with_suffix(".away"))
    try:
        archive.add(moved, None)  # type: ignore[arg-type]
        assert [one.path for one in archive.recordings()] == [moved]
    finally:
        recording.with_suffix(".away").rename(recording)


def test_an_index_of_another_backbone_is_refused(
    archive: Archive, backbone: Backbone, tmp_path: Path
) -> None:
    card = backbone.card
    with pytest.raises(StoreError, match="no index of this backbone"):
        Archive(Store(archive.entries.folder.parents[1]), replace(card, mean=(0.1, 0.2, 0.3)))
    with pytest.raises(ModelError, match="backbone with maps"):
        Archive(Store.create(tmp_path / "new"), replace(card, middle=None), create=True)


def test_an_index_of_other_weights_of_learned_motion_is_refused(
    archive: Archive, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(StoreError, match="this version of fewact"):
        Archive(Store(archive.entries.folder.parents[1]), backbone.card)


def test_an_action_is_found_by_one_clip(archive: Archive, question: Question) -> None:
    found = read_again(proposals(archive, question, 6), question)
    (length,) = question.lengths
    assert length == pytest.approx(1, abs=0.1)
    best = sorted(one.start + one.end for one in found[:2])
    true = [2 * (i + 0.5) for i, motion in enumerate(MOTIONS) if motion == "right"]
    assert best == pytest.approx(true, abs=0.7)
    probabilities = [segment.probability or 0 for segment in found]
    assert probabilities == sorted(probabilities, reverse=True)
    # What the index says decides between equal similarities.
    equal = [replace(segment, similarity=0.5) for segment in found]
    best_ranked = max(range(len(equal)), key=lambda i: equal[i].rank)
    chances = [segment.probability or 0 for segment in with_probabilities(equal)]
    assert chances[best_ranked] == max(chances) > min(chances)


def test_marks_change_the_answer(archive: Archive, question: Question, recording: Path) -> None:
    found = read_again(proposals(archive, question, 6), question)
    first, other = found[0], found[-1]
    marks = [
        Event("right", one.start, one.end, recording=str(recording), mark=mark)
        for one, mark in ((first, "wrong"), (other, "right"))
    ]
    again = read_again([first, other], with_marks(question, marks))
    assert (again[0].start, again[1].start) == (other.start, first.start)
    with pytest.raises(DataError, match="no segment is marked"):
        with_marks(question, [Event("right", 0, 1, mark="?")])
    with pytest.raises(DataError, match=r"unknown marks.*rigth"):
        with_marks(question, [*marks, Event("right", 0, 1, mark="rigth")])


def test_what_is_suggested_is_uncertain(archive: Archive, question: Question) -> None:
    found = read_again(proposals(archive, question, 6), question)
    chosen = to_mark(archive, found, 3)
    assert len({segment.start for segment in chosen}) == 3
    least = min(found, key=lambda segment: abs(2 * (segment.probability or 0) - 1))
    assert chosen[0] == least


def test_window_scores_are_correlations(archive: Archive) -> None:
    rows = small_rows(archive.rows(archive.recordings()[0].fingerprint, 0, 1))
    starts, length = np.array([0.5, 3.0]), 1.5
    sought, variances = Sought.of_rows(rows, 3.0, length), variances_of(rows, length)
    scores = window_scores(products_of(rows, [sought]), variances, starts, length)
    for name, track in TRACKS.items():
        for start, score in zip(starts, scores[name][:, 0], strict=True):
            times = start + length * POSITIONS[name]
            of = [rows[name][int(time * track.rate)] for time in times]
            if name == "appearance":
                of = [x / np.linalg.norm(x) for x in of]
            product = sum(float(x @ q) for x, q in zip(of, sought.vectors[name], strict=True))
            size = float(len(of))
            if name != "appearance":
                cell = int((start + length / 2) / 0.5)  # a window of three half seconds
                first, last = (round(0.5 * one * track.rate) for one in (cell - 1, cell + 2))
                size *= float(rows[name][first:last].var(0).sum()) + FLOOR[name]
            assert score == pytest.approx(product / size**0.5, rel=1e-3, abs=1e-3)
    assert scores["appearance"][1, 0] == pytest.approx(1, abs=1e-3)
    assert scores["motion"][1, 0] > 0.8 > scores["motion"][0, 0]


def test_aligned_motion_forgives_a_late_start(archive: Archive) -> None:
    rows = small_rows(archive.rows(archive.recordings()[0].fingerprint, 0, 1))["motion"]
    motion = motion_at(rows, np.array([4.0, 4.25, 0.5, 2.0]), 2.0)
    aligned = alignment(motion, motion[:1])[:, 0]
    assert aligned[0] == pytest.approx(-ALIGNED_UNLIKE, abs=0.05)
    assert aligned[0] > aligned[1] > 2 * aligned[2:].max()


def test_the_spans_to_watch_have_what_a_model_finds(archive: Archive, question: Question) -> None:
    (recorded,) = archive.recordings()
    spans = spans_to_watch(archive, recorded, question, 0.6)
    assert 5 <= sum(span.end - span.start for span in spans) <= 8
    found = read_again(proposals(archive, question, 6), question)[:2]
    assert all(
        any(span.start <= one.start and one.end <= span.end for span in spans) for one in found
    )
    ((start, end),) = spans_to_watch(archive, recorded, question, 1.0)
    assert (start, end) == (0.0, pytest.approx(9, abs=0.6))


def test_windows_that_overlap_are_one() -> None:
    starts = np.array([0.0, 0.5, 2.0, 2.1])
    assert apart(starts, starts + 1, np.array([0.1, 0.9, 0.3, 0.4]), 4) == [1, 3]


def test_movements_that_recur_are_groups(archive: Archive) -> None:
    groups = discover.discover(archive, archive.recordings(), length=1.0)
    assert groups
    assert all(len(group) >= discover.FEWEST for group in groups)
    starts = [segment.start for group in groups for segment in group]
    assert len(starts) == len(set(starts))
