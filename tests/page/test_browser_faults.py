"""The page in a real browser when something goes wrong, and by the keyboard."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from fewact.classifier import history
from fewact.core.errors import OutputError
from fewact.page.session import PageSession
from fewact.video import write_video
from tests.page.browser import HOST, MARKS, Person, Serve
from tests.page.conftest import Here
from tests.page.test_same_model import begun

__all__ = ["begun"]

pytestmark = MARKS


def focused(page: Any) -> str:
    """Return the name of what has the focus."""
    name: str = page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.id"
    )
    return name


def drop(page: Any, selector: str, *paths: Path, steps: str = "dragEnter dragOver drop") -> None:
    """Drop files and folders on an element, or do only some steps of it."""
    box = page.locator(selector).bounding_box()
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for what in steps.split():
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        session.send("Input.dispatchDragEvent", {"type": what, "x": x, "y": y, "data": data})


def test_at_an_address_that_browsers_do_not_trust(
    serve: Callable[[], Here], chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.page.server.LOOPBACK", ("127.0.0.1", HOST))
    server = serve()
    page = chromium.new_context().new_page()
    page.goto(server.url.replace("127.0.0.1", HOST))
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    assert not page.evaluate("isSecureContext")
    field = page.get_by_label("First action")
    field.fill("wave")
    field.press("Enter")
    page.get_by_role("button", name="Record clips of wave").click()
    page.locator("dialog .hint").filter(has_text="only on this computer").wait_for()


def shows(monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """Make pages show other facts."""
    facts = PageSession.facts
    monkeypatch.setattr(PageSession, "facts", lambda page: facts(page) | more)


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


def test_words_of_numbers_times_and_errors(person: Person) -> None:
    said = person.page.evaluate(
        """async () => {
            const { clock, errorText, headline, stepText, text } = await import("/static/texts.js");
            return [
                text("saved_clips", { n: 1 }), text("saved_clips", { n: 2 }), text("errors.no"),
                clock(0), clock(59.9), clock(3661), headline("wave", 0.5), headline("wave", 0.494),
                errorText({ key: "gone" }), errorText(undefined),
                errorText({ key: "", what: "is damaged", expected: "a clip", hint: "Look." }),
                stepText({ what: "rename", subject: "" }),
            ];
        }"""
    )
    assert said == [
        *("1 clip saved", "2 clips saved", "errors.no"),
        *("0:00", "0:59", "61:01", "wave, 50 %", "Not sure: perhaps wave"),
        *("It is not there any more.", "That did not work."),
        "is damaged (a clip). Look.",
        "renamed several clips",
    ]


def record(page: Any, action: str) -> None:
    """Open the recorder of an action, and record for a while."""
    page.get_by_role("button", name=f"Record clips of {action}").click()
    page.get_by_role("button", name="Start").click()
    page.locator("dialog.live").wait_for()
    page.wait_for_timeout(1500)


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


def test_an_error_names_its_file(person: Person, clip: bytes, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    (tmp_path / "good.mp4").write_bytes(clip)
    person.add_action("wave", [])
    person.choose("Choose clips of wave", [tmp_path / "notes.mp4", tmp_path / "good.mp4"])
    person.clips("wave", 1)
    message = person.page.locator(".toast.bad").inner_text()
    assert re.fullmatch(r"notes\.mp4: is not a video, [^()]*\. Copy, [^()]*\.", message)


def copies(folder: Path, clip: bytes, count: int) -> list[Path]:
    """Write some files of a clip."""
    files = [folder / f"{i}.mp4" for i in range(count)]
    for file in files:
        file.write_bytes(clip)
    return files


def held(page: Any) -> list[Any]:
    """Hold the uploads of a page; return the list of those that wait."""
    routes: list[Any] = []
    page.route("**/api/clips?*", lambda route: routes.append(route))
    return routes


def next_of(page: Any, waiting: list[Any]) -> Any:
    """Return the next upload that waits."""
    while not waiting:
        page.wait_for_timeout(100)
    return waiting.pop()


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


def test_an_answer_that_is_cut_off_is_one_that_did_not_come(
    person: Person, clip: bytes, tmp_path: Path
) -> None:
    person.add_action("wave", [])
    waiting = held(person.page)
    person.choose("Choose clips of wave", copies(tmp_path, clip, 1))
    next_of(person.page, waiting).fulfill(status=201, body='{"ids": ["01')
    person.says(".toast.bad", r"^0\.mp4: The program does not answer\.$")


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


def test_a_camera_that_is_disconnected_says_so(person: Person) -> None:
    page = person.page
    person.add_action("wave", [])
    record(page, "wave")
    page.evaluate(
        """() => document.querySelector("dialog video").srcObject.getTracks().forEach((track) => {
            track.stop();
            track.dispatchEvent(new Event("ended"));
        })"""
    )
    said = "1 clip saved. The camera is not connected any more"
    person.says("dialog .hint", said)
    page.get_by_role("button", name="Start").click()
    page.wait_for_timeout(3000)
    person.says("dialog .hint", said)
    assert page.locator("dialog.live").count() == 0
    assert person.faults == []


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


def test_a_page_of_a_former_server_says_so(serve_apart: Serve, chromium: Any) -> None:
    former = serve_apart()
    person = Person(chromium, former)
    page = person.page
    former.stop()
    person.says("#offline", "Start fewact serve again")
    page.set_viewport_size({"width": 800, "height": 300})
    page.evaluate("window.scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    assert page.locator("#offline").bounding_box()["y"] == 0
    again = f"import sys; sys.argv += ['--port', '{former.port}']; "
    server = serve_apart(former.model, before=again)
    person.says("#offline", "^Open the address that fewact serve shows")
    for path in ("/", "/report", "/why/0123456789abcdef"):
        page.goto(server.origin + path)
        assert page.locator("p").inner_text().startswith("Open the address")
        person.check_width()
    page.goto(server.url)
    page.wait_for_selector("html[data-ready]")
    assert page.locator("#offline").is_hidden()


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
