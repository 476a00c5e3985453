"""Chromium with a camera of a real clip, and what a person does in it."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fewact.page.session import PageSession
from tests.page.conftest import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MARKS = [
    pytest.mark.slow,
    pytest.mark.assets,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]
"""Marks of tests in a browser."""


def in_browser(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test in a file of others."""
    for mark in MARKS:
        test = mark(test)
    return test


playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

SECONDS = 400
"""Time for a step on a busy machine."""

HOST = "fewact.test"
"""Name of this computer that a browser does not trust as it trusts others."""

Serve = Callable[..., Server]


def clips_of(assets: Path, action: str, *takes: str) -> list[Path]:
    folder = assets / "clips" / "utd5_rgb" / action
    return [next(folder.glob(f"*_{take}_*.mp4")) for take in takes]


@contextmanager
def launched(camera: Path) -> Iterator[Any]:
    """Yield Chromium whose camera shows a video file."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
                f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
            ],
        )
        yield browser
        browser.close()


class Person:
    """What a person does on a page."""

    def __init__(self, browser: Any, server: Server, **options: Any) -> None:
        self.server, self.foreign, self.faults = server, [], []
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(1000 * SECONDS)
        self.context.on("request", self._note)
        self.context.on("weberror", lambda one: self.faults.append(str(one.error)))
        self.context.on(
            "console", lambda one: self.faults.append(one.text) if one.type == "error" else None
        )
        self.page = self.new_tab()

    def new_tab(self) -> Any:
        page = self.context.new_page()
        page.goto(self.server.url)
        page.wait_for_selector("html[data-ready]")
        return page

    def opens(self, link: str) -> Any:
        """Click on a link that opens a page of its own; return the page."""
        with self.context.expect_page() as opened:
            self.page.get_by_role("link", name=link).first.click()
        opened.value.wait_for_load_state()
        return opened.value

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.server.origin, "blob:", "data:")):
            self.foreign.append(request.url)

    def choose(self, label: str, files: list[Path]) -> None:
        button = self.page.get_by_role("button", name=label)
        for left in reversed(range(4)):  # a click is lost if the page is drawn again during it
            try:
                with self.page.expect_file_chooser(timeout=250 * SECONDS) as chooser:
                    button.click()
                break
            except playwright.TimeoutError:
                if not left:
                    raise
        chooser.value.set_files(files)

    def add_action(self, name: str, files: list[Path]) -> None:
        field = self.page.locator(".card.new input").first
        field.fill(name)
        field.press("Enter")
        self.page.get_by_role("button", name=f"Choose clips of {name}").wait_for()
        if files:
            self.choose(f"Choose clips of {name}", files)
        self.clips(name, len(files))

    def clips(self, name: str, count: int) -> None:
        self.page.wait_for_function(
            "([name, n]) => document.querySelectorAll(`[aria-label='Clips of ${name}'] .clip`)"
            ".length === n",
            arg=[name, count],
        )

    def says(self, selector: str, text: str) -> None:
        found = self.page.locator(selector)
        try:
            found.filter(has_text=re.compile(text)).first.wait_for()
        except playwright.TimeoutError as error:
            error.add_note(f"It says: {found.all_inner_texts()}")
            raise

    def teach(self) -> None:
        self.page.get_by_role("button", name="Teach", exact=False).first.click()
        self.taught()

    def taught(self) -> None:
        self.says("#teach-status", "Everything is taught")

    def check(self) -> None:
        """Check what holds for the page at any time."""
        found = axe.Axe().run(self.page).response["violations"]
        grave = [
            (one["id"], one["nodes"][0]["html"])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert grave == []
        self.check_width()
        assert (self.foreign, self.faults) == ([], [])

    def check_width(self) -> None:
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(wide) <= 0


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


def shows(monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """Make pages show other facts."""
    facts = PageSession.facts
    monkeypatch.setattr(PageSession, "facts", lambda page: facts(page) | more)


def record(page: Any, action: str) -> None:
    """Open the recorder of an action, and record for a while."""
    page.get_by_role("button", name=f"Record clips of {action}").click()
    page.get_by_role("button", name="Start").click()
    page.locator("dialog.live").wait_for()
    page.wait_for_timeout(1500)


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
