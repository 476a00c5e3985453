"""The state that entries of the journal add up to: edits, undo, names, and what the model has."""

import math
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fewact.classifier.names import STORED_FILE, Sides
from fewact.core.errors import DataError
from fewact.data import BACKGROUND
from fewact.page.folder import compacted
from fewact.page.names import class_name
from fewact.page.state import (
    ActionChanged,
    AnyEntry,
    ClipsAdded,
    ClipsDeleted,
    ClipsMoved,
    GoneError,
    ModelFound,
    ModelTaught,
    PageClip,
    PageState,
    RefusedError,
    StepUndone,
    fold,
    new_id,
)

A, B, C, D, E = (letter * 16 for letter in "abcde")
JOINED = ["\u202e", "\u200cwave", "wave\u200d", "a \u200cb", "a\u200c\u200db", "\u200c", "a\u200bb"]
"""Names with characters that cannot be seen."""


def clip(id: str, label: str | None = "wave", name: str = "me.mp4", **more: Any) -> PageClip:
    return PageClip(file=f"{id}.mp4", name=name, label=label, seconds=2.0, **more)


def example(name: str, label: str, **more: Any) -> PageClip:
    """Return a training clip whose name is its file, if a page taught it."""
    file = name.rpartition("/")[2]
    return PageClip(
        name=name, label=label, page_file=file if STORED_FILE.fullmatch(file) else None, **more
    )


class Story:
    """What a user and commands did one after the other."""

    def __init__(self, **clips: PageClip) -> None:
        self.entries: list[AnyEntry] = []
        if clips:
            self.add(**clips)

    @property
    def state(self) -> PageState:
        return fold(self.entries)

    def _append(self, entry: AnyEntry) -> None:
        """Append an entry as a journal does: one that changes nothing is left out."""
        if fold([*self.entries, entry]) != self.state:
            self.entries.append(entry)

    @property
    def clips(self) -> dict[str, PageClip]:
        return self.state.clips

    @property
    def names(self) -> dict[str, str]:
        return {id: clip.saved_as for id, clip in self.clips.items()}

    def add(self, **clips: PageClip) -> None:
        self._append(ClipsAdded(id=new_id(), clips=clips))

    def move(
        self,
        what: Literal["label", "remove", "restore", "box"],
        *ids: str,
        label: str | None = None,
        box: Sides | None = None,
    ) -> None:
        self._append(ClipsMoved(id=new_id(), what=what, clips=ids, label=label, box=box))

    def action(
        self,
        what: Literal["add_class", "rename", "remove_class"],
        name: str,
        to: str | None = None,
    ) -> None:
        self._append(ActionChanged(id=new_id(), what=what, name=name, to=to))

    def delete(self, *ids: str) -> None:
        removed = tuple(id for id in ids if id in self.clips and self.clips[id].binned)
        self._append(ClipsDeleted(id=new_id(), clips=removed))

    def undo(self) -> None:
        self._append(StepUndone(id=new_id(), step=self.state.last_step))

    def teach(self) -> None:
        labels = {id: clip.label or "" for id, clip in self.state.training_clips.items()}
        boxes = {id: box for id in labels if (box := self.clips[id].box)}
        self._append(ModelTaught(id=new_id(), model=new_id(), clips=labels, boxes=boxes))

    def find(
        self,
        *examples: PageClip,
        what: Literal["import", "elsewhere"] = "elsewhere",
        model: str | None = "1",
    ) -> None:
        entry = ModelFound(id=new_id(), what=what, subject="a.zip", model=model, examples=examples)
        self._append(entry)


def seen(state: PageState) -> tuple[Any, ...]:
    """Return what the user sees of a state."""
    return state.classes, state.clips, state.model_labels, state.model


def two() -> Story:
    """A page with a clip of each of two actions."""
    return Story(**{A: clip(A), B: clip(B, "throw")})


BOX = 10.0, 20.0, 30.0, 40.0
WAVE, THROW = example(f"wave/{A}.mp4", "wave"), example(f"throw/{B}.mp4", "throw")


def test_a_tried_clip_whose_lesson_is_undone_is_tried_again_and_not_removed() -> None:
    story = two()
    story.add(**{C: clip(C, None)})
    story.teach()
    story.move("label", C, label="wave")
    story.teach()
    story.undo()
    assert (story.clips[C].label, story.clips[C].binned, story.state.changes) == (None, False, 1)
    for finish in (story.teach, lambda: story.find(WAVE, THROW, model="2")):
        finish()
        assert (story.clips[C].label, story.clips[C].binned) == (None, False)
        assert story.state.changes == 0


