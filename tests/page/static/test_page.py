"""The page in a real browser, as a person uses it: Chromium with a camera of real clips."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from fewact.classifier import history
from fewact.core.errors import OutputError
from fewact.page.session import PageSession
from fewact.video import EveryNth, read_frames, write_video
from tests.page.browser import MARKS, Person, Serve, clips_of, copies, focused, held, next_of, shows
from tests.page.conftest import Here

pytestmark = MARKS


@pytest.fixture(scope="module")
def recording(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 28 s: people wave, throw, and do something else."""
    order = [
        ("a03_wave", "s1_t1"),
        ("a01_swipe_left", "s1_t1"),
        ("a05_throw", "s2_t1"),
        ("a01_swipe_left", "s4_t1"),
        ("a03_wave", "s3_t1"),
    ]
    parts = [read_frames(clips_of(assets, *one)[0], EveryNth(1)) for one in order * 2]
    path = tmp_path_factory.mktemp("recording") / "monday.mp4"
    return write_video(path, np.concatenate(parts), 15)


def test_the_first_ten_minutes(
    serve_apart: Serve, chromium: Any, assets: Path, recording: Path, tmp_path: Path
) -> None:
    person = Person(chromium, serve_apart())
    page = person.page
    person.check()

    # Two actions by files and one by the camera; something else.
    person.add_action("wave", clips_of(assets, "a03_wave", "s1_t1", "s2_t1", "s3_t1"))
    person.add_action("throw", clips_of(assets, "a05_throw", "s1_t1", "s2_t1", "s3_t1"))
    person.add_action("clap", [])
    page.get_by_role("button", name="Record clips of clap").click()
    for taken in (1, 2):
        page.get_by_role("button", name="Start").click()
        person.says("dialog .hint", f"{taken} clips? saved")
    person.check()
    page.keyboard.press("Escape")
    person.clips("clap", 2)
    others = clips_of(assets, "a01_swipe_left", "s1_t1", "s2_t1", "s3_t1", "s4_t1")
    person.choose("Choose clips of Anything else", others)
    person.clips("Anything else", 4)
    person.choose("Choose clips to try", clips_of(assets, "a03_wave", "s6_t1"))
    person.says(".answer .label", "Waits until something is taught")

    # A reload in the middle of teaching loses nothing.
    page.get_by_role("button", name="Teach", exact=True).click()
    person.says("#teach-status", r"Teaching: \d+ of \d+")
    page.reload()
    person.taught()
    person.says("#review p", r"^\d of \d training clips were recognised")

    # New clips, the reason of an answer, the other tab, a correction, and its undo.
    person.says(".answer .label", "wave, ")
    assert page.locator(".answer .again").is_hidden()
    reason = person.opens("Why?")
    assert reason.locator("svg .ribbon").count() > 0
    assert reason.locator("svg image").count() > 8
    reason.close()
    other = person.new_tab()
    other.locator(".answer .label").filter(has_text="wave, ").wait_for()
    page.locator(".answer select").select_option("throw")
    page.locator(".answer").get_by_role("button", name="Teach it").click()
    person.clips("throw", 4)
    person.taught()
    other.wait_for_function(
        "() => document.querySelectorAll(\"[aria-label='Clips of throw'] .clip\").length === 4"
    )
    other.get_by_role("button", name=re.compile("^Undo")).click()
    person.clips("throw", 3)
    person.says("#teach-status", "1 clip is new or changed")
    person.teach()
    other.close()

    # A long recording: events, and a correction from it.
    person.choose("Choose clips to try", [recording])
    person.says(".recording .label", "actions? found")
    events = page.locator(".recording .events button")
    assert events.count() == page.locator(".recording .spans li").count() > 0
    person.check()
    events.first.click()
    page.get_by_label("This shows").select_option("none")
    page.locator("dialog").get_by_role("button", name="Teach it").click()
    person.clips("Anything else", 5)
    person.taught()

    # A moment that is marked by hand; teaching of many clips that is cancelled.
    page.locator(".recording").get_by_role("button", name="Mark an action").click()
    page.get_by_label("From (s)").fill("3")
    page.get_by_label("To (s)").fill("5.5")
    page.get_by_label("This shows").select_option("throw")
    page.locator("dialog").get_by_role("button", name="Teach it").click()
    person.clips("throw", 4)
    person.taught()
    takes = [f"s{number}_t{take}" for number in range(1, 7) for take in (2, 3, 4)]
    person.choose("Choose clips of throw", clips_of(assets, "a05_throw", *takes))
    person.clips("throw", 22)
    page.get_by_role("button", name="Teach", exact=False).first.click()
    page.get_by_role("button", name="Cancel").click()
    person.says(".toast", "Teaching was cancelled")
    page.get_by_role("button", name="Undo").click()
    person.clips("throw", 4)
    person.taught()

    # The camera sees what it was taught.
    page.get_by_role("button", name="Live camera").click()
    person.says("#try dialog .on-picture", "clap, ")
    page.keyboard.press("Escape")
    assert (person.foreign, person.faults) == ([], [])

    # A report, and the model as a file.
    report = person.opens("Report")
    assert {"wave", "throw", "clap"} <= set(report.locator("table td").all_inner_texts())
    report.close()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the model as a file").click()
    file = saved.value.path().rename(tmp_path / "model.safetensors")

    # The command line and the page use the same folder.
    from fewact import FewShotClassifier

    classifier = FewShotClassifier.load(person.server.model)
    assert tuple(classifier.classes_) == ("clap", "throw", "wave")
    claps = [one.name for one in classifier.fitted_.clips if one.label == "clap"]
    name = r"clap/camera \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.webm"
    assert len(claps) == 2
    assert all(re.fullmatch(name, one) for one in claps)
    (clip,) = clips_of(assets, "a05_throw", "s6_t1")
    assert classifier.predict(clip).best == "throw"
    classifier.rename_class("clap", "applaud").save(person.server.model)
    page.reload()
    page.get_by_role("button", name=re.compile("^Choose clips of Anything")).wait_for()
    person.choose("Choose clips to try", clips_of(assets, "a04_clap", "s5_t1"))
    page.wait_for_function(
        "() => [...document.querySelectorAll('input.name')].some((one) => one.value === 'applaud')"
    )

    # The file of the model brings its actions back; so does undoing that.
    person.choose("Open a model file", [file])
    person.says(".toast", "The model model.safetensors is open")
    person.clips("clap", 2)
    page.get_by_role("button", name="Undo: opened model.safetensors").click()
    person.clips("applaud", 2)
    person.teach()
    assert "applaud" in FewShotClassifier.load(person.server.model).classes_
    assert (person.foreign, person.faults) == ([], [])


