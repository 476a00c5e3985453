"""Texts and values that the code of the page and the server share."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fewact.core.errors import DataError
from fewact.page.names import class_name
from fewact.page.requests import STATIC, error_page
from tests.page.browser import Person, in_browser

NOTHING = {"expected": "", "hint": ""}


def test_what_was_lost_is_said_wherever_the_page_is_scrolled_to() -> None:
    style = STATIC.joinpath("page.css").read_text(encoding="utf-8")
    rule = re.search(r"#offline \{(.*?)\}", style)
    assert rule
    assert re.search(r"position: (sticky|fixed); inset-block-start: 0;", rule[1])


def test_an_error_page_says_what_the_page_says() -> None:
    error = {"key": "", "what": "<b>is damaged", "got": "x", "expected": "a clip", "hint": "Look."}
    assert "<p>&lt;b&gt;is damaged (a clip). Look.</p>" in error_page(error)
    assert "<p>is damaged</p>" in error_page(error | {"what": "is damaged", **NOTHING})
    assert "<p>The upload was cut off.</p>" in error_page({"key": "cut_off"})


def test_no_action_has_the_title_of_the_card_of_no_action() -> None:
    title = json.loads(STATIC.joinpath("texts.json").read_text(encoding="utf-8"))["else_title"]
    for name in (title, title.upper(), f" {title} "):
        with pytest.raises(DataError):
            class_name(name)
    assert class_name(f"{title} else") == f"{title} else"


def test_every_text_exists_and_is_used() -> None:
    texts: dict[str, Any] = json.loads(STATIC.joinpath("texts.json").read_text(encoding="utf-8"))
    scripts = [one for one in STATIC.iterdir() if one.name.endswith(".js")]
    code = "".join(one.read_text(encoding="utf-8") for one in scripts)
    html = STATIC.joinpath("page.html").read_text(encoding="utf-8")
    python = "".join(path.read_text() for path in Path(str(STATIC)).parent.glob("*.py"))
    in_html = set(re.findall(r"texts\.(\w+)", html))
    in_code = set(re.findall(r"\btext\(\s*\"([\w.]+)\"", code))
    assert in_html | in_code <= set(texts)
    quoted = {name for name in texts if f'"{name}"' in code}
    assert set(texts) - in_html - quoted == {"errors", "steps_done"}
    for key in texts["errors"]:
        stem = key.removeprefix("worker_").removeprefix("decoder_")
        assert f'"{key}"' in code + python or f'"{stem}"' in python, key
    for key in re.findall(r"RefusedError\(\d+, \"(\w+)\"", python):
        assert key in texts["errors"], key
    for what in texts["steps_done"]:
        assert f'"{what}"' in python, what


@in_browser
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
