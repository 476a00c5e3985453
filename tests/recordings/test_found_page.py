"""The page of found segments: what is marked there in a browser is what ``--marks`` reads."""

from pathlib import Path

import pytest

from fewact.recordings.formats import read_events
from fewact.recordings.found_page import found_page
from fewact.recordings.index import IndexedRecording
from fewact.recordings.segments import Segment
from tests.page.browser import CHROMIUM, playwright
from tests.report.test_explanation import HOSTILE


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")
def test_marks_are_saved_as_events(tmp_path: Path) -> None:
    recorded = IndexedRecording(tmp_path / f"{HOSTILE.replace('/', '')}.mp4", "a" * 64)
    found = [Segment(recorded, i, i + 1.5, HOSTILE, 0.5, 0.3, 0.25) for i in range(3)]
    file = tmp_path / "found.html"
    file.write_text(found_page("Found", (), {"group": found}, to_mark=True).html())
    faults: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(file.as_uri())
        page.get_by_label("right").nth(0).check()
        page.get_by_label("wrong").nth(2).check()
        with page.expect_download() as saved:
            page.get_by_role("link", name="Save the marks").click()
        saved.value.save_as(tmp_path / "marks.json")
        browser.close()
    events = read_events(tmp_path / "marks.json").events
    assert [(one.start, one.end, one.mark) for one in events] == [
        (0.0, 1.5, "right"),
        (1.0, 2.5, "?"),
        (2.0, 3.5, "wrong"),
    ]
    assert {(one.recording, one.label) for one in events} == {(str(recorded.path), HOSTILE)}
    assert not faults
    assert "<script" not in found_page("Found", (), {"group": found}).html()
