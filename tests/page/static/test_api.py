"""Answers that do not come, in a real browser."""

from pathlib import Path
from typing import Any

from tests.page.browser import MARKS, Person, copies, held, next_of
from tests.page.teaching import Serve

pytestmark = MARKS


def test_an_answer_that_is_cut_off_is_one_that_did_not_come(
    person: Person, clip: bytes, tmp_path: Path
) -> None:
    person.add_action("wave", [])
    waiting = held(person.page)
    person.choose("Choose clips of wave", copies(tmp_path, clip, 1))
    next_of(person.page, waiting).fulfill(status=201, body='{"ids": ["01')
    person.says(".toast.bad", r"^0\.mp4: The program does not answer\.$")


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
