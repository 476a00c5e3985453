"""What a user of the page has: the entries of the journal, and the state that they add up to.

Entries and state are values. ``fold`` is the only way from one to the other, so that nothing has to
be kept in step with anything else: an entry that is undone is left out.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from fewact.classifier.names import STORED_FILE, Sides
from fewact.core.errors import DataError
from fewact.data import BACKGROUND, VIDEO_SUFFIXES
from fewact.data.files import numbered
from fewact.page.names import Label, class_name
from fewact.video.track import Box

RECORDING_FROM: Final = 15.0
"""Seconds from which a clip is shown as a recording, in which actions are searched."""

MOST_CLASSES: Final = 100
MOST_UNDO: Final = 200
SHORTEST_SEGMENT: Final = 0.1
"""Seconds that a segment lasts at least."""

ClipKey = tuple[str, float | None, float | None, int, Sides | None]
"""What identifies a clip in the model, see ``revision.Key``."""


class RefusedError(Exception):
    """A request that is refused, by an HTTP status and the key of a text that says why."""

    def __init__(self, status: int, key: str) -> None:
        self.status, self.key = status, key
        super().__init__(key)


class GoneError(RefusedError):
    """A request for something that does not exist, or does not exist any more."""

    def __init__(self) -> None:
        super().__init__(404, "gone")


class PageValue(BaseModel):
    """Base of entries of journals and requests: a value that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _video_file(name: str) -> str:
    """Refuse a path: a journal from elsewhere must not name files outside of its folder."""
    if not STORED_FILE.fullmatch(name) or PurePosixPath(name).suffix not in VIDEO_SUFFIXES:
        raise ValueError("not the name of a video file in the folder")
    return name


ClipId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
StoredFile = Annotated[str, Field(pattern=STORED_FILE.pattern)]


class PageClip(PageValue):
    """A clip, or a segment of one; of the page, or a training clip of a model.

    Args:
        file: Name in the folder of clips; None if the model has features only.
        name: Name that the user sees; without a file, name in the model.
        label: Action, or ``none``; None if it is no training clip.
        seconds: Duration of the file.
        frames: Number of frames side by side in its thumbnail.
        aspect: Width of a frame relative to its height.
        height: Height of the picture, in pixels; 0 if it is not known.
        start: Start of the segment, in seconds; None for the start of the file.
        end: End of the segment, in seconds; None for the end of the file.
        binned: Whether the user removed it; it can be restored.
        number: Number among the model's clips of this name and segment.
        page_file: File in the folder of another page; None if this page has the video, or no page.
        name_number: Number among the files of this name and class.
        box: Box around the person who acts, in pixels; None if all of the picture is.
    """

    file: Annotated[str, AfterValidator(_video_file)] | None = None
    name: str
    label: Label | None = None
    seconds: float = 0.0
    frames: int = 1
    aspect: float = 1.0
    height: int = 0
    start: float | None = None
    end: float | None = None
    binned: bool = False
    number: int = 0
    page_file: StoredFile | None = None
    name_number: int = 1
    box: Sides | None = None

    @property
    def source(self) -> str | None:
        """File in the folder of a page, which identifies it; None if a command added the clip."""
        return self.file or self.page_file

    @property
    def key(self) -> ClipKey:
        """What identifies it in the model."""
        return self.source or self.name, self.start, self.end, self.number, self.box

    @property
    def title(self) -> str:
        """Name that the user sees, with its number."""
        if self.source is None:
            return self.name
        return _title(self.name, self.name_number)

    @property
    def saved_as(self) -> str:
        """Name in the model."""
        if self.source is None or self.label is None:
            return self.title
        return _saved_as(self.label, self.name, self.name_number)

    @property
    def is_recording(self) -> bool:
        """Whether actions are searched in it."""
        return self.start is None and self.seconds >= RECORDING_FROM

    @property
    def training_label(self) -> str | None:
        """Label that the clip should have in the model; None if it should not be there."""
        return None if self.binned else self.label

    def check_box(self, box: Sides | None) -> None:
        """Refuse a box beside the picture, if its size is known."""
        picture = Box(0, 0, self.height * self.aspect, self.height)
        if box and self.height and not Box(*box).shared(picture):
            raise RefusedError(422, "bad_request")


