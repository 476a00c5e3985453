"""What is drawn again in a real browser: lists, messages, and the focus."""

from pathlib import Path
from typing import Any

import numpy as np

from fewact.video import write_video
from tests.page.browser import MARKS, Person, focused
from tests.page.teaching import Serve

pytestmark = MARKS


def test_lists_with_equal_keys_do_not_grow(person: Person) -> None:
    shown = person.page.evaluate(
        """async () => {
            const { h, sync } = await import("/static/view.js");
            const list = h("ul", {}, h("li", {}, "old"));
            for (const items of ["aba", "aab", "aba"])
                sync(list, [...items], (one) => one, (one) => h("li", {}, one));
            return list.textContent;
        }"""
    )
    assert shown == "aba"


def test_the_focus_stays_near_what_changed(person: Person, clip: bytes) -> None:
    server = person.server
    for name in ("wave", "throw"):
        server.post("/api/classes", name=name)
    for i in range(3):
        server.upload(clip, f"name={i}.mp4&label=wave")
    page = person.page
    person.clips("wave", 3)

    field = page.get_by_label("Name of the action wave")
    field.fill("hello")
    field.press("Enter")
    page.get_by_label("Name of the action hello").wait_for()
    assert focused(page) == "Name of the action hello"

    page.get_by_label("Remove the clip 1.mp4").focus()
    for count, then in ((2, "Remove the clip 2.mp4"), (1, "Remove the clip 0.mp4")):
        page.keyboard.press("Enter")
        person.clips("hello", count)
        assert focused(page) == then
    page.keyboard.press("Enter")
    person.clips("hello", 0)
    assert focused(page) == "Record clips of hello"

    page.get_by_label("Remove the action hello").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Remove the action hello").wait_for(state="detached")
    assert focused(page) == "Remove the action throw"

    server.upload(clip, "name=try.mp4")
    page.get_by_role("button", name="Remove try.mp4").focus()
    page.keyboard.press("Enter")
    page.locator(".answer").wait_for(state="detached")
    assert focused(page) == "try"


def test_the_focus_stays_where_a_button_is_disabled_or_hidden(
    serve: Serve, chromium: Any, begun: Path, clip: bytes, tmp_path: Path
) -> None:
    server = serve(begun)
    server.upload(clip, "name=1.mp4&label=x")
    film = write_video(tmp_path / "long.mp4", np.zeros((40, 48, 64, 3), np.uint8), 2)
    server.upload(film.read_bytes(), "name=long.mp4")
    person = Person(chromium, server)
    page = person.page
    person.says("#teach-status", "1 clip is new")
    page.locator("#teach").focus()
    page.keyboard.press("Enter")
    person.taught()
    assert focused(page) == "teach-bar"
    page.get_by_role("button", name="Search again").focus()
    page.keyboard.press("Enter")
    person.says(".recording .label", "actions? found|No action found")
    assert page.evaluate("document.activeElement.matches('.recording')")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.recording') !== null")
    page.locator("#undo").focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        page.wait_for_timeout(1000)
    assert server.state()["undo"] is None
    assert page.evaluate("document.activeElement.matches('.top')")


def test_a_message_is_closed_and_gives_the_focus_back(person: Person, tmp_path: Path) -> None:
    page = person.page
    page.set_viewport_size({"width": 390, "height": 844})
    (tmp_path / "notes.mp4").write_text("no video")
    person.add_action("wave", [])
    for press in (True, False):
        person.choose("Choose clips of wave", [tmp_path / "notes.mp4"])
        person.says(".toast.bad", "notes.mp4: ")
        close = page.get_by_role("button", name="Hide this message")
        page.get_by_label("Remove the action wave").focus()
        if press:
            close.focus()
            page.keyboard.press("Enter")
        else:
            close.click()
        page.locator(".toast").wait_for(state="detached")
        assert focused(page) == "Remove the action wave"


def test_an_error_stays_until_it_is_closed(person: Person, tmp_path: Path) -> None:
    page = person.page
    page.clock.install()
    person.add_action("wave", [])
    shown = page.locator(".toast.bad span")
    for name in "1234567466":
        file = tmp_path / f"{name}.mp4"
        file.write_text("no video")
        person.choose("Choose clips of wave", [file])
        shown.last.filter(has_text=f"{name}.mp4: ").wait_for()
    page.clock.fast_forward("10:00")
    assert [text[:6] for text in shown.all_inner_texts()] == [f"{i}.mp4:" for i in "35746"]
    close = page.get_by_role("button", name="Hide this message")
    for _ in range(5):
        close.first.click()
    assert page.locator(".toast").count() == 0
