"""The document: changes, undo, and the merge with a model that something else changed."""

import itertools
import math
from typing import Any

import pytest
from pydantic import ValidationError

from fewact.core.errors import DataError
from fewact.core.page_folder import page_file
from fewact.page.clip import Clip, SavedExample
from fewact.page.document import Document
from fewact.page.names import class_name
from fewact.page.refused import GoneError, RefusedError

A, B = "a" * 16, "b" * 16


JOINED = ["\u202e", "\u200cwave", "wave\u200d", "a \u200cb", "a\u200c\u200db", "\u200c", "a\u200bb"]
"""Names with characters that cannot be seen."""


def clip(label: str | None, file: str | None = f"{A}.mp4") -> Clip:
    return Clip(file=file, name="me.mp4", label=label, seconds=2.0)


def example(name: str, label: str, **more: Any) -> SavedExample:
    """Return a training clip whose name is its file, if a page taught it."""
    file = page_file(name.rpartition("/")[2])
    return SavedExample(name=name, label=label, page_file=file, **more)


def merged(document: Document, *examples: tuple[str, str]) -> Document:
    number = itertools.count()
    saved = [example(name, label) for name, label in examples]
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


def test_a_removed_clip_of_an_action_that_is_renamed_comes_back_under_the_new_name() -> None:
    start = Document().changed("add", clips={A: clip("wav"), B: clip("wav", f"{B}.mp4")})
    binned = clip("wav").model_copy(update={"binned": True})
    removed = start.changed("remove", clips={A: binned})
    renamed = removed.relabelled("rename", "wav", "wave")
    back = renamed.clips[A].model_copy(update={"binned": False})
    restored = renamed.changed("restore", clips={A: back})
    assert (restored.classes, restored.clips[A].label) == (("wave",), "wave")
    assert renamed.undone() == removed
    assert removed.relabelled("remove_class", "wav", None).undone() == removed


def test_undo_keeps_the_actions_of_a_command() -> None:
    start = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    old = (f"wave/{A}.mp4", "wave"), (f"throw/{B}.mp4", "throw")
    more = merged(start, *old).changed("add_class", "jump", classes=[*start.classes, "jump"])
    undone = merged(more, *old, ("run/c.mp4", "run")).undone()
    assert undone.classes == ("wave", "throw", "run")
    moved = merged(start, *old).changed("label", clips={A: clip("throw")})
    undone = merged(moved, (old[0][0], "hello"), old[1]).undone()
    assert set(undone.classes) == {one.taught_as for one in undone.clips.values()}


def test_a_model_that_is_opened_again_after_undo_is_shown_again() -> None:
    start = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    saved = [example("jump/c.mp4", "jump"), example(f"wave/{A}.mp4", "hello")]
    number = itertools.count()

    def opened(document: Document) -> Document:
        return document.opened("import", "a.zip", saved, lambda: f"{next(number):016x}")

    first = opened(start)
    again = opened(first.undone())
    for document in (first, again, opened(again)):
        shown = {
            one.name: one.taught_as for one in document.clips.values() if one.file != f"{B}.mp4"
        }
        assert shown == {"jump/c.mp4": "jump", "me.mp4": "hello"}
        assert {"jump", "hello"} <= set(document.classes)
    assert again.undone().clips == first.undone().clips


def test_a_name_that_exists_is_refused() -> None:
    start = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    with pytest.raises(RefusedError, match="name_taken"):
        start.relabelled("rename", "wave", "throw")
    with pytest.raises(DataError, match="no such action"):
        start.relabelled("rename", "jump", "hop")


def test_a_clip_that_does_not_exist_is_gone() -> None:
    start = Document().changed("add", clips={A: clip("wave")})
    for use in (start.clip, lambda id: start.forgotten([A, id])):
        with pytest.raises(GoneError):
            use(B)
    with pytest.raises(GoneError):
        start.segment(B, 0.0, 1.0, "wave")


