"""Embedding: what extraction gives, once, whatever was stopped, skipped, renamed or shared."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fewact.core.errors import StoreError
from fewact.core.locks import Claims
from fewact.data.clips import Clip
from fewact.data.videos import Video, VideoList
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, View
from fewact.features.store import Store
from fewact.features.store.store import INDEX_FILE, stamp
from fewact.lab.store import Job, Outcome, embed
from fewact.lab.store.embedding import FEATURES_NAME, cards, feature_facts, narrow, widen
from fewact.networks import Backbone
from fewact.synthetic import motions
from tests.refused import refused

REQUESTS = (
    FeatureRequest("vectors", View(4)),
    FeatureRequest("middle", View(8)),
    FeatureRequest("pixels", View(4)),
)


def listed(clips: list[Clip], name: str = "mine") -> VideoList:
    return VideoList(name, tuple(Video(f"v{i}", "x", source=c) for i, c in enumerate(clips)))


def job(folder: Path, videos: VideoList, backbone: Backbone, requests: Any = REQUESTS) -> Job:
    return Job(Store.create(folder), videos, backbone.card, requests, block=2)


def run(job: Job, backbone: Backbone, blocks: Any = None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    embed(job, backbone, range(len(job)) if blocks is None else blocks, outcomes.append)
    return outcomes


def tree(folder: Path) -> dict[str, bytes]:
    """Bytes of all shards, and what the index says, wherever it says it."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != INDEX_FILE)
    index = Store(folder).index
    tables = {
        "entries": "SELECT digest, video, name, place FROM entries JOIN sets ON sets.number = "
        "entries.set_number JOIN shards ON shards.number = shard_number ORDER BY 1, 2",
        "videos": "SELECT * FROM videos ORDER BY 1, 2, 3",
    }
    content = {name: repr(index.rows(query)).encode() for name, query in tables.items()}
    return content | {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_store_holds_what_extraction_gives(clips, tiny, tmp_path):
    whole = job(tmp_path / "s", listed(clips), tiny)
    assert len(whole) == 3
    assert whole.bytes_to_write(range(3)) == 5 * (4 * 6 * 2 + 8 * 4 * 2 * 3 * 2 + 4 * 3 * 32 * 48)
    outcomes = run(whole, tiny)
    assert [one.video.id for one in outcomes] == [f"v{i}" for i in range(5)]
    assert all(one.new and one.error is None for one in outcomes)
    store = Store(tmp_path / "s")
    for clip, found in zip(clips, extract(clips, tiny, REQUESTS), strict=True):
        for request in REQUESTS:
            one = store.find(feature_facts(tiny.card, request))
            stored = widen(one.read(clip.fingerprint())[FEATURES_NAME])
            right = found.features[request]
            assert stored.dtype == right.dtype
            assert np.array_equal(stored, widen(narrow(right)))
    assert {request for _, request, _ in cards(store)} == set(REQUESTS)
    assert {card.digest for card, _, _ in cards(store)} == {tiny.card.digest}


def test_nothing_is_done_twice(clips, tiny, tmp_path, monkeypatch):
    run(job(tmp_path / "s", listed(clips), tiny), tiny)
    before = tree(tmp_path / "s")
    monkeypatch.setattr(Clip, "read", None)
    monkeypatch.setattr(Clip, "fingerprint", None)
    again = job(tmp_path / "s", listed(clips), tiny)
    assert again.bytes_to_write(range(3)) == 0
    assert [(one.new, one.error) for one in run(again, tiny)] == [(False, None)] * 5
    assert tree(tmp_path / "s") == before


def test_only_missing_features_are_computed(clips, tiny, tmp_path):
    run(job(tmp_path / "s", listed(clips), tiny, [FeatureRequest("vectors", View(4))]), tiny)
    tiny.engine.counts = {"early": 0, "late": 0}
    run(
        job(
            tmp_path / "s",
            listed(clips),
            tiny,
            [FeatureRequest("vectors", View(4)), FeatureRequest("middle", View(8))],
        ),
        tiny,
    )
    assert tiny.engine.counts == {"early": 5 * 8, "late": 0}


def test_another_sampler_or_transform_is_another_set(clips, tiny, tmp_path):
    first = job(tmp_path / "s", listed(clips), tiny, REQUESTS[:1])
    run(first, tiny)
    (request,) = first.sets
    other = dataclasses.replace(tiny.card, input_size=(16, 16))
    for facts in (
        feature_facts(dataclasses.replace(tiny.card, sampler="blocks"), request),
        feature_facts(dataclasses.replace(tiny.card, resize="centre-crop"), request),
        feature_facts(other, request),
        feature_facts(tiny.card, dataclasses.replace(request, view=View(5))),
    ):
        assert Store(tmp_path / "s").find(facts) is None
    elsewhere = dataclasses.replace(tiny.card, weights="elsewhere", licence="unknown")
    assert len(Store(tmp_path / "s").find(feature_facts(elsewhere, request))) == 5


def test_a_bad_video_is_skipped_and_reported(clips, tiny, tmp_path, broken):
    missing = Clip(tmp_path / "missing.mp4")
    videos = listed([clips[0], broken, missing, clips[1]])
    videos = dataclasses.replace(videos, videos=(*videos.videos, Video("no file", "x")))
    outcomes = run(job(tmp_path / "s", videos, tiny), tiny)
    errors = {one.video.id: one.error for one in outcomes}
    assert [id for id, error in errors.items() if error is None] == ["v0", "v3"]
    assert "no such file" in errors["v2"]
    assert errors["no file"] == "there is no file"
    known = Store(tmp_path / "s").known("mine")
    assert {v.id: known.error(v) for v in videos.videos} == errors
    shutil.copy(clips[2].path, broken.path)
    mended = {one.video.id: one for one in run(job(tmp_path / "s", videos, tiny), tiny)}
    assert mended["v1"].new
    assert mended["v1"].error is None


@pytest.mark.parametrize(
    ("value", "why"), [(7e4, "too large for float16, up to 7e"), (np.nan, "not finite")]
)
def test_features_that_cannot_be_stored_are_an_error_of_that_video(
    clips, tiny, tmp_path, monkeypatch, value, why
):
    pixels = FeatureRequest("pixels", View(4))
    (second,) = (one.features[pixels] for one in extract(clips[1:2], tiny, [pixels]))
    real = tiny.features

    def features(frames, names):
        found = real(frames, names)
        if np.array_equal(frames, second):  # two videos are in the network at once, in any order
            found["vectors"][0, 0] = value
        return found

    monkeypatch.setattr(tiny, "features", features)
    outcomes = run(job(tmp_path / "s", listed(clips), tiny, REQUESTS[:1]), tiny)
    assert [one.error is None for one in outcomes] == [True, False, True, True, True]
    assert why in outcomes[1].error
    (one,) = Store(tmp_path / "s").sets()
    assert len(one) == 4


def test_the_same_bytes_are_embedded_once(clips, tiny, tmp_path):
    copy = tmp_path / "copy.mp4"
    shutil.copy(clips[0].path, copy)
    tiny.engine.counts = {"early": 0, "late": 0}
    outcomes = run(job(tmp_path / "s", listed([clips[0], Clip(copy)]), tiny, REQUESTS[:1]), tiny)
    assert [(one.video.id, one.new) for one in outcomes] == [("v0", True), ("v1", True)]
    assert tiny.engine.counts["early"] == 4
    moved = tmp_path / "moved.mp4"
    os.rename(copy, moved)
    (other,) = run(job(tmp_path / "s", listed([Clip(moved)], "other"), tiny, REQUESTS[:1]), tiny)
    assert not other.new
    assert other.error is None


def test_copies_far_apart_in_a_block_are_reported(clips, tiny, tmp_path, broken):
    copies = [tmp_path / name for name in ("copy.mp4", "broken-copy.mp4")]
    for one, copy in zip((clips[0], broken), copies, strict=True):
        shutil.copy(one.path, copy)
    videos = listed([clips[0], broken, *clips[1:], *map(Clip, copies)])
    whole = Job(Store.create(tmp_path / "s"), videos, tiny.card, REQUESTS[:1])
    errors = {one.video.id: one.error for one in run(whole, tiny)}
    assert sorted(errors) == [f"v{i}" for i in range(8)]
    assert [id for id, error in sorted(errors.items()) if error] == ["v1", "v7"]
    assert Store(tmp_path / "s").known("mine").error(videos.videos[7]) == errors["v7"]


def test_rendered_videos_are_identified_by_their_id(tiny, tmp_path):
    videos = motions(videos=1, size=16).videos
    few = dataclasses.replace(videos, videos=videos.videos[:3])
    assert all(one.new for one in run(job(tmp_path / "s", few, tiny, REQUESTS[:1]), tiny))
    assert not any(one.new for one in run(job(tmp_path / "s", few, tiny, REQUESTS[:1]), tiny))


class Stopped(Exception):
    pass


@pytest.mark.parametrize("after", range(1, 6))
def test_a_stopped_job_continues_to_the_same_bytes(clips, tiny, tmp_path, after):
    run(job(tmp_path / "whole", listed(clips), tiny), tiny)
    outcomes = []

    def report(one):
        outcomes.append(one)
        if len(outcomes) == after:
            raise Stopped

    with pytest.raises(Stopped):
        embed(job(tmp_path / "s", listed(clips), tiny), tiny, range(3), report)
    again = run(job(tmp_path / "s", listed(clips), tiny), tiny)
    assert sum(not one.new for one in again) >= (after - 1) // 2 * 2
    whole, resumed = (tree(tmp_path / name) for name in ("whole", "s"))
    assert resumed == whole


def test_parts_in_any_order_make_the_same_store(clips, tiny, tmp_path):
    run(job(tmp_path / "whole", listed(clips), tiny), tiny)
    for part in (2, 0, 0, 1):
        run(job(tmp_path / "s", listed(clips), tiny), tiny, [part])
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


HOLD = """
import sys, time
from pathlib import Path
from fewact.core.locks import Claims
claims = Claims(Path(sys.argv[1]))
print(next(claims.free([0])), flush=True)
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills a process")
def test_the_block_of_a_killed_process_is_computed_by_another(clips, tiny, tmp_path):
    whole = job(tmp_path / "s", listed(clips), tiny)
    claims = whole.store.claims(whole.digest)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, claims], stdout=subprocess.PIPE)
    outcomes = []

    def report(one):
        outcomes.append(one.video.id)
        if len(outcomes) == 3:  # all but those of the other process
            holder.kill()

    try:
        assert holder.stdout.readline() == b"0\n"
        embed(whole, tiny, range(3), report)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert outcomes == ["v2", "v3", "v4", "v0", "v1"]


def test_a_disk_without_locks_can_be_written(clips, tiny, tmp_path, monkeypatch):
    def none(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fewact.core.locks._lock", none)
    monkeypatch.setattr("fewact.core.locks._unlock", none)
    assert len(run(job(tmp_path / "s", listed(clips), tiny), tiny)) == 5


def test_a_block_that_two_processes_compute_has_the_same_bytes(clips, tiny, tmp_path):
    run(job(tmp_path / "whole", listed(clips), tiny), tiny)
    first = job(tmp_path / "s", listed(clips), tiny)
    outcomes = []

    def report(one):
        outcomes.append(one)
        if len(outcomes) == 1:  # the other process has written the block of this video
            run(job(tmp_path / "s", listed(clips), tiny), tiny, [0])

    embed(first, tiny, range(3), report)
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


@pytest.mark.parametrize("at", range(1, 6))
def test_a_copy_in_a_later_block_is_stored_once(clips, tiny, tmp_path, at):
    copy = tmp_path / "copy.mp4"
    shutil.copy(clips[0].path, copy)
    videos = [*clips[:at], Clip(copy), *clips[at:]]
    run(job(tmp_path / "s", listed(videos), tiny, REQUESTS[:1]), tiny)
    (one,) = Store(tmp_path / "s").sets()
    shards = [load_file(path)[FEATURES_NAME] for path in one.folder.glob("*.safetensors")]
    assert sum(map(len, shards)) == len(one) == len(clips)


@pytest.mark.skipif(sys.platform == "win32", reason="open files are not removed")
def test_a_process_that_starts_keeps_the_locks_of_others(tmp_path):
    path = tmp_path / "claims" / "job"
    first, second = Claims(path), Claims(path)
    assert os.fstat(first._file).st_ino == os.fstat(second._file).st_ino == path.stat().st_ino
    first.close()
    second.close()


def test_the_stamp_of_a_known_file_is_updated(clips, tiny, tmp_path):
    run(job(tmp_path / "s", listed(clips), tiny), tiny)
    known = Store(tmp_path / "s").known("mine")
    video = Video("v0", "x", source=clips[0])
    assert known.fingerprint(video, stamp(clips[0])) == clips[0].fingerprint()


def test_wrong_jobs_are_refused(clips, tiny, tmp_path):
    with refused(StoreError, where="requests"):
        job(tmp_path / "s", listed(clips), tiny, [])
    made = job(tmp_path / "s", listed(clips), tiny)
    tiny.card = dataclasses.replace(tiny.card, precision="bfloat16")
    with refused(StoreError, where="tiny"):
        embed(made, tiny, [0], print)


@pytest.mark.slow
@pytest.mark.assets
def test_real_clips_through_the_default_backbone(assets, tmp_path):
    from fewact import networks

    paths = sorted((assets / "clips" / "utd5_rgb").glob("*/*.mp4"))[::60]
    backbone = networks.create(device="cpu", precision="float32")
    clips = [Clip(path) for path in paths]
    made = job(tmp_path / "s", listed(clips), backbone, [FeatureRequest("vectors", View(8))])
    run(made, backbone)
    (one,) = Store(tmp_path / "s").sets()
    for found in extract(clips, backbone, [FeatureRequest("vectors", View(8))]):
        stored = widen(one.read(found.clip.fingerprint())[FEATURES_NAME])
        expected = found.features[FeatureRequest("vectors", View(8))]
        np.testing.assert_array_equal(stored, widen(narrow(expected)))
