"""Clips to try in a real browser: before anything is taught, while a recording is searched."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.page.session import PageSession
from fewact.synthetic.conditions import Condition, picture
from fewact.video import EveryNth, read_frames, write_video
from tests.page.browser import MARKS, Person, Serve, clips_of
from tests.page.conftest import Here
from tests.page.test_same_model import begun, video

__all__ = ["begun"]

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