def test_an_edit_and_its_undo() -> None:
    for what, edit in {
        "rename": lambda story: story.action("rename", "wave", "hello"),
        "remove_class": lambda story: story.action("remove_class", "throw"),
        "add_class": lambda story: story.action("add_class", "jump"),
        "label": lambda story: story.move("label", A, label="throw"),
        "remove": lambda story: story.move("remove", A, B),
    }.items():
        story = two()
        before = seen(story.state)
        edit(story)
        assert seen(story.state) != before
        assert story.state.last_step.what == what
        story.undo()
        assert seen(story.state) == before
    assert story.clips[A].label == "wave"
    story.move("label", A, label="wave")
    assert [step.what for step in story.state.steps] == ["add"]  # nothing changed
    story.undo()
    assert [clip.binned for clip in story.clips.values()] == [True, True]  # nothing is lost
    assert story.state.classes == ()
    with pytest.raises(DataError):
        story.undo()


def test_who_is_meant_is_said_taught_and_undone() -> None:
    story = two()
    story.teach()
    story.move("box", A, box=BOX)
    assert (story.clips[A].box, story.state.changes) == (BOX, 1)
    assert story.state.last_step.what == "box"
    assert not story.state.is_in_model(A)
    # A command changed something else: the model's clip, without the box, is the same one.
    story.find(WAVE, example(f"throw/{B}.mp4", "jump"))
    assert {id: (c.label, c.box) for id, c in story.clips.items()} == {
        A: ("wave", BOX),
        B: ("jump", None),
    }
    story.teach()
    assert (story.state.changes, story.state.model_boxes) == (0, {A: BOX})
    story.move("remove", A)
    assert story.state.changes == 1
    story.undo()
    story.undo()  # the box
    assert (story.clips[A].box, story.clips[A].binned, story.state.changes) == (None, False, 1)
    # A model file that has the box brings it back; another box is another clip.
    story.find(example(f"wave/{A}.mp4", "wave", box=BOX), THROW, what="import")
    assert story.clips[A].box == BOX
    story.find(example(f"wave/{A}.mp4", "throw", box=(1, 2, 3, 4)), THROW, what="import")
    assert story.clips.keys() > {A, B}


def test_a_removed_clip_of_an_action_that_is_renamed_comes_back_under_the_new_name() -> None:
    story = Story(**{A: clip(A, "wav"), B: clip(B, "wav")})
    story.move("remove", A)
    removed = seen(story.state)
    story.action("rename", "wav", "wave")
    story.move("restore", A)
    assert (story.state.classes, story.clips[A].label) == (("wave",), "wave")
    story.undo()
    story.undo()
    assert seen(story.state) == removed
    story.action("remove_class", "wav")
    story.undo()
    assert seen(story.state) == removed


def test_undo_keeps_what_a_command_did() -> None:
    story = two()
    story.find(WAVE, THROW)
    story.action("add_class", "jump")
    story.find(WAVE, THROW, example("run/c.mp4", "run"))
    story.undo()
    assert story.state.classes == ("wave", "throw", "run")
    story = two()
    story.find(WAVE, THROW)
    story.move("label", A, label="throw")
    story.find(example(f"wave/{A}.mp4", "hello"), THROW)
    assert (story.clips[A].label, story.state.changes) == ("throw", 1)  # the page wins
    story.undo()
    assert story.clips[A].label == "hello"
    assert set(story.state.classes) == {"hello", "throw"}


def test_a_model_that_is_opened_again_after_undo_is_shown_again() -> None:
    story = two()
    saved = example("jump/c.mp4", "jump"), example(f"wave/{A}.mp4", "hello")
    for undoes in (True, False, False):
        story.find(*saved, what="import")
        shown = {clip.name: clip.training_label for id, clip in story.clips.items() if id != B}
        assert shown == {"jump/c.mp4": "jump", "me.mp4": "hello"}
        assert {"jump", "hello"} <= set(story.state.classes)
        if undoes:
            story.undo()
            assert story.clips[A].label == "wave"
            assert story.clips.keys() - {A, B}  # in the bin
            assert {story.clips[id].binned for id in story.clips.keys() - {A, B}} == {True}


def test_what_an_action_is_called_now() -> None:
    story = two()
    story.action("rename", "wave", "hello")
    assert story.state.label("wave") == "hello"
    story.undo()
    assert story.state.label("hello") == "wave"
    story.action("rename", "wave", "greet")
    story.action("rename", "greet", "salute")
    assert {story.state.label(name) for name in ("wave", "greet", "salute")} == {"salute"}
    story.action("remove_class", "throw")
    with pytest.raises(RefusedError, match="action_removed"):
        story.state.label("throw")
    story.undo()
    assert story.state.label("throw") == "throw"
    story.teach()
    story.find(example("jump/1.mp4", "jump"), what="import", model="2")
    with pytest.raises(RefusedError, match="action_removed"):
        story.state.label("wave")