class UndoableStep(PageValue):
    """One or more entries that are undone together.

    Args:
        entries: Ids of the entries.
        what: Key of its text, such as ``rename``.
        subject: Name for the text; empty if there are several.
        batch: Id of the files that were chosen together; empty for anything else.
        clips: Ids of the clips that it changed.
        changes_actions: Whether it added, renamed or removed an action.
    """

    entries: tuple[str, ...]
    what: str
    subject: str
    batch: str = ""
    clips: tuple[str, ...]
    changes_actions: bool


class PageState(PageValue):
    """Actions and clips, what the model has of them, and what can be undone.

    Args:
        classes: Names of the actions in the order of their cards; also of actions without clips.
        clips: Clips by id, in the order in which they came.
        model: Identity of the model as it was last seen; None if there is none.
        model_labels: Label of each clip that this model has.
        model_boxes: Box of each of these clips that has one there.
        deleted: Key of each clip that was deleted for good, as long as the model may have it.
        former_names: Present name of an action, by its former name; None if it was removed.
        steps: Changes that can be undone, the last one last.
    """

    classes: tuple[Label, ...] = ()
    clips: dict[ClipId, PageClip] = Field({})
    model: str | None = None
    model_labels: dict[str, str] = Field({})
    model_boxes: dict[str, Sides] = Field({})
    deleted: dict[str, ClipKey] = Field({})
    former_names: dict[str, str | None] = Field({})
    steps: tuple[UndoableStep, ...] = ()

    @property
    def changes(self) -> int:
        """Number of clips that the model does not have as the page has them."""
        differ = sum(not self.is_in_model(id) for id in self.clips)
        return differ + len(self.model_labels.keys() - self.clips.keys())

    def is_in_model(self, id: str) -> bool:
        """Return whether the model has a clip as the page has it; or neither has it."""
        clip = self.clips[id]
        has_box = clip.training_label is None or clip.box == self.model_boxes.get(id)
        return has_box and clip.training_label == self.model_labels.get(id)

    def key_in_model(self, id: str) -> ClipKey:
        """Return the key of a clip in the model, if that has it, or the key that it would have."""
        key = self.clips[id].key
        return (*key[:4], self.model_boxes.get(id)) if id in self.model_labels else key

    @property
    def last_step(self) -> UndoableStep:
        """Step that is undone next."""
        if not self.steps:
            raise DataError("there is nothing to undo")
        return self.steps[-1]

    @property
    def training_clips(self) -> dict[str, PageClip]:
        """Clips that the model should have."""
        return {id: clip for id, clip in self.clips.items() if clip.training_label is not None}

    def label(self, text: str) -> str:
        """Return the label that a request names, which may have begun under a former name."""
        name = self.former_names.get(text, text)
        if name is None:
            raise RefusedError(409, "action_removed")
        return name if name in (BACKGROUND, *self.classes) else class_name(name)

    def clip(self, id: str) -> PageClip:
        """Return a clip; refuse an id that no clip has."""
        if id not in self.clips:
            raise GoneError
        return self.clips[id]

    def check_action(self, name: str) -> None:
        """Refuse the name of an action that does not exist."""
        if name not in self.classes:
            raise DataError("there is no such action", got=repr(name))

    def id_of(self, key: ClipKey) -> str | None:
        """Return the id of the clip with this key; None if there is none."""
        return next((id for id, clip in self.clips.items() if clip.key == key), None)

    def segment(
        self, id: str, start: float, end: float, label: str, box: Sides | None = None
    ) -> PageClip:
        """Return a segment of a clip, in seconds, as a clip; refuse one that is not within it.

        A segment as long as a short clip is the clip itself, with ``box``.
        """
        whole, label = self.clip(id), self.label(label)
        whole.check_box(box)
        if whole.file is None or not 0 <= start < end <= whole.seconds + 1:
            raise RefusedError(422, "bad_segment")
        values: dict[str, Any] = {"label": label, "binned": False, "box": box}
        if box and not whole.is_recording and end - start >= whole.seconds - SHORTEST_SEGMENT:
            return whole.model_copy(update=values)
        end = min(end, whole.seconds)  # the user may have rounded it
        if round(end - start, 3) < SHORTEST_SEGMENT:
            raise RefusedError(422, "bad_segment")
        return whole.model_copy(update={**values, "start": start, "end": end})


class JournalEntry(PageValue):
    """Something that happened; an entry that arrives again, with the same id, changes nothing."""

    id: str = Field(pattern="^[0-9A-Za-z_-]{1,32}$")


