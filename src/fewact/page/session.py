"""What all tabs share: the journal, the processes that compute, their jobs and results."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

from markupsafe import escape
from pydantic import ValidationError

from fewact.core.errors import OptionError, OutputError, UserError
from fewact.data.files import is_saved_model
from fewact.page.children import DECODER_LIMITS, ChildError, ChildProcess, RemoteError, call_twice
from fewact.page.facts import ClipFacts, ModelFacts, PageFacts, ResultFacts, StepFacts
from fewact.page.folder import PageFolder
from fewact.page.jobs import JobQueue, PageJob, Steps, facts_of
from fewact.page.state import (
    AnyEntry,
    ClipsAdded,
    ClipsDeleted,
    GoneError,
    ModelFound,
    ModelTaught,
    PageClip,
    PageState,
    UndoableStep,
    new_id,
)

SECONDS_TO_OPEN: Final = 180.0
SECONDS_TO_INSPECT: Final = 90.0
SECONDS_A_CLIP: Final = 120.0
SECONDS_TO_TEACH: Final = 600.0
SECONDS_TO_REVIEW: Final = 1800.0
MOST_ADVISED: Final = 20
"""Number of models, such as former versions, whose advice is kept."""

UPLOADS_AT_ONCE: Final = 4


class PageSession:
    """The page of one model while the server runs.

    The clips and actions of the user are in the journal only. The values kept here follow from the
    journal and the model, and are computed again after a start.

    Args:
        folder: Folder of the page.
        options: Options of the classifier, see ``worker.Worker``.
        imports: Python files with methods that the model may use.
    """

    def __init__(
        self, folder: PageFolder, options: dict[str, str], imports: Sequence[Path] = ()
    ) -> None:
        files = [str(file.absolute()) for file in imports]
        self.folder = folder
        self.worker = ChildProcess("fewact.page.worker:Worker", str(folder.model), options, files)
        self.advisor = ChildProcess("fewact.page.worker:Advisor", str(folder.model), files)
        self.decoder = ChildProcess("fewact.page.decoder:Decoder", limits=DECODER_LIMITS)
        self.queue = JobQueue(self.notify)
        self.model: ModelFacts | None = None
        self.advice: list[str] = []
        self._advice_of: dict[str, list[str]] = {}
        self._advising: asyncio.Task[None] | None = None
        self.results: dict[str, ResultFacts] = {}
        self.uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._faults: dict[str, list[str]] = {}
        self._unsearched: dict[str, str] = {}
        self._apart: set[str] = set()  # clips in which each subject is answered
        self._version, self._stopping = 0, False
        self._changed_by_command = 0
        self._changed = asyncio.Condition()
        self._one_change = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def state(self) -> PageState:
        """What the user has."""
        return self.folder.journal.state

    async def start(self) -> None:
        """Start the queue, and take over what is in the folder."""
        self._keep(self.queue.run())
        with suppress(OutputError):  # then they are listed again
            self.folder.forget_deleted(self.state)
        unlisted = self.folder.unlisted(self.state)  # later there are uploads of this server
        if is_saved_model(self.folder.model) or self.state.model_labels or unlisted:
            self.open(unlisted)

    def open(self, unlisted: Sequence[str] = ()) -> None:
        """Load the model, or the libraries for one, so that no request waits for them.

        A model that a command changed meanwhile is loaded again. Files that are not listed become
        clips to try.
        """
        with suppress(OptionError):  # too many jobs wait, and each of them loads it
            self.queue.add(PageJob("open", "", self._open(unlisted)))

    def release(self) -> None:
        """Answer the tabs that wait for a change: the server is about to stop."""
        self._stopping = True
        self.notify()

    async def stop(self) -> None:
        """Stop all work."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.worker.close)
        await asyncio.to_thread(self.advisor.close)
        await asyncio.to_thread(self.decoder.close)

    def notify(self) -> None:
        """Tell the tabs that something changed."""
        self._version += 1
        self._keep(self._wake())

    async def newer_than(self, version: int, seconds: float) -> None:
        """Return when the state is newer than this version, or after so many seconds."""
        async with self._changed:
            with suppress(TimeoutError):
                newer = self._changed.wait_for(lambda: self._version != version or self._stopping)
                await asyncio.wait_for(newer, seconds)

    def facts(self) -> PageFacts:
        """Return all that the page shows."""
        state = self.state
        return {
            "version": self._version,
            "name": self.folder.model.name,
            "classes": list(state.classes),
            "clips": {id: self._clip_facts(id, clip) for id, clip in state.clips.items()},
            "changes": state.changes,
            "undo": step_facts(state.last_step) if state.steps else None,
            "model": self.model,
            "changed_by_command": self._changed_by_command,
            "advice": self.advice,
            "jobs": [job.facts() for job in self.queue.jobs],
            "results": self.results,
        }

    async def record(self, id: str, entry_of: Callable[[PageState], AnyEntry]) -> AnyEntry:
        """Append an entry, which is made of the state; it is on the disk when this returns.

        If there is one with this id already, it is returned, and nothing happens.
        """
        async with self._one_change:
            if entry := self.folder.journal.entry(id):
                return entry
            return await self._append(entry_of(self.state))

    async def _append(self, entry: AnyEntry) -> AnyEntry:
        if await asyncio.to_thread(self.folder.append, entry):
            self.notify()
        return entry

    async def add(
        self, id: str, path: Path, suffix: str, clip: PageClip, pieces: int, batch: str = ""
    ) -> AnyEntry:
        """Take over an upload: check it, keep it, and list it.

        The file of an upload that is refused is removed.

        Args:
            id: Id of the entry that lists its clips, and is returned.
            path: The upload, in the folder.
            suffix: Suffix for its file.
            clip: The clip without its file and duration.
            pieces: Number of equal segments that become a clip each.
            batch: Id of the files that were chosen together: they are undone together.
        """
        facts, strip = await self.inspect(path)
        clip_id, file = await asyncio.to_thread(self.folder.keep, path, suffix, strip)
        whole = clip.model_copy(update={"file": file, **facts})

        def added(state: PageState) -> AnyEntry:
            label = clip.label and state.label(clip.label)  # changed meanwhile?
            clips = {clip_id: whole.model_copy(update={"label": label})}
            if pieces > 1:
                step = facts["seconds"] / pieces
                clips = {
                    new_id(): clips[clip_id].model_copy(
                        update={"start": i * step, "end": (i + 1) * step}
                    )
                    for i in range(pieces)
                }
            return ClipsAdded(id=id, clips=clips, batch=batch)

        listed = False
        try:
            entry = await self.record(id, added)
            listed = any(clip.file == file for clip in self.state.clips.values())
        finally:
            if not listed:  # else the next start would recover an upload that is refused here
                with suppress(OutputError):
                    await asyncio.to_thread(self.folder.forget, file)
        return entry

    async def inspect(self, path: Path) -> tuple[dict[str, Any], bytes]:
        """Open a video in the decoder, see ``decoder.Decoder.inspect``."""
        facts, strip = await call_twice(
            self.decoder, "inspect", str(path), seconds=SECONDS_TO_INSPECT
        )
        try:
            PageClip(name="", **facts)  # a video may have taken over the decoder
        except (TypeError, ValidationError) as error:
            raise ChildError("died") from error
        return facts, strip

    async def forget(self, id: str, clips: Sequence[str]) -> None:
        """Remove clips of the bin for good, and files that no other clip needs."""
        async with self._one_change:  # the journal says which files are removed until they are
            removed = {clip: self.state.clip(clip) for clip in clips}
            removed = {clip: value for clip, value in removed.items() if value.binned}
            files = {clip.file for clip in removed.values()}
            await self._append(ClipsDeleted(id=id, clips=tuple(removed)))
            left = {clip.file for clip in self.state.clips.values()}
            for file in files - left - {None}:
                await asyncio.to_thread(self.folder.forget, file or "")
        self.results = {
            clip: result for clip, result in self.results.items() if clip in self.state.clips
        }

    def teach(self, tab: str) -> PageJob:
        """Let the model follow the page."""
        return self.queue.add(PageJob("teach", tab, self._teach()))

    def predict(self, id: str, tab: str, *, apart: bool | None = None) -> PageJob:
        """Predict the class of a clip, or search a recording for actions.

        ``apart``: whether each subject gets an answer of its own; None for the last choice for this
        clip.
        """
        clip = self.state.clip(id)
        if apart is not None:
            self._apart = self._apart | {id} if apart else self._apart - {id}
        if clip.is_recording:
            steps = self._watch(new_id(), tab, id, clip)
            return self.queue.add(PageJob("watch", tab, steps, id, patient=True))
        return self.queue.add(PageJob("predict", tab, self._predict(id), id))

    async def report(self, id: str | None) -> str:
        """Return an HTML file: what the model has learned, or why a clip is predicted as it is."""
        call = ("report",) if id is None else ("explain", _facts_of(self.state.clip(id)))
        _, content = await call_twice(self.worker, *call, seconds=SECONDS_A_CLIP)
        return self._with_names(content.decode(), escape)

    async def export(self, file: Path) -> None:
        """Write the model as a file."""
        await self._work("pack", str(file), seconds=SECONDS_TO_OPEN)

    async def replace_model(self, id: str, file: Path, name: str) -> AnyEntry:
        """Replace the model by that of a file, which can be undone."""
        opened = await self._work("unpack", str(file), seconds=SECONDS_TO_OPEN)
        entry = await self.record(id, lambda _: _found(opened, id=id, what="import", subject=name))
        self._follow(opened)
        return entry

    async def look(self, stream: str, size: tuple[int, int], at: float, pixels: bytes) -> Any:
        """Look at a frame of the camera, see ``worker.Worker.look``."""
        answer, _ = await self.worker.call(
            "look", stream, *size, at, seconds=SECONDS_A_CLIP, blob=pixels
        )
        return answer

    async def _watch(self, job: str, tab: str, id: str, clip: PageClip) -> Steps:
        await self._reopen()
        if self.model is None:
            self._unsearched[id] = tab
            return
        model, begin, ended = self.model["id"], True, False
        total = max(1, round(clip.seconds))
        try:
            while not ended and id in self.state.clips and not self.state.clips[id].binned:
                apart = id in self._apart
                events = await self._work(
                    "watch", job, _facts_of(clip), begin, apart, seconds=SECONDS_A_CLIP
                )
                begin, ended = False, events["ended"]
                result: ResultFacts = events | {"model": model}
                self._show(id, result)
                yield min(total, round(events["time"])), total
        finally:
            if not (ended or self._stopping):  # else the worker ends, too
                with suppress(ChildError):
                    await self._work("forget", job, seconds=SECONDS_A_CLIP)

    async def _open(self, unlisted: Sequence[str]) -> Steps:
        lost = await self._reopen()
        yield 1, 1
        for file in unlisted:
            try:
                facts, strip = await self.inspect(self.folder.path / file)
            except (UserError, ChildError):
                continue
            self.folder.restore_strip(file, strip)
            name = f"interrupted upload{PurePosixPath(file).suffix}"
            clips = {PurePosixPath(file).stem: PageClip(file=file, name=name, **facts)}
            entry = ClipsAdded(id=new_id(), what="recover", clips=clips)
            await self.record(entry.id, lambda _, entry=entry: entry)  # type: ignore[misc]
        if lost:  # teaching again replaces it
            raise RemoteError(**lost)

    async def _teach(self) -> Steps:
        opened = None
        while opened is None:  # again, if a command changed the model while clips were encoded
            await self._reopen()
            state = self.state
            if self.model and not state.changes:
                return
            clips = state.training_clips
            new = [
                id
                for id, clip in clips.items()
                if clip.file and (id not in state.model_labels or not state.is_in_model(id))
            ]
            total = len(new) + 2
            yield 1, total
            for done, id in enumerate(new, start=2):
                if id in self.state.clips:  # not deleted for good meanwhile
                    await self._work("encode", _facts_of(clips[id]), seconds=SECONDS_A_CLIP)
                yield done, total
            clips = {id: clip for id, clip in clips.items() if id in self.state.clips}
            listed = [_facts_of(clip) for clip in clips.values()]
            step = state.steps[-1] if state.steps else None
            change = f"{step.what} {step.subject}".strip() if step else "teach"
            opened = await self._work(
                "teach", listed, change, state.model, seconds=SECONDS_TO_TEACH
            )
        # No step follows: it is done, also if it was cancelled while the model was saved.
        labels = {id: clip.label or "" for id, clip in clips.items()}
        boxes = {id: clip.box for id, clip in clips.items() if clip.box is not None}
        entry = ModelTaught(id=new_id(), model=opened["model"]["id"], clips=labels, boxes=boxes)
        await self.record(entry.id, lambda _: entry)
        self._follow(opened)

    async def _predict(self, id: str) -> Steps:
        await self._reopen()
        await self._answer(id)
        yield 1, 1

    async def _refresh(self) -> Steps:
        """Make the answers those of the model: the newest clip first, then recordings."""
        done = 0
        while outdated := self._outdated():
            yield done, done + len(outdated)
            await self._reopen()
            with suppress(UserError, ChildError):  # the result has it
                await self._answer(outdated[0])
            done += 1
        while self._unsearched:
            with suppress(OptionError, GoneError):
                self.predict(*self._unsearched.popitem())

    async def _advise(self, model: str) -> None:
        """Show what would help a model: computed beside the jobs, none of which waits for it."""
        try:
            if model not in self._advice_of:
                sentences, _ = await call_twice(self.advisor, "review", seconds=SECONDS_TO_REVIEW)
                await asyncio.to_thread(self.advisor.close)  # its memory
                self._advice_of[model] = sentences
        except (UserError, ChildError) as error:
            print(f"Warning: no advice on the model: {error}", file=sys.stderr, flush=True)
            return
        for oldest in list(self._advice_of)[:-MOST_ADVISED]:
            del self._advice_of[oldest]
        self.advice = [self._with_names(text, str) for text in self._advice_of[model]]
        self.notify()

    def _outdated(self) -> list[str]:
        """Return the short clips to try that have no answer of the model, the newest first."""
        return [
            id
            for id, clip in reversed(self.state.clips.items())
            if clip.label is None and not (clip.binned or clip.is_recording)
            if self.model
            and (id not in self.results or self.results[id]["model"] != self.model["id"])
        ]

    async def _answer(self, id: str) -> None:
        """Predict the class of a clip, if there are both; an error is a result, too."""
        clip = self.state.clips.get(id)
        if clip is None or self.model is None:
            return
        model = self.model["id"]
        try:
            facts, apart = _facts_of(clip), id in self._apart
            result = await self._work("predict", facts, apart, seconds=SECONDS_A_CLIP)
        except (UserError, ChildError) as error:
            self._show(id, {"error": facts_of(error), "model": model})
            raise
        answer: ResultFacts = result | {"model": model}
        if not apart:
            answer["nearest"] = self.state.id_of(PageClip.model_validate(result["nearest"]).key)
        self._show(id, answer)

    def _show(self, id: str, result: ResultFacts) -> None:
        """Make this the last result, unless the clip was removed for good meanwhile."""
        self.results.pop(id, None)
        if id in self.state.clips:
            self.results[id] = result

    async def _reopen(self) -> dict[str, str] | None:
        """Take over the model in the folder, if something else changed it.

        If it is damaged or of an older version, return the parts of the error.
        """
        opened = await self._work("open", seconds=SECONDS_TO_OPEN)
        entry = _found(opened, id=new_id(), what="elsewhere")
        if entry.model != self.state.model or (entry.model is None and self.state.model_labels):
            await self.record(entry.id, lambda _: entry)
            is_other = self.model and entry.model and self.model["id"] != entry.model
            self._changed_by_command += bool(is_other)
        self._follow(opened)
        lost: dict[str, str] | None = opened.get("lost")
        return lost

    def _follow(self, opened: dict[str, Any]) -> None:
        """Let faults, advice and answers be those of the model."""
        before, self.model = self.model, opened["model"]
        self._faults = {
            id: faults
            for example, faults in zip(_examples(opened), opened["faults"], strict=True)
            if faults and (id := self.state.id_of(example.key))
        }
        if before != self.model:
            self.notify()
        if self.model and (before is None or before["id"] != self.model["id"]):
            self.advice = []
            if self._advising is not None:
                self._advising.cancel()
            self._advising = self._keep(self._advise(self.model["id"]))
            with suppress(OptionError):  # too many jobs wait
                self.queue.add(PageJob("refresh", "", self._refresh(), patient=True))

    async def _work(self, method: str, *arguments: Any, seconds: float) -> Any:
        result, _ = await call_twice(self.worker, method, *arguments, seconds=seconds)
        return result

    def _with_names(self, text: str, form: Callable[[str], str]) -> str:
        """Return a text with the names of clips in place of those of their files."""
        text = text.replace(form(f"{self.folder.path}/"), "")
        for clip in self.state.clips.values():
            if clip.file is not None and clip.file in text:
                for file in (f"{clip.label}/{clip.file}", clip.file):
                    text = text.replace(form(file), form(clip.title))
        return text

    def _clip_facts(self, id: str, clip: PageClip) -> ClipFacts:
        return {
            "name": clip.title,
            "label": clip.label,
            "seconds": clip.seconds,
            "frames": clip.frames,
            "aspect": clip.aspect,
            "height": clip.height,
            "box": None if clip.box is None else [*clip.box],
            "start": clip.start,
            "end": clip.end,
            "binned": clip.binned,
            "source": None if clip.file is None else PurePosixPath(clip.file).stem,
            "model_label": self.state.model_labels.get(id),
            "in_model": self.state.is_in_model(id),
            "recording": clip.is_recording,
            "faults": self._faults.get(id, []),
        }

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def step_facts(step: UndoableStep) -> StepFacts:
    """Return what the page shows of a step that can be undone, or was undone."""
    return {"what": step.what, "subject": step.subject}


def _found(opened: dict[str, Any], **values: Any) -> ModelFound:
    model = opened["model"] and opened["model"]["id"]
    return ModelFound(model=model, examples=_examples(opened), **values)


def _examples(opened: dict[str, Any]) -> tuple[PageClip, ...]:
    return tuple(PageClip.model_validate(example) for example in opened["examples"])


def _facts_of(clip: PageClip) -> dict[str, Any]:
    """Return what the worker needs of a clip."""
    key = dict(zip(("file", "start", "end", "number", "box"), clip.key, strict=True))
    names = {"name": clip.title, "saved_as": clip.saved_as, "label": clip.label}
    return {**key, **names, "source": clip.file is not None}