LONG = "Donaudampfschifffahrtsgesellschaftskapitän winkt der Rettungsschwimmerin zu"


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_every_width_scheme_and_direction(
    server: Here,
    chromium: Any,
    clip: bytes,
    width: int,
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = PageSession.facts

    def unlike(page: PageSession) -> dict[str, Any]:
        """Return what the page shows with a model for which each clip is unlike all actions."""
        shown = facts(page)
        model = {"id": "1", "summary": "", "details": [], "none": 1}
        result = {"label": "(none)", "probabilities": {"wave": 0.6}, "model": "1"}
        return {**shown, "model": model, "results": dict.fromkeys(shown["clips"], result)}

    monkeypatch.setattr(PageSession, "facts", unlike)
    for name in (LONG[:60], "يلوّح بيده", "wave"):
        assert server.post("/api/classes", name=name)[0] == 200
    server.upload(clip, f"name={quote(LONG)}.mp4&label=wave")
    server.upload(clip, f"name={quote(LONG)}.mp4")
    size, touch = {"width": width, "height": 800}, width == 320
    options = {"viewport": size, "color_scheme": scheme, "has_touch": touch, "is_mobile": touch}
    person = Person(chromium, server, reduced_motion="reduce", **options)
    person.says(".answer .label", "None of your actions")
    person.says(".answer .nearest", "wave comes nearest")
    person.check()
    if touch:  # a clip moves by the menu, and back by the message
        person.page.locator(".clip .move").tap()
        person.page.locator(".menu").get_by_role("button", name="Anything else").tap()
        person.clips("Anything else", 1)
        person.page.locator(".toast").get_by_role("button", name="Undo").tap()
        person.clips("wave", 1)
    person.page.get_by_role("button", name="Play Donau").first.click()
    close = person.page.get_by_role("button", name="Close")
    assert close.bounding_box()["width"] > close.bounding_box()["height"]
    person.page.keyboard.press("Escape")
    moving = "document.getAnimations().filter((one) => one.playState === 'running').length"
    assert person.page.evaluate(moving) == 0
    person.page.evaluate("document.documentElement.dir = 'rtl'")
    person.check_width()
    person.page.evaluate(
        "for (const e of document.querySelectorAll('button span, h1, h2, h3, p, button'))"
        " if (e.children.length === 0) e.textContent += ' und noch etwas länger'"
    )
    person.check_width()


def test_keyboard_alone(person: Person, clip: bytes) -> None:
    server = person.server
    page = person.page

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "(document.activeElement.getAttribute('aria-label') || "
                "document.activeElement.labels?.[0]?.textContent || "
                "document.activeElement.textContent).trim()"
            )
            if focused == name:
                return
        raise AssertionError(f"no way to {name}")

    tab_to("First action")
    page.keyboard.type("wave")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the action wave").wait_for()
    (id,) = server.upload(clip, "name=me.mp4&label=wave")[1]["ids"]
    person.clips("wave", 1)
    page.evaluate("document.activeElement.blur()")
    tab_to("Name of the action wave")
    page.keyboard.press("Control+A")
    page.keyboard.type("hello")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the action hello").wait_for()
    tab_to("Play me.mp4")
    page.keyboard.press("Enter")
    page.locator("dialog video").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    tab_to("Play me.mp4")
    page.keyboard.press("Enter")
    tab_to("Draw a box")
    page.keyboard.press("Enter")  # the middle of 64 x 48 pixels
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        page.keyboard.press(key)
    tab_to("Left")
    page.keyboard.press("Control+A")
    page.keyboard.type("5")
    tab_to("Save")
    page.keyboard.press("Enter")
    page.locator("dialog").wait_for(state="detached")
    assert server.state()["clips"][id]["box"] == [5, 5, 32, 37]
    tab_to("Remove the clip me.mp4")
    page.keyboard.press("Enter")
    person.clips("hello", 0)
    page.keyboard.press("Control+z")
    person.clips("hello", 1)
    assert server.state()["clips"][id]["label"] == "hello"


