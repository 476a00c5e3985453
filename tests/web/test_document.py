"""The document: changes, undo, and the merge with a model that something else changed."""

import itertools

import pytest
from pydantic import ValidationError

from fewact.errors import DataError
from fewact.web.document import Clip, Document, SavedExample, class_name

A, B = "a" * 16, "b" * 16


def clip(label: str | None, file: str | None = f"{A}.mp4") -> Clip:
    return Clip(file=file, name="me.mp4", label=label, seconds=2.0)


def merged(document: Document, *examples: tuple[str, str]) -> Document:
    number = itertools.count()
    saved = [SavedExample(name=name, label=label) for name, label in examples]
    return document.merge(saved, lambda: f"{next(number):016x}")


def test_a_change_and_its_undo() -> None:
    start = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    assert start.classes == ("wave", "throw")
    renamed = start.relabelled("rename", "wave", "hello")
    assert (renamed.classes, renamed.clips[A].label) == (("hello", "throw"), "hello")
    assert renamed.undone() == start
    removed = start.relabelled("remove_class", "throw", None)
    assert (removed.classes, removed.clips[B].binned) == (("wave",), True)
    assert removed.undone() == start
    assert start.changed("label", clips={A: start.clips[A]}) is start
    assert start.undone().clips[A].binned


def test_a_name_that_exists_is_refused() -> None:
    start = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    with pytest.raises(DataError, match="exists already"):
        start.relabelled("rename", "wave", "throw")
    with pytest.raises(DataError, match="no such action"):
        start.relabelled("rename", "jump", "hop")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 61, "none", "None", "(none)", "\u202e"])
def test_names_that_no_action_can_have(name: str) -> None:
    with pytest.raises(DataError):
        class_name(name)


@pytest.mark.parametrize(
    "file", ["../a.mp4", "/etc/a.mp4", "..", "a", "page.json", ".mp4", "a\\b.mp4", "a.mp4\n", ""]
)
def test_a_document_of_somebody_else_names_no_file_outside_of_its_folder(file: str) -> None:
    with pytest.raises(ValidationError, match="not the name of a video file"):
        clip("wave", file)
    with pytest.raises(ValidationError, match="finite"):
        Clip(file="a.mp4", name="me.mp4", seconds=float("nan"))
    with pytest.raises(ValidationError, match="not a class name"):
        SavedExample(name="a.mp4", label="a\nb")


def test_the_command_line_adds_moves_and_removes() -> None:
    document = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    taught = merged(document, (f"wave/{A}.mp4", "wave"), (f"throw/{B}.mp4", "throw"))
    assert taught.changes == 0
    assert taught.clips == document.clips
    other = merged(taught, (f"hello/{A}.mp4", "hello"), ("jump/c.mp4", "jump"))
    assert other.clips[A].label == "hello"
    assert other.clips[B].binned
    assert [one.label for one in other.clips.values() if one.file is None] == ["jump"]
    assert other.classes == ("hello", "jump")
    assert other.changes == 0


def test_a_change_of_the_page_wins_over_one_of_the_command_line() -> None:
    document = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    taught = merged(document, (f"wave/{A}.mp4", "wave"), (f"throw/{B}.mp4", "throw"))
    mine = taught.changed("label", clips={A: clip("jump")})
    both = merged(mine, (f"hello/{A}.mp4", "hello"), (f"throw/{B}.mp4", "throw"))
    assert both.clips[A].label == "jump"
    assert both.changes == 1


def test_what_is_changed_while_it_is_taught_stays_changed() -> None:
    start = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    base = {A: "wave", B: "throw"}
    removed = start.changed("remove", clips={A: clip("wave").model_copy(update={"binned": True})})
    saved = [
        SavedExample(name=f"wave/{A}.mp4", label="wave"),
        SavedExample(name=f"{B}.mp4", label="throw"),
    ]
    after = removed.merge(saved, lambda: "0" * 16, base)
    assert after.clips[A].binned
    assert (after.changes, after.taught) == (1, base)


def test_a_clip_that_is_not_taught_yet_stays() -> None:
    document = Document().changed("add", clips={A: clip("wave")})
    assert merged(document).clips == document.clips
    assert merged(document).classes == ("wave",)


def test_what_is_forgotten_does_not_come_back() -> None:
    document = Document().changed("add", clips={A: clip("wave"), B: clip("wave", f"{B}.mp4")})
    removed = document.changed(
        "remove", clips={A: clip("wave").model_copy(update={"binned": True})}
    )
    forgotten = removed.forgotten([A, B])
    assert set(forgotten.clips) == {B}
    assert set(forgotten.undone().clips) == {B}
