"""A search of an index for commands: its question, and files of what is found."""

from pathlib import Path

import pytest

from fewact import FewShotClassifier
from fewact.core.errors import OptionError, StoreError
from fewact.networks import BackboneSpec
from fewact.recordings.formats import read_events
from fewact.recordings.index import Archive, IndexedRecording
from fewact.recordings.search import open_search, write_page, write_segments
from fewact.recordings.segments import Segment


def segment(name: str, start: float) -> Segment:
    return Segment(IndexedRecording(Path(name), "a" * 64), start, start + 1, "wave", 0.5, 0.9, 0.7)


def test_a_model_is_searched_without_marks(
    archive: Archive, examples: FewShotClassifier, tmp_path: Path
) -> None:
    folder, model = archive.entries.folder.parents[1], examples.save(tmp_path / "model")
    search = open_search(folder, [str(model)], BackboneSpec(), None)
    assert search.question.classes == ["down", "left", "right"]
    found = search.found(8, 3)
    assert len(found) > 3
    assert [one.similarity is not None for one in found[:4]] == [True, True, True, False]
    with pytest.raises(OptionError) as refused:
        open_search(folder, [str(model)], BackboneSpec(), tmp_path / "marks.csv")
    assert refused.value.where == "--marks"


def test_a_folder_without_an_index_is_refused(queries: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        open_search(tmp_path, [str(queries["left"])], BackboneSpec(), None)


def test_files_of_one_recording_are_in_the_order_of_time(tmp_path: Path) -> None:
    found = [segment("a.mp4", 5), segment("a.mp4", 2)]
    write_segments(found, tmp_path / "found.srt")
    assert (tmp_path / "found.srt").read_text().index("00:00:02") < 20
    write_segments(found, tmp_path / "found.csv")
    events = read_events(tmp_path / "found.csv").events
    assert [(one.start, one.mark) for one in events] == [(5, "?"), (2, "?")]
    with pytest.raises(OptionError) as refused:
        write_segments([*found, segment("b.mp4", 0)], tmp_path / "two.srt")
    assert refused.value.where == str(tmp_path / "two.srt")
    write_segments(found, None)
    write_page(None, "", {})


def test_a_page_has_what_can_be_marked(tmp_path: Path) -> None:
    write_page(tmp_path / "marks.html", "Found", {"best": [segment("a.mp4", 5)]})
    write_page(tmp_path / "groups.html", "Groups", {"1": [segment("a.mp4", 5)]}, "", to_mark=False)
    marks, groups = ((tmp_path / name).read_text() for name in ("marks.html", "groups.html"))
    assert "a.mp4#t=5.000,6.000" in marks
    assert ("<script" in marks, "<script" in groups) == (True, False)