@pytest.mark.parametrize(
    ("start", "end"),
    [(-0.1, 1), (1, 1), (1, 0.5), (0, 3.1), (0, math.nan), (0, 0.09), (1.91, 3), (2, 3), (2.5, 3)],
)
def test_a_segment_is_within_its_clip(start: float, end: float) -> None:
    state = Story(**{A: clip(A), B: PageClip(file=None, name="b.mp4", label="wave")}).state
    whole, part = state.clips[A], state.segment(A, 0.2, 3.0, "throw")
    assert (part.key, part.label) == ((whole.file, 0.2, 2.0, 0, None), "throw")
    assert state.segment(A, 1.9, 2.0, "throw").start == 1.9
    assert (state.id_of(whole.key), state.id_of(part.key)) == (A, None)
    with pytest.raises(RefusedError, match="bad_segment"):
        state.segment(A, start, end, "wave")
    with pytest.raises(RefusedError, match="bad_segment"):
        state.segment(B, 0.0, 1.0, "wave")  # no video
    with pytest.raises(GoneError):
        state.segment(C, 0.0, 1.0, "wave")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 256, "none", "None", "(none)", *JOINED])
def test_names_that_no_action_can_have(name: str) -> None:
    with pytest.raises(DataError):
        class_name(name)


@pytest.mark.parametrize(
    "name", ["می\u200cخورد", "🏋️\u200d♀️ lift", "क्\u200dष", "می\u200cرود می\u200cدود"]
)
def test_names_with_joiners_between_other_characters(name: str) -> None:
    assert class_name(f" {name} ") == name
    assert clip(A, name).label == name


@pytest.mark.parametrize(
    "file", ["../a.mp4", "/etc/a.mp4", "..", "a", "page.json", ".mp4", "a\\b.mp4", "a.mp4\n", ""]
)
def test_a_journal_of_somebody_else_names_no_file_outside_of_its_folder(file: str) -> None:
    with pytest.raises(ValidationError, match="not the name of a video file"):
        PageClip(file=file, name="me.mp4")
    with pytest.raises(ValidationError, match="finite"):
        PageClip(file=f"{A}.mp4", name="me.mp4", seconds=float("nan"))
    with pytest.raises(ValidationError, match="not a class name"):
        PageClip(name="a.mp4", label="a\nb")


def test_the_command_line_adds_moves_and_removes() -> None:
    story = two()
    before = story.clips
    story.find(WAVE, THROW)
    assert (story.state.changes, story.clips) == (0, before)
    story.find(example(f"hello/{A}.mp4", "hello"), example("jump/c.mp4", "jump"))
    assert story.clips[A].label == "hello"
    assert story.clips[B].binned
    assert [clip.label for clip in story.clips.values() if clip.file is None] == ["jump"]
    assert story.state.classes == ("hello", "jump")
    assert story.state.changes == 0


def test_what_is_edited_while_it_is_taught_stays_edited() -> None:
    story = two()
    story.move("remove", A)
    labels = {A: "wave", B: "throw"}
    story.entries.append(ModelTaught(id=new_id(), model="1", clips=labels))
    assert story.clips[A].binned
    assert (story.state.changes, story.state.model_labels) == (1, labels)


def test_a_clip_that_is_not_taught_yet_stays() -> None:
    story = Story(**{A: clip(A)})
    before = story.clips
    story.find()
    assert (story.clips, story.state.classes) == (before, ("wave",))


def test_a_model_that_is_lost_leaves_the_clips_of_the_page_for_the_next_teaching() -> None:
    story = two()
    story.find(WAVE, THROW, example("jump/c.mp4", "jump"))
    story.find(model=None)
    assert story.state.changes == 2
    assert {clip.name for clip in story.clips.values() if clip.binned} == {"jump/c.mp4"}
    story.find(WAVE, THROW, example("jump/c.mp4", "jump"))  # it was restored
    assert story.state.changes == 0
    assert not any(clip.binned for clip in story.clips.values())


