"""Clips that a real browser records, keeps, and cannot send."""

import re

import pytest

from tests.page.browser import MARKS, Person, held, next_of, record

pytestmark = MARKS


def test_closing_the_recorder_cancels_the_clip(person: Person) -> None:
    page = person.page
    person.add_action("wave", [])
    for close in (True, False):
        record(page, "wave")
        if close:
            page.keyboard.press("Escape")
            page.locator("dialog").wait_for(state="detached")
        else:
            page.get_by_role("button", name="Stop").click()
            person.says("dialog .hint", "1 clip saved")
    person.clips("wave", 1)
    assert len(person.server.state()["clips"]) == 1
    assert person.faults == []


def test_clips_are_recorded_in_a_row_and_kept_or_thrown_away(person: Person) -> None:
    page, server = person.page, person.server
    person.add_action("wave", [])
    page.get_by_role("button", name="Record clips of wave").click()
    page.get_by_label("Length").select_option("2 s")
    page.get_by_label("Clips in a row").select_option("3")
    page.get_by_role("button", name="Start").click()
    person.says("dialog .hint", "Recording 1 of 3")
    person.says("dialog .time", r"^[01]\.\d of 2 s")
    person.says("dialog .countdown", "[123]")
    page.get_by_role("button", name="Stop").click()  # the first clip is there, no other comes
    page.locator(".take video").wait_for()
    page.get_by_role("button", name=re.compile("^Throw away")).click()
    person.says("dialog .hint", "^0 clips saved")
    page.get_by_role("button", name="Start").wait_for()  # the row has ended
    (clip,) = server.state()["clips"].values()
    assert (clip["binned"], 1.5 < clip["seconds"] < 3) == (True, True)
    page.get_by_role("button", name=re.compile("^Keep after all")).click()
    person.says("dialog .hint", "^1 clip saved")
    person.check()
    page.keyboard.press("Escape")
    person.clips("wave", 1)


def test_a_recording_of_anything_else_that_is_stopped_early_has_fewer_parts(person: Person) -> None:
    page = person.page
    record(page, "Anything else")
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Stop").click()
    page.locator("dialog").wait_for(state="detached")
    parts = list(person.server.state()["clips"].values())
    assert parts
    assert all(one["seconds"] / len(parts) > 1 for one in parts)


@pytest.mark.parametrize("name", ["wave", "Anything else"])
def test_a_recorded_clip_that_cannot_be_sent_is_kept_until_it_is_saved(
    person: Person, name: str
) -> None:
    page = person.page
    person.add_action("wave", [])
    waiting = held(page)
    record(page, name)
    page.get_by_role("button", name="Stop").click()
    next_of(page, waiting).abort()
    person.says("dialog .hint", "The clip is not saved")
    again = page.get_by_role("button", name="Save the clip")
    again.wait_for()
    assert page.evaluate("!window.dispatchEvent(new Event('beforeunload', {cancelable: true}))")
    again.click()
    sent = next_of(page, waiting)
    id = sent.request.headers["x-request"]
    answer = sent.fetch()  # the server adds the clip, but its answer is lost
    assert answer.status == 201
    sent.abort()
    again.click()
    sent = next_of(page, waiting)
    assert sent.request.headers["x-request"] == id
    sent.continue_()
    page.get_by_role("button", name="Save the clip").wait_for(state="detached")
    person.clips(name, len(answer.json()["ids"]))  # the state may be there before the answer
    page.wait_for_function(
        "() => window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    )
