"""Parts of a recording in a real browser."""

from pathlib import Path

import numpy as np

from fewact.video import write_video
from tests.page.browser import MARKS, Person

pytestmark = MARKS


def test_a_part_of_a_recording_is_played_from_its_start_to_its_end(
    person: Person, tmp_path: Path
) -> None:
    frames = np.zeros((60, 48, 64, 3), np.uint8)
    film = write_video(tmp_path / "6.mp4", frames, 10).read_bytes()
    ids = person.server.upload(film, "name=6.mp4&label=none&pieces=4")[1]["ids"]
    page = person.page
    page.locator(f"[data-key='{ids[2]}'] .bare").click()
    page.wait_for_function(
        "() => { const video = document.querySelector('dialog video');"
        " return video.paused && video.currentTime >= 4.5 && video.currentTime < 5; }"
    )
    assert page.locator("dialog video").get_attribute("src").count("#") == 0
    assert page.evaluate("document.querySelector('dialog video').played.start(0)") >= 3
    page.evaluate("document.querySelector('dialog video').play()")
    page.wait_for_function("() => document.querySelector('dialog video').ended")


def test_no_action_is_chosen_for_a_new_mark(person: Person, tmp_path: Path) -> None:
    server = person.server
    server.post("/api/classes", name="wave")
    frames = np.zeros((32, 48, 64, 3), np.uint8)
    frames[:, 10:30, 10:30] = 200
    (id,) = server.upload(write_video(tmp_path / "long.mp4", frames, 2).read_bytes())[1]["ids"]
    page = person.page
    page.get_by_role("button", name="Mark an action").click()
    choice = page.get_by_label("This shows")
    assert choice.input_value() == ""
    page.locator("dialog").get_by_role("button", name="Teach it").click()
    assert page.locator("select:invalid").count() == 1
    choice.select_option("wave")
    # Errors are shown in the dialog, which covers the page; undo does not change what is below it.
    page.get_by_label("From (s)").fill("9")
    page.locator("dialog").get_by_role("button", name="Teach it").click()
    page.locator("dialog .toast.bad").filter(has_text="The end must be").wait_for()
    page.locator("dialog").get_by_role("button", name="Close").focus()
    page.keyboard.press("Control+z")
    page.wait_for_timeout(500)
    assert server.state()["classes"] == ["wave"]
    assert not server.state()["clips"][id]["binned"]
    page.keyboard.press("Escape")
    page.locator("body > #toasts").wait_for(state="attached")
    page.get_by_role("button", name="Mark an action").click()
    choice.select_option("wave")
    page.locator("dialog").get_by_role("button", name="Teach it").click()
    page.locator("[aria-label='Clips of wave'] .clip").wait_for()
    assert set(server.state()["clips"]) > {id}