class ClipsAdded(JournalEntry):
    """The user added clips; a segment that exists already gets another label."""

    what: Literal["add", "recover"] = "add"
    clips: dict[ClipId, PageClip]
    batch: str = ""


class ClipsMoved(JournalEntry):
    """The user labelled clips, removed them, brought them back, or set their box."""

    what: Literal["label", "remove", "restore", "box"]
    clips: tuple[str, ...]
    label: Label | None = None
    box: Sides | None = None


class ActionChanged(JournalEntry):
    """The user added, renamed or removed an action; ``to`` is its new name."""

    what: Literal["add_class", "rename", "remove_class"]
    name: Label
    to: Label | None = None


class ClipsDeleted(JournalEntry):
    """The user deleted clips for good: exactly these, which were in the bin."""

    what: Literal["forget"] = "forget"
    clips: tuple[str, ...]


class ModelFound(JournalEntry):
    """The user opened a model file, or something else changed the model, or it is lost.

    Args:
        what: Whether the user opened it.
        subject: Name of the model file.
        model: Identity of the model; None if there is none that can be read.
        examples: Its training clips.
    """

    what: Literal["import", "elsewhere"]
    subject: str = ""
    model: str | None
    examples: tuple[PageClip, ...]


class ModelTaught(JournalEntry):
    """The model has learned the clips: the identity of the new one, label and box of each clip."""

    what: Literal["teach"] = "teach"
    model: str
    clips: dict[str, str]
    boxes: dict[str, Sides] = Field({})


class StepUndone(JournalEntry):
    """The user undid a step."""

    what: Literal["undo"] = "undo"
    step: UndoableStep


class StateSnapshot(JournalEntry):
    """The state at the beginning of a journal: what all entries before it added up to."""

    what: Literal["snapshot"] = "snapshot"
    format: Literal["fewact page"] = "fewact page"
    version: Literal[5] = 5
    state: PageState


Edit = ClipsAdded | ClipsMoved | ActionChanged
AnyEntry = Edit | ClipsDeleted | ModelFound | ModelTaught | StepUndone | StateSnapshot
ENTRY: Final = TypeAdapter[AnyEntry](Annotated[AnyEntry, Field(discriminator="what")])


def new_id() -> str:
    """Return an id for a clip or an entry."""
    return secrets.token_hex(8)


def fold(entries: Iterable[AnyEntry], undone: Collection[str] | None = None) -> PageState:
    """Return the state that entries add up to, the oldest first.

    ``undone`` has the ids of the entries that are undone; None takes those that ``entries`` undo.
    """
    entries = list(entries)
    if undone is None:
        undone = undone_by(entries)
    state = PageState()
    for entry in entries:
        state = after(state, entry, undone=entry.id in undone)
    return state


def check_actions(before: PageState, entry: AnyEntry, state: PageState) -> None:
    """Refuse an edit of the user that makes too many actions; a model may have more."""
    if isinstance(entry, Edit) and len(state.classes) > max(MOST_CLASSES, len(before.classes)):
        raise DataError("too many actions", expected=f"at most {MOST_CLASSES}")


def undone_by(entries: Iterable[AnyEntry]) -> set[str]:
    """Return the ids of the entries that are undone by others."""
    return {id for entry in entries if isinstance(entry, StepUndone) for id in entry.step.entries}


def after(state: PageState, entry: AnyEntry, *, undone: bool = False) -> PageState:
    """Return the state after an entry; ``state`` itself if it changes nothing.

    An entry that undoes others changes nothing by itself, see ``fold``. Of one that is ``undone``,
    the clips that it added are in the bin, and what it says of the model stays.
    """
    match entry:
        case StateSnapshot():
            return entry.state
        case StepUndone():
            return state
        case ClipsDeleted():
            return _without(state, entry.clips)
        case ModelTaught():
            return _with_model(state, entry.model, entry.clips, entry.boxes)
        case ModelFound():
            new, clips, classes = _merged(state, entry)
        case ClipsAdded() | ClipsMoved() | ActionChanged():
            new, (clips, classes) = state, _edited(state, entry)
    clips = {id: clip for id, clip in clips.items() if state.clips.get(id) != clip}
    if not clips and classes == state.classes and entry.what != "import":
        return new
    names_before, names_after = state.classes, classes
    if undone:
        clips = {id: _binned(clip) for id, clip in clips.items() if id not in state.clips}
        names_before, names_after = classes, state.classes
    all_clips = {**state.clips, **clips}
    _number_names(all_clips, clips, state.model_labels)
    new = new.model_copy(
        update={
            "clips": all_clips,
            "classes": names_after,
            "former_names": _former_names(state, entry, names_before, names_after),
        }
    )
    if undone or entry.what == "elsewhere":
        return new
    return _with_step(new, entry, clips, changes_actions=classes != state.classes)


