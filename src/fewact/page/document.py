"""What a user of the page has: actions, clips, and the changes that can be undone.

A document is a value. Changes are made by ``Document.changed``, which records the difference.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Field

from fewact.core.errors import DataError
from fewact.data import BACKGROUND
from fewact.page.clip import Clip, Key, Part, SavedExample
from fewact.page.names import Label, class_name
from fewact.page.refused import GoneError, RefusedError

ID: Final = r"[0-9a-f]{16}"
MOST_CLASSES: Final = 100
MOST_UNDO: Final = 200
SHORTEST_SEGMENT: Final = 0.1
"""Seconds that a segment lasts at least."""


class Step(Part):
    """One change: what it replaced.

    Args:
        what: Key of its text, such as ``rename``.
        subject: Name for the text.
        clips: Old value of each changed clip; None if the change added the clip.
        classes: Old list of actions; None if it did not change.
    """

    what: str
    subject: str = ""
    clips: dict[str, Clip | None]
    classes: tuple[str, ...] | None = None


class Document(Part):
    """Actions, clips and history.

    Args:
        format: Format of the file.
        version: Version of the format.
        classes: Names of the actions in the order of their cards; also of actions without clips.
        clips: Clips by id, in the order in which they came.
        taught: Label of each clip that is in the model.
        deleted: Key of each clip that was deleted for good, as long as the model may have it.
        steps: Changes that can be undone, the last one last.
    """

    format: Literal["fewact page"] = "fewact page"
    version: Literal[2] = 2
    classes: tuple[Label, ...] = ()
    clips: dict[Annotated[str, Field(pattern=f"^{ID}$")], Clip] = Field({})
    taught: dict[str, str] = Field({})
    deleted: dict[str, Key] = Field({})
    steps: tuple[Step, ...] = ()

    @property
    def changes(self) -> int:
        """Number of clips that the model does not have as the document has them."""
        return sum(clip.taught_as != self.taught.get(id) for id, clip in self.clips.items()) + len(
            set(self.taught) - set(self.clips)
        )

    @property
    def last_step(self) -> Step | None:
        """Step that is undone next; None if there is none."""
        return self.steps[-1] if self.steps else None

    @property
    def training_clips(self) -> dict[str, Clip]:
        """Clips that the model should have."""
        return {id: clip for id, clip in self.clips.items() if clip.taught_as is not None}

    def label(self, text: str) -> str:
        """Return an existing label, or the name of a new action.

        Raises:
            DataError: It cannot be the name of an action.
        """
        return text if text in (BACKGROUND, *self.classes) else class_name(text)

    def clip(self, id: str) -> Clip:
        """Return a clip.

        Raises:
            GoneError: There is none with this id.
        """
        if id not in self.clips:
            raise GoneError
        return self.clips[id]

    def id_of(self, key: Key) -> str | None:
        """Return the id of the clip with this key; None if there is none."""
        return next((id for id, clip in self.clips.items() if clip.key == key), None)

    def segment(self, id: str, start: float, end: float, label: str) -> Clip:
        """Return a segment of a clip, as a clip.

        Args:
            id: Id of the clip.
            start: Start of the segment, in seconds.
            end: End of the segment, in seconds.
            label: Its label.

        Raises:
            GoneError: There is no such clip.
            DataError: The label cannot be the name of an action.
            RefusedError: The segment is too short or not within the clip, or the clip has no video.
        """
        whole = self.clip(id)
        label = self.label(label)
        if whole.file is None or not 0 <= start < end <= whole.seconds + 1:
            raise RefusedError(422, "bad_segment")
        end = min(end, whole.seconds)  # the user may have rounded it
        if round(end - start, 3) < SHORTEST_SEGMENT:
            raise RefusedError(422, "bad_segment")
        values = {"label": label, "start": start, "end": end, "binned": False}
        return whole.model_copy(update=values)

    def changed(
        self,
        what: str,
        subject: str = "",
        *,
        clips: Mapping[str, Clip] | None = None,
        classes: Sequence[str] | None = None,
    ) -> Self:
        """Return the document with other clips or actions, and the step that undoes this.

        Args:
            what: Key of the text of the change.
            subject: Name for the text.
            clips: New value of clips, by id.
            classes: New list of actions; actions of the clips are added to it.
        """
        new = {id: clip for id, clip in (clips or {}).items() if self.clips.get(id) != clip}
        names = _with_actions_of(new.values(), self.classes if classes is None else classes)
        if len(names) > max(MOST_CLASSES, len(self.classes)):
            raise DataError("too many actions", expected=f"at most {MOST_CLASSES}")
        same = names == self.classes
        if not new and same:
            return self
        step = Step(
            what=what,
            subject=subject,
            clips={id: self.clips.get(id) for id in new},
            classes=None if same else self.classes,
        )
        return self.model_copy(
            update={
                "clips": {**self.clips, **new},
                "classes": names,
                "steps": (*self.steps, step)[-MOST_UNDO:],
            }
        )

    def joined(self) -> Self:
        """Return the document with its last two steps, of equal ``what``, as one."""
        *others, first, second = self.steps
        step = Step(
            what=first.what,
            clips={**second.clips, **first.clips},
            classes=second.classes if first.classes is None else first.classes,
        )
        return self.model_copy(update={"steps": (*others, step)})

    def undone(self) -> Self:
        """Return the document before its last step; a clip that it added is in the bin.

        Raises:
            DataError: There is nothing to undo.
        """
        if not self.steps:
            raise DataError("there is nothing to undo")
        step, clips = self.steps[-1], dict(self.clips)
        for id, old in step.clips.items():
            if id in clips:  # not removed for good
                clips[id] = old or clips[id].model_copy(update={"binned": True})
        # A command may have added or renamed actions since: those of the clips stay.
        names = self.classes if step.classes is None else step.classes
        classes = _with_actions_of(clips.values(), names)
        return self.model_copy(
            update={"clips": clips, "classes": classes, "steps": self.steps[:-1]}
        )

    def relabelled(self, what: str, old: str, new: str | None) -> Self:
        """Return the document with another name for an action, or without it.

        Removed clips are renamed, too: restoring one must not bring the old name back.

        Args:
            what: Key of the text of the change.
            old: Name of the action.
            new: New name; None moves its clips to the bin.

        Raises:
            DataError: There is no such action.
            RefusedError: There is an action with the new name.
        """
        if old not in self.classes:
            raise DataError("there is no such action", got=repr(old))
        if new in self.classes:
            raise RefusedError(409, "name_taken")
        change: dict[str, object] = {"binned": True} if new is None else {"label": new}
        clips = {
            id: clip.model_copy(update=change)
            for id, clip in self.clips.items()
            if clip.label == old
        }
        classes = [new if name == old else name for name in self.classes]
        return self.changed(what, old, clips=clips, classes=[n for n in classes if n is not None])

    def forgotten(self, ids: Sequence[str]) -> Self:
        """Return the document without clips that are in the bin; this cannot be undone.

        Raises:
            GoneError: One of the clips does not exist.
        """
        gone = {id for id in ids if self.clip(id).binned}

        def without(step: Step) -> Step:
            left = {id: clip for id, clip in step.clips.items() if id not in gone}
            return step.model_copy(update={"clips": left})

        kept = {id: clip for id, clip in self.clips.items() if id not in gone}
        left = tuple(
            step for step in map(without, self.steps) if step.clips or step.classes is not None
        )
        deleted = self.deleted | {id: self.clips[id].key for id in gone}
        return self.model_copy(update={"clips": kept, "steps": left, "deleted": deleted})

    def without_model(self) -> Self:
        """Return the document without a model, or with one that cannot be read: all clips are new.

        Training clips that only the model has are removed; they stay in the bin.
        """
        lost = {
            id: clip.model_copy(update={"binned": True})
            for id, clip in self.clips.items()
            if clip.file is None and clip.taught_as is not None
        }
        clips = {**self.clips, **lost}
        return self.model_copy(update={"clips": clips, "taught": {}, "deleted": {}})

    def opened(
        self, what: str, subject: str, examples: Sequence[SavedExample], new_id: Callable[[], str]
    ) -> Self:
        """Return the document with the training clips of a model that the user opened, as one step.

        The clips of the model become what they are there, whatever the document says of them.

        Args:
            what: Key of the text of the step.
            subject: Name for the text.
            examples: Training clips of the model.
            new_id: Makes the id of a clip that the document does not have.
        """
        keys = {example.key for example in examples}
        now = {id: clip.taught_as for id, clip in self.clips.items() if clip.key in keys}
        new = self.merge(examples, new_id, {**self.taught, **now})
        changed = [id for id, clip in new.clips.items() if self.clips.get(id) != clip]
        step = Step(
            what=what,
            subject=subject,
            clips={id: self.clips.get(id) for id in changed},
            classes=self.classes,
        )
        return new.model_copy(update={"steps": (*self.steps, step)[-MOST_UNDO:]})

    def merge(
        self,
        examples: Sequence[SavedExample],
        new_id: Callable[[], str],
        base: Mapping[str, str | None] | None = None,
    ) -> Self:
        """Return the document with the training clips of a model that something else changed.

        Where only one of the two changed a label since they were equal, its label is taken; where
        both did, the document's. Clips that were deleted for good since stay deleted.

        Args:
            examples: Training clips of the model.
            new_id: Makes the id of a clip that the document does not have.
            base: Label of each clip when they were equal; None takes those of the last teaching.
        """
        base = self.taught if base is None else base
        deleted = {id: key for id, key in self.deleted.items() if id in base}
        ids = {key: id for id, key in deleted.items()}
        ids |= {clip.key: id for id, clip in self.clips.items()}
        clips, taught = dict(self.clips), {}
        for example in examples:
            id = ids.get(example.key) or new_id()
            taught[id] = example.label
            if id in deleted:
                continue
            clip = clips.get(id) or Clip(
                file=None, **example.model_dump(exclude={"label", "faults"})
            )
            if id not in clips or clip.taught_as == base.get(id):
                clip = clip.model_copy(update={"label": example.label, "binned": False})
            clips[id] = clip
        for id in set(self.taught) - set(taught):
            if id in clips and clips[id].taught_as == base.get(id):
                clips[id] = clips[id].model_copy(update={"binned": True})
        had = {clip.taught_as for clip in self.clips.values()}
        has = {clip.taught_as for clip in clips.values()}
        kept = [name for name in self.classes if name in has or name not in had]
        return self.model_copy(
            update={
                "clips": clips,
                "taught": taught,
                "deleted": {id: key for id, key in deleted.items() if id in taught},
                "classes": _with_actions_of(clips.values(), kept),
            }
        )


def _with_actions_of(clips: Iterable[Clip], names: Iterable[str]) -> tuple[str, ...]:
    """Return names of actions, and after them those of clips that are not among them."""
    labels = (clip.taught_as for clip in clips)
    return tuple(
        dict.fromkeys([*names, *(one for one in labels if one is not None and one != BACKGROUND)])
    )
