"""A person's times on the page, in a real browser, and its pictures for the guide.

    python -m benchmarks.page -o docs/guides

Rendered clips are dropped on a new page, three for each of two actions and nine of other actions;
then a new clip. Printed are the seconds from the first drop to each answer, and from opening the
page to its first paint.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fewact.synthetic import motions
from fewact.video import write_video

ACTIONS = {"grow": "slides left, then grows", "rise": "slides left, then rises"}
OTHER = "hops, then turns clockwise"
TALLEST = 1600
START = "import sys; from fewact.cli import main; sys.exit(main(sys.argv[1:]))"


def render(folder: Path) -> tuple[dict[str, list[Path]], Path]:
    """Render clips of each action, and a recording of several; return them."""
    benchmark = motions(videos=10, frames=48, size=160)
    frames: dict[str, list[Any]] = {}
    for name, label in {**ACTIONS, "other": OTHER}.items():
        videos = [one for one in benchmark.videos.videos if one.label == label]
        frames[name] = [benchmark.render(one.id, range(0, 48, 2)) for one in videos[:10]]
    clips = {
        name: [write_video(folder / f"{name}-{i}.mp4", one, 12) for i, one in enumerate(found)]
        for name, found in frames.items()
    }
    order = [("grow", 5), ("other", 9), ("rise", 5), ("grow", 6), ("rise", 6), ("rise", 7),
             ("other", 9), ("grow", 7), ("rise", 8)]  # fmt: skip
    parts = np.concatenate([frames[name][i] for name, i in order])
    return clips, write_video(folder / "recording.mp4", parts, 12)


def choose(page: Any, name: str, files: list[Path]) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=name).click()
    chooser.value.set_files(files)


def use(page: Any, url: str, clips: dict[str, list[Path]], recording: Path) -> dict[str, float]:
    """Teach two actions and try a clip; return the seconds of each step."""
    page.set_default_timeout(600_000)
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    seconds = {"first paint": page.evaluate(paint) / 1000}
    begun = time.monotonic()
    for name in ACTIONS:
        page.locator(".card.new input").first.fill(name)
        page.locator(".card.new button").first.click()
        choose(page, f"Choose clips of {name}", clips[name][:3])
    choose(page, "Choose clips of Anything else", clips["other"][:9])
    page.wait_for_function("() => document.querySelectorAll('.card .clip').length === 15")
    seconds["15 clips added"] = time.monotonic() - begun
    page.locator("#teach").click()
    page.locator("#teach-status").filter(has_text="Everything is taught").wait_for()
    seconds["taught"] = time.monotonic() - begun
    choose(page, "Choose clips to try", clips["grow"][4:5])
    page.locator(".answer .label").filter(has_text=re.compile("%|none")).wait_for()
    seconds["first answer"] = time.monotonic() - begun
    again = time.monotonic()
    choose(page, "Choose clips to try", clips["rise"][4:5])
    page.locator(".answer .label").filter(has_text=re.compile("%|none")).nth(1).wait_for()
    seconds["a new clip, dropped to answer"] = time.monotonic() - again
    again = time.monotonic()
    choose(page, "Choose clips to try", [recording])
    page.locator(".recording:not(.busy) .label").filter(has_text="found").wait_for()
    seconds["a recording of 18 s, dropped to searched"] = time.monotonic() - again
    return seconds


def picture(page: Any, path: Path, scheme: str, width: int, tallest: int) -> None:
    from io import BytesIO

    from PIL import Image

    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)
    image = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
    image.crop((0, 0, image.width, min(image.height, tallest))).save(path, quality=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="Folder for the pictures.")
    output = parser.parse_args().output
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as started:
        folder = Path(temporary)
        clips, recording = render(folder)
        server = subprocess.Popen(
            [sys.executable, "-c", START, "serve", str(folder / "my-actions"), "--no-browser"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stderr is not None
            url = re.search(r"http://\S+", server.stderr.readline())
            assert url is not None
            browser = started.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            for step, spent in use(page, url[0], clips, recording).items():
                print(f"{step:45} {spent:6.2f} s", flush=True)
            if output is not None:
                picture(page, output / "page.webp", "light", 1280, TALLEST)
                picture(page, output / "page-dark.webp", "dark", 1280, TALLEST)
                picture(page, output / "page-phone.webp", "light", 390, TALLEST)
                with page.context.expect_page() as reason:
                    page.get_by_role("link", name="Why?").first.click()
                picture(reason.value, output / "page-why.webp", "light", 900, 740)
            browser.close()
        finally:
            server.terminate()
            server.communicate()


if __name__ == "__main__":
    main()
