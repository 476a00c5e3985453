"""Video sources: frames and fingerprints of files and of rendered videos."""

import os
import shutil

import numpy as np
import pytest

from fewact.core.errors import VideoError
from fewact.data import Clip
from fewact.synthetic import motions
from fewact.video import EveryNth, Segments, read_frame_sets, write_video
from tests.refused import refused

SAMPLERS = [Segments(4), EveryNth(2, limit=3), Segments(40)]


@pytest.fixture
def clip(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (12, 32, 48, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", noise, 12)
    return Clip(tmp_path / "a.mp4", start=0.25, end=0.75)


def test_a_clip_reads_the_chosen_frames_of_its_segment(clip):
    found = clip.read(SAMPLERS)
    expected = read_frame_sets(clip.path, SAMPLERS, start=0.25, end=0.75)
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
    small = clip.read(SAMPLERS, transform=lambda frame: frame[:2, :3])
    assert [len(frames) for frames in small] == [4, 3, 40]
    assert np.array_equal(small.frames[0], expected.frames[0][:, :2, :3])


def test_the_fingerprint_depends_on_content_and_times_but_not_on_the_path(clip, tmp_path):
    copy = Clip(shutil.copy(clip.path, tmp_path / "b.mp4"), "label", 0.25, 0.75, "group")
    assert copy.fingerprint() == clip.fingerprint()
    assert Clip(clip.path, end=0.75).fingerprint() != clip.fingerprint()
    copy.path.write_bytes(copy.path.read_bytes() + b"x")
    assert copy.fingerprint() != clip.fingerprint()


def test_the_fingerprint_of_a_folder_depends_on_the_order_of_its_images(tmp_path):
    def folder(name, *images):
        (tmp_path / name).mkdir()
        for file, content in images:
            (tmp_path / name / file).write_bytes(content)
        return Clip(tmp_path / name).fingerprint()

    first = folder("a", ("2.jpg", b"two"), ("10.jpg", b"ten"))
    assert folder("b", ("10.jpg", b"ten"), ("2.jpg", b"two"), ("Thumbs.db", b"-")) == first
    assert folder("c", ("2.jpg", b"ten"), ("10.jpg", b"two")) != first
    assert folder("d", ("2.jpg", b"twote"), ("10.jpg", b"n")) != first


def test_a_missing_file_has_no_fingerprint(tmp_path):
    with refused(VideoError, what="no such file"):
        Clip(tmp_path / "a.mp4").fingerprint()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_no_pipe_is_opened_for_a_fingerprint(tmp_path):
    """It would wait for a writer; a device such as /dev/zero has no end."""
    os.mkfifo(tmp_path / "a.mp4")
    with refused(VideoError, what="not a regular file"):
        Clip(tmp_path / "a.mp4").fingerprint()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.jpg").write_bytes(b"one")
    first = Clip(tmp_path / "b").fingerprint()
    os.mkfifo(tmp_path / "b" / "2.jpg")
    (tmp_path / "b" / "3.jpg").symlink_to("gone.jpg")
    assert Clip(tmp_path / "b").fingerprint() == first


def test_a_synthetic_video_is_rendered_when_it_is_read():
    benchmark = motions(videos=2, size=32)
    first, second = benchmark.videos.videos[:2]
    all_frames = benchmark.render(first.id)
    sets = first.source.read([Segments(4), EveryNth(1)])
    assert np.array_equal(sets.frames[1], all_frames)
    middles = [int((k + 0.5) * len(all_frames) / 4) for k in range(4)]
    assert np.array_equal(sets.frames[0], all_frames[middles])
    assert first.source.read([Segments(4)], transform=lambda f: f.mean()).frames[0].shape == (4,)
    assert first.source.fingerprint() == motions(size=32).videos.videos[0].source.fingerprint()
    assert first.source.fingerprint() != second.source.fingerprint()
    assert first.source.fingerprint() != motions(videos=2).videos.videos[0].source.fingerprint()
    assert first.clip is None


def test_a_synthetic_video_has_no_frames_beyond_its_end():
    video = motions(videos=1, size=32).videos.videos[0]
    with refused(VideoError, where=video.id):
        video.source.read([lambda timeline: np.array([timeline.n])])
