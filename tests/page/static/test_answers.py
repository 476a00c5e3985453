"""Clips to try in a real browser: before anything is taught, while a recording is searched."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.lab.synthetic.conditions import Condition, picture
from fewact.page.jobs import PageJob
from fewact.page.session import PageSession
from fewact.video import EveryNth, read_frames, write_video
from tests.page.browser import MARKS, Person, Serve, clips_of
from tests.page.conftest import Here
from tests.page.teaching import video

pytestmark = MARKS


def test_the_camera_is_beside_the_cards_and_follows_what_is_taught(
    server: Here, chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = list[str]()

    async def look(page: PageSession, stream: str, *_: Any) -> Any:
        streams.append(stream)
        shares = {"wave": 0.15, "throw": 0.01}
        return {"label": "wave", "probabilities": shares, "events": [], "rate": 10}

    facts = PageSession.facts
    taught = list[dict[str, Any]]()
    monkeypatch.setattr(
        PageSession, "facts", lambda page: {**facts(page), "model": taught[-1] if taught else None}
    )
    monkeypatch.setattr(PageSession, "look", look)
    for name in ("wave", "throw"):
        server.post("/api/classes", name=name)
    for width, beside in ((1100, True), (1000, False)):
        person = Person(chromium, server, viewport={"width": width, "height": 900})
        page = person.page
        page.get_by_role("button", name="Live camera").click()
        if not taught:
            person.says("#try dialog .on-picture", "^Waits until something is taught")
            taught.append({"id": "1", "summary": "", "details": [], "none": 1})
            server.post("/api/classes", name="jump")  # the page gets the state
        person.says("#try dialog .on-picture", "^Not sure: perhaps wave$")  # of 15 %
        shown = page.locator("#try dialog .bar").all_inner_texts()
        assert shown == ["wave\n15 %", "throw\n1 %", "Anything else\n84 %"]
        cards, camera = (page.locator(one).bounding_box() for one in ("#cards", "#try dialog"))
        assert (camera["x"] > cards["x"] + cards["width"]) is beside
        person.check()
        # The cards can be used meanwhile, and an undo by keyboard; there is one camera.
        person.add_action(f"clap {width}", [])
        page.get_by_role("button", name="Live camera").click()
        assert page.locator("dialog").count() == 1
        page.keyboard.press("Control+z")
        page.get_by_label(f"Name of the action clap {width}").wait_for(state="detached")
        page.get_by_role("button", name="Close").focus()
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")
    assert len(set(streams)) == 2


def test_an_answer_is_confirmed_or_corrected_and_the_message_undoes_it(
    server: Here, chromium: Any, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = PageSession.facts
    model = {"id": "1", "summary": "", "details": [], "none": 1}
    result = {"label": "wave", "probability": 0.9, "probabilities": {"wave": 0.9, "throw": 0.1}}

    def answered(page: PageSession) -> dict[str, Any]:
        shown = facts(page)
        results = {id: {**result, "model": "1"} for id in shown["clips"]}
        return {**shown, "model": model, "results": results}

    monkeypatch.setattr(PageSession, "facts", answered)
    for name in ("wave", "throw"):
        server.post("/api/classes", name=name)
    server.upload(clip, "name=1.mp4")
    person = Person(chromium, server)
    page = person.page
    hue = "(one) => getComputedStyle(one).getPropertyValue('--hue')"
    of_card = page.locator(".card:has([aria-label='Clips of throw'])").evaluate(hue)
    of_bar = page.locator(".bar").filter(has_text="throw").evaluate(hue)
    assert of_card == of_bar != page.locator(".bar").filter(has_text="wave").evaluate(hue)
    person.check()
    for name in ("wave", "throw"):
        answer = page.locator(".answer")
        if name == "wave":
            answer.get_by_role("button", name="Right").click()
        else:
            answer.get_by_label("Wrong, it was").select_option("throw")
            answer.get_by_role("button", name="Teach it").click()
        person.clips(name, 1)
        person.says(".toast", f"1.mp4 is a clip of {name} now")
        server.post("/api/classes", name=f"after {name}")  # which stays
        page.locator(".toast").get_by_role("button", name="Undo").click()
        answer.wait_for()
        person.clips(name, 0)
        person.says(".toast", "Undone: labelled 1.mp4")
    assert server.state()["classes"] == ["wave", "throw", "after wave", "after throw"]


def test_a_box_says_who_is_meant_and_each_who_moves_has_an_answer(
    server: Here, chromium: Any, clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts, asked = PageSession.facts, list[bool | None]()
    model = {"id": "1", "summary": "", "details": [], "none": 1}
    boxes = [2.0, 5.0, 20.0, 40.0], [40.0, 5.0, 20.0, 40.0]
    shares = {"probability": 0.4, "probabilities": {"wave": 0.4, "throw": 0.6}}
    each = [("1", boxes[0], "wave", 0.9), ("2", boxes[1], "(none)", 0.5)]
    subjects = [
        {"subject": s, "box": box, "label": label, "probability": p} for s, box, label, p in each
    ]
    found = [("2", "throw", 4.0), ("1", "wave", 1.0), ("2", "wave", 8.0)]
    events = [
        {"label": label, "start": at, "end": at + 2, "confidence": 0.9, "repetitions": 1}
        | {"subject": s, "box": boxes[int(s) - 1]}
        for s, label, at in found
    ]

    def answered(page: PageSession) -> dict[str, Any]:
        shown = facts(page)
        each = {"subjects": subjects} if asked[-1:] == [True] else {"label": "(none)", **shares}
        one = {**each, "movers": 2, "model": "1"}
        watched = {"events": events, "counts": {"wave": 2, "throw": 1}, "ended": True, "time": 20}
        results = {
            id: {**watched, "model": "1"} if clip["recording"] else one
            for id, clip in shown["clips"].items()
        }
        return {**shown, "model": model, "results": results}

    def predict(page: PageSession, id: str, tab: str, *, apart: bool | None = None) -> Any:
        asked.append(apart)
        page.notify()
        return PageJob("predict", tab, page._predict(id), id)

    monkeypatch.setattr(PageSession, "facts", answered)
    monkeypatch.setattr(PageSession, "predict", predict)
    for name in ("wave", "throw"):
        server.post("/api/classes", name=name)
    (id,) = server.upload(clip, "name=me.mp4&label=wave")[1]["ids"]
    person = Person(chromium, server, viewport={"width": 390, "height": 844}, has_touch=True)
    page, dialog = person.page, person.page.locator("dialog")

    def box() -> Any:
        dialog.wait_for(state="detached")
        return server.state()["clips"][id]["box"]

    for label, begin, end in [("a", (0.25, 0.25), (0.75, 1.2)), ("another", (0.9, 0.5), (0.4, 0))]:
        page.get_by_role("button", name="Play me.mp4").tap()
        dialog.get_by_role("button", name=f"Draw {label} box").tap()
        person.check()
        place = dialog.locator(".marks").bounding_box()
        for step, (x, y) in enumerate((begin, end)):
            page.mouse.move(place["x"] + x * place["width"], place["y"] + y * place["height"])
            page.mouse.up() if step else page.mouse.down()
        dialog.get_by_role("button", name="Save").tap()
        left, top = (min(begin[i], end[i]) for i in (0, 1))
        right, bottom = (min(1, max(begin[i], end[i])) for i in (0, 1))
        parts = left * 64, top * 48, (right - left) * 64, (bottom - top) * 48
        assert box() == pytest.approx(parts, abs=1)
    page.locator(".clip .mark").wait_for()
    page.get_by_role("button", name="Play me.mp4").tap()
    dialog.get_by_role("button", name="Use all of the picture").tap()
    dialog.get_by_role("button", name="Save").tap()
    assert box() is None
    page.get_by_role("button", name="Undo").first.tap()
    person.says(".toast", "Undone: said who is meant in me.mp4")
    assert box() == pytest.approx(parts, abs=1)

    # A clip in which two things move: an answer for each, which teaches who is in its box.
    server.upload(clip, "name=two.mp4")
    answer = page.locator(".answer")
    person.says(".movers", "2 things move")
    answer.get_by_role("button", name="Answer for each").tap()
    person.says(".answer .label", "2 who move")
    texts = answer.locator(".events button").all_inner_texts()
    assert [" ".join(one.split()) for one in texts] == ["1 wave 90 %", "2 None of your actions"]
    person.check()
    page.get_by_role("button", name="Play two.mp4").tap()
    assert dialog.locator(".mark").all_inner_texts() == ["1 wave", "2"]
    page.keyboard.press("Escape")
    answer.locator(".events button").last.tap()
    dialog.get_by_label("This shows").select_option("throw")
    dialog.get_by_role("button", name="Teach it").tap()
    person.clips("throw", 1)
    taught = [one for one in server.state()["clips"].values() if one["label"] == "throw"]
    assert [(one["box"], one["start"], one["end"]) for one in taught] == [(boxes[1], None, None)]
    assert asked == [True]

    # A recording: a row for each subject.
    film = write_video(tmp_path / "long.mp4", np.zeros((40, 48, 64, 3), np.uint8), 2)
    server.upload(film.read_bytes(), "name=long.mp4")
    recording = page.locator(".recording")
    recording.locator(".lane").first.wait_for()
    assert recording.locator(".lane-name").all_inner_texts() == ["Subject 1", "Subject 2"]
    lanes = recording.locator(".lane").all()
    assert [lane.locator(".spans li").count() for lane in lanes] == [1, 2]
    person.check()
    recording.locator(".spans li").first.tap()
    assert dialog.get_by_label("Left").input_value() == "2"
    assert dialog.get_by_label("From (s)").input_value() == "1.00"


def test_a_search_lets_a_clip_be_tried_and_is_cancelled(
    serve: Serve, chromium: Any, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, fails = PageSession._work, ["is damaged"]

    async def other(page: PageSession, method: str, *arguments: Any, seconds: float) -> Any:
        """Search without an end; the first prediction fails."""
        if method == "watch":
            await asyncio.sleep(0.1)
            return {"events": [], "counts": {}, "time": 7.0, "ended": False}
        if method == "predict" and fails:
            raise DataError(fails.pop())
        return await work(page, method, *arguments, seconds=seconds)

    monkeypatch.setattr(PageSession, "_work", other)
    server = serve(begun)
    person = Person(chromium, server)
    page = person.page
    film = np.zeros((40, 48, 64, 3), np.uint8)
    person.choose("Choose clips to try", [write_video(tmp_path / "long.mp4", film, 2)])
    person.says(".recording .label", "Searching")
    person.choose("Choose clips to try", [video(tmp_path / "short.mp4", 3)])
    short = page.locator(".answer:not(.recording)")
    person.says(".answer:not(.recording) .label", "is damaged")
    person.check()
    short.get_by_role("button", name="Try again").click()
    person.says(".answer:not(.recording) .label", "%")
    assert short.get_by_role("button", name="Try again").is_hidden()
    assert short.get_by_role("button", name="Right").is_visible()
    person.says(".recording .label", "Searching")
    assert page.get_by_role("button", name="Search again").is_disabled()
    page.get_by_role("button", name="Cancel the search").click()
    person.says(".recording .label", "Cancelled: 0 actions found so far")
    page.get_by_role("button", name="Search again").click()
    person.says(".recording .label", "Searching")
    page.get_by_role("button", name="Remove long.mp4").click()
    state = server.wait(
        lambda state: all(
            job["kind"] != "watch" or job["state"] != "running" for job in state["jobs"]
        )
    )
    assert [job["state"] for job in state["jobs"] if job["kind"] == "watch"] == [
        "cancelled",
        "done",
    ]
    assert person.faults == []


def test_a_recording_that_was_searched_by_a_former_server_says_so(
    serve: Serve, chromium: Any, begun: Path, tmp_path: Path
) -> None:
    server = serve(begun)
    film = write_video(tmp_path / "long.mp4", np.zeros((40, 48, 64, 3), np.uint8), 2)
    (id,) = server.upload(film.read_bytes())[1]["ids"]
    assert server.post(f"/api/clips/{id}/predict")[0] == 202
    server.wait(lambda state: state["results"].get(id, {}).get("ended"))
    server.stop()
    person = Person(chromium, serve(begun))
    person.says(".recording .label", "^Results are kept only while fewact serve runs")
    person.page.get_by_role("button", name="Search again").click()
    person.says(".recording .label", "actions? found|No action found")
    assert person.faults == []


def test_faults_of_training_clips_and_of_clips_to_try_are_named(
    serve: Serve, chromium: Any, assets: Path, tmp_path: Path
) -> None:
    def dark(path: Path) -> Path:
        frames = read_frames(path, EveryNth(1))
        times = np.arange(len(frames)) / len(frames)
        return write_video(
            tmp_path / path.name, picture(frames, times, Condition("dark", 2), 0), 15
        )

    person = Person(chromium, serve())
    (wave, another) = clips_of(assets, "a03_wave", "s1_t1", "s2_t1")
    person.add_action("wave", [dark(wave), another])
    person.add_action("throw", clips_of(assets, "a05_throw", "s1_t1", "s2_t1"))
    assert person.page.locator(".faults:visible").count() == 0
    person.teach()
    advice = "very dark; record with more light"
    person.says(".card .faults", f"{wave.name}: {advice}")
    assert person.page.locator(".card .faults li").count() == 1
    (tried,) = clips_of(assets, "a05_throw", "s6_t1")
    person.choose("Choose clips to try", [tried])
    person.says(".answer .label", "throw|None of your")
    assert person.page.locator(".answer .faults li").count() == 0
    person.choose("Choose clips to try", [dark(tried)])
    person.says(".answer .faults", advice)
    person.check()
    assert person.faults == []