def test_leaving_the_page_asks_while_files_are_being_added(
    person: Person, clip: bytes, tmp_path: Path
) -> None:
    page = person.page
    person.add_action("wave", [])
    waiting = held(page)
    person.choose("Choose clips of wave", copies(tmp_path, clip, 1))
    sent = next_of(page, waiting)
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    sent.continue_()
    person.clips("wave", 1)
    page.locator(".toast").filter(has_text="Adding").wait_for(state="detached")
    with page.expect_event("close"):
        page.close(run_before_unload=True)


def test_a_model_that_cannot_be_opened_says_so_and_is_taught_again(
    serve: Serve, chromium: Any, clip: bytes, tmp_path: Path
) -> None:
    server = serve()
    person = Person(chromium, server)
    for name in ("wave", "throw"):
        person.add_action(name, copies(tmp_path, clip, 1))
    person.says("#teach-status", "2 clips are new")
    (server.model / "model.safetensors").write_text("{}")
    person.page.reload()
    person.says("#teach-status", "The model in this folder cannot be opened: not a saved classi")
    person.page.get_by_role("button", name="Teach", exact=True).click()
    person.taught()
    kept = server.model / "history" / "000001.safetensors"
    assert kept.read_text(encoding="utf-8") == "{}"


def test_a_clip_is_labelled_before_there_are_enough_actions_to_teach(
    person: Person, clip: bytes, tmp_path: Path
) -> None:
    page = person.page
    person.add_action("wave", copies(tmp_path, clip, 1))
    person.choose("Choose clips to try", copies(tmp_path, clip, 1))
    page.locator(".answer select").select_option("wave")
    page.locator(".answer").get_by_role("button", name="Teach it").click()
    person.clips("wave", 2)
    page.wait_for_timeout(1000)
    person.says("#teach-status", "^To teach, give two actions a clip each")
    assert page.locator(".toast.bad").count() == 0
    refused = person.server.post("/api/teach")
    assert refused == (409, {"error": {"key": "needs_two"}})


def test_undo_by_keyboard_is_not_also_that_of_the_browser(person: Person) -> None:
    server = person.server
    for name in ("wave", "throw", "clap"):
        server.post("/api/classes", name=name)
    page = person.page
    page.get_by_label("Name of the action clap").wait_for()
    page.locator(".card.new input").click()
    page.keyboard.type("jump")
    page.locator("#try").focus()
    cyrillic = (
        "new KeyboardEvent('keydown', {key: 'я', code: 'KeyZ', ctrlKey: true, bubbles: true})"
    )
    for count, name in ((2, "clap"), (1, "throw")):
        if count == 2:
            page.keyboard.press("Control+Z")  # as with caps lock
        else:
            page.evaluate(f"document.body.dispatchEvent({cyrillic})")
        server.wait(lambda state, count=count: len(state["classes"]) == count)
        page.get_by_label(f"Name of the action {name}").wait_for(state="detached")
        said = f"Undone: added the action {name}"
        page.wait_for_function(
            "text => document.querySelector('.toast')?.innerText === text", arg=said
        )
    assert focused(page) == "try"
    assert page.locator(".card.new input").first.input_value() == "jump"
    assert page.locator(".toast").count() == 1
    for name in ("throw", "clap"):  # a key that is held undoes once
        server.post("/api/classes", name=name)
        page.get_by_label(f"Name of the action {name}").wait_for()
    page.keyboard.down("Control")
    for _ in range(5):
        page.keyboard.down("z")
    page.get_by_label("Name of the action clap").wait_for(state="detached")
    page.wait_for_timeout(500)
    assert server.state()["classes"] == ["wave", "throw"]


def test_a_page_that_is_open_says_that_a_command_changed_the_model(
    serve: Serve, chromium: Any, begun: Path, clip: bytes
) -> None:
    server = serve(begun)
    person = Person(chromium, server)
    person.taught()
    assert server.upload(clip, "name=1.mp4&label=x")[0] == 201
    person.clips("x", 2)
    person.teach()
    assert person.page.locator(".toast").count() == 0
    history.undo(begun)
    person.new_tab()
    person.says(".toast", "A command changed the model")
    person.says("#bin-title", "Removed: 1 clip")


def test_a_model_that_cannot_be_saved_as_a_file_says_why(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def export(page: PageSession, file: Path) -> None:
        raise OutputError("cannot be written: no space left on device")

    monkeypatch.setattr(PageSession, "export", export)
    shows(monkeypatch, model={"summary": "", "details": []})
    person.add_action("wave", [])
    said = person.opens("Save the model as a file")
    said.get_by_text("no space left on device").wait_for()
    assert person.page.url == f"{person.server.origin}/"
