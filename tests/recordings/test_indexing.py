"""Recordings are indexed one by one: a worker gets and returns plain values."""

import json
import pickle
from pathlib import Path

import pytest

from fewact.features.store import Store
from fewact.networks import BackboneSpec
from fewact.recordings.index import Archive
from fewact.recordings.indexing import IndexRecording, index_each


@pytest.mark.slow
def test_a_worker_gets_and_returns_plain_values(
    archive: Archive, long_recording: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    folder = archive.entries.folder.parents[1]
    work = pickle.loads(pickle.dumps(IndexRecording(folder, BackboneSpec())))
    known, refused = json.loads(json.dumps([work(str(path)) for path in (long_recording, bad)]))
    assert known == {"path": str(long_recording), "new": False, "warnings": []}
    assert "bad.mp4" in refused["error"]


def test_a_bad_recording_does_not_stop_the_others(long_recording: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    work = IndexRecording(tmp_path / "index", BackboneSpec())
    first, second = index_each(work, [bad, long_recording], None, quiet=True)
    assert (list(first), second["new"]) == (["path", "error", "warnings"], True)
    assert len(Archive(Store(tmp_path / "index"), work._network.card).recordings()) == 1