def _edited(state: PageState, edit: Edit) -> tuple[dict[str, PageClip], tuple[str, ...]]:
    """Return the clips that an edit of the user changes, and the names of all actions after it."""
    classes = state.classes
    change: dict[str, Any] = {}
    match edit:
        case ClipsAdded():
            clips = dict(edit.clips)
        case ClipsMoved():
            change = {"binned": edit.what == "remove"}
            if edit.what == "label":
                change["label"] = edit.label
            if edit.what == "box":
                change = {"box": edit.box}
            present = {id: state.clips[id] for id in edit.clips if id in state.clips}
            clips = {id: clip.model_copy(update=change) for id, clip in present.items()}
        case ActionChanged(what="add_class"):
            return {}, (*classes, edit.name)
        case ActionChanged():
            # Removed clips are renamed, too: restoring one must not bring the old name back.
            change = {"label": edit.to} if edit.what == "rename" else {"binned": True}
            clips = {
                id: clip.model_copy(update=change)
                for id, clip in state.clips.items()
                if clip.label == edit.name
            }
            names = (edit.to if name == edit.name else name for name in classes)
            classes = tuple(name for name in names if name is not None)
    return clips, _with_actions_of(clips.values(), classes)


def _merged(
    state: PageState, found: ModelFound
) -> tuple[PageState, dict[str, PageClip], tuple[str, ...]]:
    """Return the state with another model, the clips that change with it, and the actions.

    If only the page or only the model changed a label since they were equal, the changed label is
    taken. If both changed it, the page's label is taken, unless the user opened the model. Clips
    that were deleted for good since stay deleted.
    """
    if found.model is None:
        lost = {id: _binned(clip) for id, clip in state.training_clips.items() if clip.file is None}
        return _with_model(state, None, {}, {}), lost, state.classes
    base: dict[str, str | None] = {**state.model_labels}
    if found.what == "import":
        keys = {example.key for example in found.examples}
        base |= {id: clip.training_label for id, clip in state.clips.items() if clip.key in keys}
    deleted = {id: key for id, key in state.deleted.items() if id in base}
    id_of_key = {key: id for id, key in deleted.items()}
    id_of_key |= {state.key_in_model(id): id for id in state.clips}
    clips, labels, boxes = dict[str, PageClip](), dict[str, str](), dict[str, Sides]()
    for example in found.examples:
        id = id_of_key.get(example.key) or _id_from(example.key)
        labels[id] = example.label or BACKGROUND
        boxes |= {} if example.box is None else {id: example.box}
        clip = state.clips.get(id)
        if clip is None and id not in deleted:
            clips[id] = example
        elif clip is not None and clip.training_label == base.get(id):
            change: dict[str, Any] = {"label": example.label, "binned": False}
            if found.what == "import":
                change["box"] = example.box
            clips[id] = clip.model_copy(update=change)
    for id in state.model_labels.keys() & state.clips.keys() - labels.keys():
        if state.clips[id].training_label == base[id]:
            clips[id] = _binned(state.clips[id])
    all_clips = {**state.clips, **clips}
    had = {clip.training_label for clip in state.clips.values()}
    has = {clip.training_label for clip in all_clips.values()}
    names = [name for name in state.classes if name in has or name not in had]
    classes = _with_actions_of(all_clips.values(), names)
    state = state.model_copy(update={"deleted": deleted})
    return _with_model(state, found.model, labels, boxes), clips, classes


def _with_model(
    state: PageState, model: str | None, labels: Mapping[str, str], boxes: Mapping[str, Sides]
) -> PageState:
    deleted = {id: key for id, key in state.deleted.items() if id in labels}
    new = {"model": model, "model_labels": dict(labels), "deleted": deleted}
    return state.model_copy(update={**new, "model_boxes": dict(boxes)})


def _without(state: PageState, ids: Iterable[str]) -> PageState:
    gone = {id for id in ids if id in state.clips}
    steps = (
        step.model_copy(update={"clips": tuple(id for id in step.clips if id not in gone)})
        for step in state.steps
    )
    return state.model_copy(
        update={
            "clips": {id: clip for id, clip in state.clips.items() if id not in gone},
            "deleted": state.deleted | {id: state.key_in_model(id) for id in gone},
            "steps": tuple(step for step in steps if step.clips or step.changes_actions),
        }
    )


