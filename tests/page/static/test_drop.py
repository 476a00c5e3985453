"""Files and folders that are dropped on the page of a real browser."""

import re
from pathlib import Path

import numpy as np

from fewact.video import write_video
from tests.page.browser import MARKS, Person, copies, drop, held, next_of

pytestmark = MARKS


def test_the_videos_of_a_dropped_folder_are_added(
    person: Person, clip: bytes, tmp_path: Path
) -> None:
    page = person.page
    person.add_action("wave", [])
    folder, notes = tmp_path / "clips", tmp_path / "notes"
    (folder / "below").mkdir(parents=True)
    notes.mkdir()
    for path in (
        folder / "2.mp4",
        folder / "10.MP4",
        folder / "below" / "3.dav",
        tmp_path / "4.mp4",
    ):
        path.write_bytes(clip)
    for path in (folder / "notes.txt", notes / "notes.txt"):
        path.write_text("no video")
    drop(page, "[data-key=wave]", folder, tmp_path / "4.mp4")
    person.clips("wave", 4)
    names = [one["name"] for one in person.server.state()["clips"].values()]
    assert names == ["2.mp4", "10.MP4", "3.dav", "4.mp4"]
    page.get_by_role("button", name="Undo: added several clips").click()
    person.clips("wave", 0)
    drop(page, "[data-key=wave]", notes)
    person.says(".toast", "There is no video in the folder notes")
    assert page.locator(".toast.bad").count() == 1


def test_drops_beside_the_cards_make_actions(person: Person, clip: bytes, tmp_path: Path) -> None:
    page = person.page
    for name in ("mine/wave/1.mp4", "mine/wave/more/2.mp4", "mine/none/3.mp4", "jump/4.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(clip)
    (tmp_path / "5.mp4").write_bytes(clip)
    drop(page, "#actions .panel-head", tmp_path / "mine", tmp_path / "jump", tmp_path / "5.mp4")
    dialog = page.get_by_role("dialog", name="Add 5.mp4")
    dialog.get_by_label("Which action is it?").fill("clap")
    person.check()
    page.keyboard.press("Enter")
    for name, count in (("wave", 2), ("jump", 1), ("clap", 1), ("Anything else", 1)):
        person.clips(name, count)
    drop(page, "#actions .panel-head", tmp_path / "5.mp4")
    dialog.wait_for()
    page.keyboard.press("Escape")  # then it is not added
    dialog.wait_for(state="detached")
    assert len(person.server.state()["clips"]) == 5


def test_an_error_names_its_file(person: Person, clip: bytes, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    (tmp_path / "good.mp4").write_bytes(clip)
    person.add_action("wave", [])
    person.choose("Choose clips of wave", [tmp_path / "notes.mp4", tmp_path / "good.mp4"])
    person.clips("wave", 1)
    message = person.page.locator(".toast.bad").inner_text()
    assert re.fullmatch(r"notes\.mp4: is not a video, [^()]*\. Copy, [^()]*\.", message)


def test_files_that_a_lost_program_did_not_get_are_named_in_one_message(
    person: Person, clip: bytes, tmp_path: Path
) -> None:
    files = copies(tmp_path, clip, 40)
    person.add_action("wave", [])
    waiting = held(person.page)
    person.choose("Choose clips of wave", files)
    next_of(person.page, waiting).abort()
    message = "0.mp4, 1.mp4, 2.mp4 and 37 more: The program does not answer."
    person.says(".toast.bad", f"^{message}$")
    assert person.page.locator(".toast").count() == 1
    assert waiting == []


def test_a_file_that_is_gone_is_named_and_the_others_are_added(
    person: Person, clip: bytes, tmp_path: Path
) -> None:
    files = copies(tmp_path, clip, 3)
    person.add_action("wave", [])
    waiting = held(person.page)
    person.choose("Choose clips of wave", files)
    first = next_of(person.page, waiting)
    person.says(".toast.working", "^Adding 1 of 3: 0.mp4")
    files[1].unlink()  # the second one is gone before its turn
    first.continue_()
    next_of(person.page, waiting).continue_()
    person.says(".toast.bad", r"^1\.mp4: The file cannot be read")
    person.clips("wave", 2)


def test_a_long_recording_on_an_action_is_cut_or_searched(person: Person, tmp_path: Path) -> None:
    frames = np.zeros((32, 48, 64, 3), np.uint8)
    frames[:, 10:30, 10:30] = 200
    film, page = write_video(tmp_path / "long.mp4", frames, 2), person.page
    person.server.post("/api/classes", name="wave")
    person.choose("Choose clips of wave", [film])
    dialog = page.get_by_role("dialog", name=re.compile(r"^long.*lasts 0:16$"))
    person.check()
    dialog.get_by_role("button", name="Cut the action out").click()
    assert page.get_by_label("This shows").input_value() == "wave"
    page.locator("dialog").get_by_role("button", name="Teach it").click()
    page.locator("[aria-label='Clips of wave'] .clip").wait_for()
    (clip,) = (one for one in person.server.state()["clips"].values() if one["label"])
    assert (clip["label"], clip["start"], clip["end"]) == ("wave", 0, 2)
    person.choose("Choose clips of wave", [film])
    dialog.get_by_role("button", name="Search it").click()
    person.clips("wave", 1)
    assert page.locator(".answer.recording").count() == 2
