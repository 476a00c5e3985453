"""Cards of actions in a real browser: names, clips, and advice."""

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.page.browser import MARKS, Person, drop, shows

pytestmark = MARKS


def test_each_sentence_of_advice_is_shown_once(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows(
        monkeypatch,
        model={"summary": "First.", "details": ["Same.", "Detail."]},
        advice=["Same.", "Other.", "Same."],
    )
    for name in ("wave", "throw", "clap"):
        person.add_action(name, [])
    shown = person.page.locator("#review p:visible").all_inner_texts()
    assert shown == ["First.", "Same.", "Other."]
    person.page.get_by_text("What this rests on").click()
    assert person.page.locator("#review li").all_inner_texts() == ["Same.", "Detail."]


def test_clips_move_between_cards_by_menu_and_by_drag(person: Person, clip: bytes) -> None:
    page, server = person.page, person.server
    for name in ("wave", "throw"):
        server.post("/api/classes", name=name)
    for name in ("1.mp4", "2.mp4"):
        server.upload(clip, f"name={name}&label=wave")
    page.get_by_label("Move the clip 1.mp4", exact=True).click()
    person.check()
    page.keyboard.press("Enter")  # the first of the other actions
    person.clips("throw", 1)
    person.says(".toast", "1.mp4 is a clip of throw now")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    person.clips("wave", 2)
    page.get_by_label("Move the clip 1.mp4", exact=True).click()
    page.locator(".menu").get_by_role("button", name="Anything else").click()
    person.clips("Anything else", 1)
    page.locator(".clip").filter(has=page.get_by_label("Play 2.mp4")).drag_to(
        page.locator("[data-key=throw] .card-head")
    )
    person.clips("throw", 1)
    # A card stays marked when something else changes while files are over it.
    drop(page, "[data-key=wave]", Path(__file__), steps="dragEnter dragOver")
    page.locator("[data-key=wave][data-over]").wait_for()
    server.post("/api/classes", name="clap")
    page.get_by_label("Name of the action clap").wait_for()
    assert page.locator("[data-over]").get_attribute("data-key") == "wave"
    person.check()


def test_clips_that_are_scrolled_out_of_view_are_not_animated(person: Person, clip: bytes) -> None:
    person.page.set_viewport_size({"width": 360, "height": 600})
    for _ in range(60):
        assert person.server.upload(clip, "name=1.mp4&label=wave")[0] == 201
    person.clips("wave", 60)
    assert person.page.locator(".clip:visible").count() == 12  # the card is folded
    person.page.get_by_role("button", name="Show all 60 clips").click()
    assert person.page.locator(".clip:visible").count() == 60
    person.page.wait_for_timeout(500)
    assert 0 < person.page.evaluate("document.getAnimations().length") < 60


def test_thumbnails_move_for_less_than_five_seconds_by_themselves(
    person: Person, clip: bytes
) -> None:
    assert person.server.upload(clip, "name=1.mp4&label=wave")[0] == 201
    person.clips("wave", 1)
    ends = "document.getAnimations().map((one) => one.effect.getComputedTiming().endTime)"
    person.page.mouse.move(1, 1)
    assert max(person.page.evaluate(ends)) < 5000  # WCAG 2.2.2
    person.page.locator(".clip").hover()  # then somebody looks at it
    assert person.page.evaluate(f"{ends}.includes(Infinity)")


def test_a_name_of_either_direction_is_beside_the_button(person: Person, clip: bytes) -> None:
    name = quote("فيديو طويل جدا للتجربة والتعليم.mp4")
    assert person.server.upload(clip, f"name={name}")[0] == 201
    person.page.set_viewport_size({"width": 390, "height": 844})
    person.page.locator(".answer").wait_for()
    covered = """() => {
      const range = document.createRange();
      range.selectNodeContents(document.querySelector(".answer .file"));
      const away = document.querySelector(".answer .away").getBoundingClientRect();
      return [...range.getClientRects()].some((line) => line.right > away.left
        && line.left < away.right && line.top < away.bottom && line.bottom > away.top);
    }"""
    for direction in ("ltr", "rtl"):
        person.page.evaluate(f"document.documentElement.dir = '{direction}'")
        assert not person.page.evaluate(covered)


def test_a_click_that_ends_the_renaming_of_an_action_is_not_lost(
    person: Person, clip: bytes
) -> None:
    server = person.server
    (id,) = server.upload(clip, "name=1.mp4&label=wave")[1]["ids"]
    page = person.page
    page.get_by_label("Name of the action wave").fill("hello")
    page.get_by_label("Remove the clip 1.mp4").hover()
    page.mouse.down()
    field = page.get_by_label("Name of the action hello")
    field.wait_for()
    page.mouse.up()
    server.wait(lambda state: state["clips"][id]["binned"])
    assert field.input_value() == "hello"
    for name in ("Choose clips of hello", "Record clips of hello", "Remove the action hello"):
        assert page.get_by_role("button", name=name).count() == 1
    server.post("/api/classes/rename", name="hello", to="wave")
    page.get_by_label("Name of the action wave").wait_for()
    page.get_by_role("button", name="Remove the action wave").click()
    server.wait(lambda state: state["classes"] == [])


def test_a_name_that_is_being_typed_stays(person: Person) -> None:
    server = person.server
    page = person.page
    first, second = page.locator(".card.new input").all()
    first.fill("wave")
    second.fill("clap")
    first.press("Enter")
    field = page.get_by_label("Name of the action wave")
    field.wait_for()
    assert [one.input_value() for one in page.locator(".card.new input").all()] == ["clap"]
    page.locator(".card.new input").press("Enter")
    page.get_by_label("Name of the action clap").wait_for()

    field.fill("greet")
    server.post("/api/classes/rename", name="wave", to="hello")  # as another tab does
    field = page.get_by_label("Name of the action hello")
    field.wait_for()
    assert field.input_value() == "greet"
    field.press("Enter")
    server.wait(lambda state: state["classes"] == ["greet", "clap"])


def test_removed_clips_have_their_names(person: Person, clip: bytes) -> None:
    server = person.server
    for name in ("1.mp4", "2.mp4"):
        ids = server.upload(clip, f"name={name}&label=wave")[1]["ids"]
        server.post("/api/clips/remove", ids=ids)
    person.page.locator("#bin-title").click()
    for name in ("1.mp4", "2.mp4"):
        person.page.locator("#bin-list").get_by_text(name, exact=True).wait_for()
    person.check()