def _with_step(
    state: PageState,
    entry: Edit | ModelFound,
    clips: Mapping[str, PageClip],
    *,
    changes_actions: bool,
) -> PageState:
    """Return the state in which an entry can be undone."""
    match entry:
        case ClipsAdded():
            subjects = {clip.name for clip in entry.clips.values()}
        case ClipsMoved():
            subjects = {state.clips[id].title for id in entry.clips if id in state.clips}
        case ActionChanged():
            subjects = {entry.name}
        case ModelFound():
            subjects = {entry.subject}
    batch = entry.batch if isinstance(entry, ClipsAdded) else ""
    step = UndoableStep(
        entries=(entry.id,),
        what=entry.what,
        subject=subjects.pop() if len(subjects) == 1 else "",
        batch=batch,
        clips=tuple(clips),
        changes_actions=changes_actions or entry.what == "import",
    )
    former = state.steps
    if batch and former and former[-1].batch == batch:
        last, former = former[-1], former[:-1]
        step = step.model_copy(
            update={
                "entries": (*last.entries, entry.id),
                "subject": "",
                "clips": (*last.clips, *clips),
                "changes_actions": last.changes_actions or changes_actions,
            }
        )
    return state.model_copy(update={"steps": (*former, step)[-MOST_UNDO:]})


def _former_names(
    state: PageState, entry: AnyEntry, before: Sequence[str], names: Sequence[str]
) -> dict[str, str | None]:
    """Return what actions are called now, for requests that were begun under a former name."""
    former = dict(state.former_names)
    pair = set[str | None]()
    if isinstance(entry, ActionChanged) and entry.what == "rename":
        pair = {entry.name, entry.to}
    for name in before:
        if name not in names:
            (new,) = pair - {name} if name in pair else {None}
            former = {key: new if now == name else now for key, now in former.items()}
            former[name] = new
    for name in names:
        former.pop(name, None)
    return former


def _number_names(
    clips: dict[str, PageClip], changed: Collection[str], in_model: Collection[str]
) -> None:
    """Number the files of the same name in a class, so that no two have one name in the model.

    Clips that a command added, and whose names are no ids, keep these names, which identify them.
    Of the others, those that did not change come first, then those that the model has. Segments of
    a file share its name. A clip that moves keeps its number if it can. A removed clip keeps its
    name: the model and its former versions may have the clip. ``clips`` are changed in place.
    """
    if not changed:
        return
    labels = {clips[id].label for id in changed}
    is_of_command = any(clips[id].source is None for id in changed)
    taken = {clip.name for clip in clips.values() if clip.source is None}
    numbers: dict[tuple[str, str, str], int] = {}
    free: dict[tuple[str, str], Iterator[int]] = {}
    concerned = [id for id, clip in clips.items() if is_of_command or clip.label in labels]
    for id in sorted(concerned, key=lambda id: (id in changed, id not in in_model)):
        clip = clips[id]
        if clip.source is None or clip.label is None:
            continue
        file = clip.label, clip.name, clip.source
        if file not in numbers:
            candidates = chain([clip.name_number], free.setdefault(file[:2], count(1)))
            names = ((number, _saved_as(clip.label, clip.name, number)) for number in candidates)
            numbers[file], name = next(pair for pair in names if pair[1] not in taken)
            taken.add(name)
        if clip.name_number != numbers[file]:
            clips[id] = clip.model_copy(update={"name_number": numbers[file]})


@lru_cache(maxsize=8192)
def _title(name: str, number: int) -> str:
    return numbered(name.rpartition("/")[2], number)


def _saved_as(label: str, name: str, number: int) -> str:
    return f"{label}/{_title(name, number)}"


def _binned(clip: PageClip) -> PageClip:
    return clip.model_copy(update={"binned": True})


def _id_from(key: ClipKey) -> str:
    """Return the id of a clip that comes with a model: the same one each time it is folded."""
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]


def _with_actions_of(clips: Iterable[PageClip], names: Iterable[str]) -> tuple[str, ...]:
    """Return names of actions, and after them those of clips that are not among them."""
    labels = (clip.training_label for clip in clips)
    new = (name for name in labels if name not in (None, BACKGROUND))
    return tuple(dict.fromkeys(chain(names, new)))