def test_a_clip_that_is_deleted_for_good_does_not_come_back_with_the_model_that_has_it() -> None:
    story = two()
    story.find(WAVE, THROW)
    story.move("remove", A)
    story.delete(A)
    for _ in range(2):  # the model is opened again
        assert (set(story.clips), story.state.changes) == ({B}, 1)
        story.find(WAVE, THROW)
    story.find(THROW)
    assert (set(story.clips), story.state.changes, story.state.deleted) == ({B}, 0, {})
    story.find(WAVE, THROW)  # a former version
    assert sorted(clip.name for clip in story.clips.values()) == ["me.mp4", f"wave/{A}.mp4"]


def test_what_is_deleted_and_added_again_is_added() -> None:
    story = Story(**{A: clip(A, "throw")})
    part = story.state.segment(A, 0.5, 1.5, "wave")
    saved = example(f"throw/{A}.mp4", "throw"), example(f"wave/{A}.mp4", "wave", start=0.5, end=1.5)
    story.add(**{B: part})
    story.find(*saved)
    story.move("remove", B)
    story.delete(B)
    story.add(**{C: part})
    story.find(*saved)
    assert set(story.clips) == set(story.state.model_labels) == {A, C}
    assert (story.state.changes, story.state.deleted) == (0, {})


def test_what_is_deleted_for_good_is_not_undone() -> None:
    story = Story(**{A: clip(A), B: clip(B)})
    story.move("remove", A)
    story.delete(A, B)
    assert set(story.clips) == {B}  # B was not removed before
    assert [step.what for step in story.state.steps] == ["add"]  # the removal of A is no step now
    story.undo()
    assert set(story.clips) == {B}


def test_clips_of_a_page_that_come_without_their_videos_are_known_by_their_names() -> None:
    story = Story()
    story.find(WAVE, THROW)
    assert [clip.key[0] for clip in story.clips.values()] == [f"{A}.mp4", f"{B}.mp4"]
    for renames in (False, True):
        if renames:
            story.action("rename", "wave", "hello")
        before = seen(story.state)
        story.find(WAVE, THROW)
        assert seen(story.state) == before
    story.find(example(f"hello/{A}.mp4", "hello"), THROW)
    assert (story.clips, story.state.changes) == (before[1], 0)


def test_a_name_that_a_file_of_the_class_has_gets_a_number() -> None:
    story = Story(**{A: clip(A)})
    story.add(**{B: clip(B), C: clip(C, "throw"), D: clip(D, None)})
    names = ["wave/me.mp4", "wave/me (2).mp4", "throw/me.mp4", "me.mp4"]
    assert list(story.names.values()) == names
    story.move("label", D, label="wave")
    story.add(**{E: clip(E, name="me (2).mp4")})
    assert (story.names[D], story.names[E]) == ("wave/me (3).mp4", "wave/me (2) (2).mp4")


def test_the_clip_that_moves_gives_way_and_undo_gives_names_back() -> None:
    story = two()
    story.move("label", A, label="throw")
    assert story.names == {A: "throw/me (2).mp4", B: "throw/me.mp4"}
    story.action("rename", "throw", "hello")
    assert story.names == {A: "hello/me (2).mp4", B: "hello/me.mp4"}
    story.undo()
    story.undo()
    assert story.names == {A: "wave/me.mp4", B: "throw/me.mp4"}


def test_a_removed_clip_keeps_its_name_until_it_is_deleted_for_good() -> None:
    story = Story(**{A: clip(A)})
    story.move("remove", A)
    story.add(**{B: clip(B)})
    assert story.names == {A: "wave/me.mp4", B: "wave/me (2).mp4"}
    story.delete(A)
    story.add(**{C: clip(C)})
    assert story.names == {B: "wave/me (2).mp4", C: "wave/me.mp4"}


def test_segments_of_a_file_share_its_name() -> None:
    story = Story(**{A: clip(A), B: clip(B, None), C: clip(C, None)})
    for id, (whole, start) in {D: (B, 0.5), E: (B, 1.0), "f" * 16: (C, 1.0)}.items():
        story.add(**{id: story.state.segment(whole, start, start + 0.5, "wave")})
    assert story.names[D] == story.names[E] == "wave/me (2).mp4"
    assert story.names["f" * 16] == "wave/me (3).mp4"


def test_clips_of_a_command_keep_their_names_and_those_of_the_page_give_way() -> None:
    story = Story(**{A: clip(A)})
    both = (
        PageClip(name="wave/me.mp4", label="wave", page_file=f"{A}.mp4"),
        PageClip(name="wave/me.mp4", label="wave"),
    )
    story.find(*both)
    (new,) = story.clips.keys() - {A}
    assert story.names == {A: "wave/me (2).mp4", new: "wave/me.mp4"}
    assert [story.state.id_of(saved.key) for saved in both] == [A, new]
    story.move("label", new, label="throw")
    assert story.names[new] == "wave/me.mp4"  # as `fewact move` does


