"""The camera in a real browser: where it is not to be had, and when it goes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.page.browser import HOST, MARKS, Person, record
from tests.page.conftest import Here

pytestmark = MARKS


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