@pytest.mark.parametrize(
    ("start", "end"),
    [(-0.1, 1), (1, 1), (1, 0.5), (0, 3.1), (0, math.nan), (0, 0.09), (1.91, 3), (2, 3), (2.5, 3)],
)
def test_a_segment_is_within_its_clip(start: float, end: float) -> None:
    document = Document().changed("add", clips={A: clip("wave"), B: clip("wave", None)})
    whole, part = document.clips[A], document.segment(A, 0.2, 3.0, "throw")
    assert (part.key, part.label) == ((whole.file, 0.2, 2.0, 0), "throw")
    assert document.segment(A, 1.9, 2.0, "throw").start == 1.9
    assert (document.id_of(whole.key), document.id_of(part.key)) == (A, None)
    with pytest.raises(RefusedError, match="bad_segment"):
        document.segment(A, start, end, "wave")
    with pytest.raises(RefusedError, match="bad_segment"):
        document.segment(B, 0.0, 1.0, "wave")  # no video


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 61, "none", "None", "(none)", *JOINED])
def test_names_that_no_action_can_have(name: str) -> None:
    with pytest.raises(DataError):
        class_name(name)


@pytest.mark.parametrize(
    "name", ["می\u200cخورد", "🏋️\u200d♀️ lift", "क्\u200dष", "می\u200cرود می\u200cدود"]
)
def test_names_with_joiners_between_other_characters(name: str) -> None:
    assert class_name(f" {name} ") == name
    assert clip(name).label == name


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
        example(f"wave/{A}.mp4", "wave"),
        example(f"{B}.mp4", "throw"),
    ]
    after = removed.merge(saved, lambda: "0" * 16, base)
    assert after.clips[A].binned
    assert (after.changes, after.taught) == (1, base)


def test_a_clip_that_is_not_taught_yet_stays() -> None:
    document = Document().changed("add", clips={A: clip("wave")})
    assert merged(document).clips == document.clips
    assert merged(document).classes == ("wave",)


def test_a_clip_that_is_deleted_for_good_does_not_come_back_with_the_model_that_has_it() -> None:
    document = Document().changed("add", clips={A: clip("wave"), B: clip("throw", f"{B}.mp4")})
    old = (f"wave/{A}.mp4", "wave"), (f"throw/{B}.mp4", "throw")
    taught = merged(document, *old)
    binned = clip("wave").model_copy(update={"binned": True})
    deleted = taught.changed("remove", clips={A: binned}).forgotten([A])
    assert (set(deleted.clips), deleted.changes) == ({B}, 1)
    deleted = Document.model_validate_json(deleted.model_dump_json())
    for _ in range(2):  # the model is opened again
        deleted = merged(deleted, *old)
        assert (set(deleted.clips), deleted.changes) == ({B}, 1)
    after = merged(deleted, old[1])
    assert (set(after.clips), after.changes, after.deleted) == ({B}, 0, {})
    back = merged(after, *old)  # a former version
    assert sorted(one.name for one in back.clips.values()) == ["me.mp4", f"wave/{A}.mp4"]


def test_what_is_deleted_and_added_again_is_added() -> None:
    whole = Document().changed("add", clips={A: clip("throw")})
    part = whole.segment(A, 0.5, 1.5, "wave")
    saved = [
        example(f"throw/{A}.mp4", "throw"),
        example(f"wave/{A}.mp4", "wave", start=0.5, end=1.5),
    ]
    taught = whole.changed("add", clips={B: part}).merge(saved, lambda: "0" * 16)
    binned = part.model_copy(update={"binned": True})
    deleted = taught.changed("remove", clips={B: binned}).forgotten([B])
    again = deleted.changed("add", clips={"c" * 16: part}).merge(saved, lambda: "0" * 16)
    assert set(again.clips) == set(again.taught) == {A, "c" * 16}
    assert (again.changes, again.deleted) == (0, {})


def test_clips_of_a_page_that_come_without_their_videos_are_known_by_their_names() -> None:
    saved = (f"wave/{A}.mp4", "wave"), (f"throw/{B}.mp4", "throw")
    other = merged(Document(), *saved)
    assert [one.key for one in other.clips.values()] == [
        (f"{A}.mp4", None, None, 0),
        (f"{B}.mp4", None, None, 0),
    ]
    renamed = other.relabelled("rename", "wave", "hello")
    for document in (other, renamed):
        assert merged(document, *saved) == document
    after = merged(renamed, (f"hello/{A}.mp4", "hello"), saved[1])
    assert (after.clips, after.changes) == (renamed.clips, 0)


def test_what_is_forgotten_does_not_come_back() -> None:
    document = Document().changed("add", clips={A: clip("wave"), B: clip("wave", f"{B}.mp4")})
    removed = document.changed(
        "remove", clips={A: clip("wave").model_copy(update={"binned": True})}
    )
    forgotten = removed.forgotten([A, B])
    assert set(forgotten.clips) == {B}
    assert set(forgotten.undone().clips) == {B}