def test_a_model_of_another_page_with_the_same_names_is_not_taken_for_this_one() -> None:
    story = Story(**{A: clip(A)})
    saved = PageClip(name="wave/me.mp4", label="wave", page_file=f"{B}.mp4")
    story.find(saved)
    (new,) = story.clips.keys() - {A}
    assert (story.clips[A].file, story.clips[new].file) == (f"{A}.mp4", None)
    assert story.state.id_of(saved.key) == new
    assert story.names == {A: "wave/me.mp4", new: "wave/me (2).mp4"}
    story.move("label", new, label="throw")
    assert story.names[new] == "throw/me (2).mp4"


def test_a_clip_of_a_command_whose_file_is_named_like_an_id_is_no_clip_of_the_page() -> None:
    story = Story(**{A: clip(A)})
    both = (
        PageClip(name="wave/me.mp4", label="wave", page_file=f"{A}.mp4"),
        PageClip(name=f"wave/{A}.mp4", label="wave"),
    )
    story.find(*both)
    (new,) = story.clips.keys() - {A}
    assert story.names == {A: "wave/me.mp4", new: f"wave/{A}.mp4"}
    assert story.clips[new].title == f"wave/{A}.mp4"
    assert [story.state.id_of(saved.key) for saved in both] == [A, new]


IDS = st.sampled_from([letter * 16 for letter in "abcdef"])
LABELS = st.sampled_from(["wave", "throw", BACKGROUND, None])
ACTIONS = st.sampled_from(["wave", "throw", "jump"])
FILES = st.sampled_from(["me.mp4", "me (2).mp4", "you.mp4"])
EXAMPLES = st.lists(
    st.builds(example, st.sampled_from([f"{A}.mp4", f"{B}.mp4", "wave/me.mp4"]), ACTIONS),
    unique_by=lambda saved: saved.name,
)
MOVES = st.tuples(st.sampled_from(["label", "remove", "restore", "box"]), IDS, LABELS)
STEPS = st.one_of(
    st.tuples(st.just("add"), IDS, LABELS, FILES),
    st.tuples(st.just("move"), MOVES),
    st.tuples(st.just("action"), st.sampled_from(["rename", "remove_class"]), ACTIONS, ACTIONS),
    st.tuples(st.just("find"), EXAMPLES, st.sampled_from(["import", "elsewhere"])),
    st.sampled_from([("undo",), ("teach",), ("delete", A), ("delete", B)]),
)


def act(story: Story, step: tuple[Any, ...]) -> None:
    """Do what is possible now."""
    state = story.state
    match step:
        case ("add", id, label, name) if id not in state.clips:
            story.add(**{id: clip(id, label, name)})
        case ("move", (what, id, label)):
            story.move(what, id, label=label, box=BOX if label == "wave" else None)
        case ("action", what, name, to) if name in state.classes and to not in state.classes:
            story.action(what, name, to)
        case ("find", examples, what):
            story.find(*examples, what=what)
        case ("undo",) if state.steps:
            story.undo()
        case ("teach",):
            story.teach()
        case ("delete", id):
            story.delete(id)


@pytest.mark.slow
@given(st.lists(STEPS, max_size=25), st.integers(0, 12))
def test_names_are_unique_clips_stay_and_a_short_journal_says_the_same(
    steps: list[tuple[Any, ...]], most: int
) -> None:
    story = Story()
    for step in steps:
        before = story.state
        act(story, step)
        state = story.state
        if step[0] != "delete":
            assert before.clips.keys() <= state.clips.keys()
        saved = [
            clip.saved_as for clip in state.clips.values() if clip.label and clip.source is not None
        ]
        assert len(saved) == len(set(saved))
        labels = {clip.training_label for clip in state.clips.values()} - {None, BACKGROUND}
        assert labels <= set(state.classes)
        changed = {id for id, clip in state.clips.items() if before.clips.get(id) != clip}
        if step[0] in ("add", "move", "action"):
            names = {id: clip.saved_as for id, clip in before.clips.items()}
            assert all(story.names[id] == names[id] for id in names.keys() - changed)
    state = story.state
    short = compacted(story.entries, state, most)
    again = fold(short)
    assert again.model_copy(update={"steps": ()}) == state.model_copy(update={"steps": ()})
    count = len(again.steps)
    assert again.steps == state.steps[len(state.steps) - count :]
    both = Story(), Story()
    both[0].entries, both[1].entries = list(story.entries), list(short)
    for _ in range(count):
        for story in both:
            story.undo()
        assert seen(both[0].state) == seen(both[1].state)
