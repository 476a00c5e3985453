"""What all tabs share: the document, the jobs and their results."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

from markupsafe import escape
from pydantic import ValidationError

from fewact.core.errors import OptionError, OutputError, UserError
from fewact.page.children import DECODER_LIMITS, Child, ChildError, RemoteError, call_twice
from fewact.page.clip import Clip, SavedExample
from fewact.page.distinct import with_distinct_names
from fewact.page.document import Document, Step
from fewact.page.jobs import Job, Queue, Steps, facts_of
from fewact.page.refused import GoneError, RefusedError
from fewact.page.renamed import Renamed
from fewact.page.repeats import Repeats
from fewact.page.store import Room, Store, new_id

SECONDS_TO_OPEN: Final = 180.0
SECONDS_TO_INSPECT: Final = 90.0
SECONDS_A_CLIP: Final = 120.0
SECONDS_TO_TEACH: Final = 600.0
UPLOADS_AT_ONCE: Final = 4


class Page:
    """State of the page of one model.

    Args:
        store: Folder of the clips.
        options: Options of the classifier, see ``worker.Worker``.
        imports: Python files with methods that the model may use.
    """

    def __init__(self, store: Store, options: dict[str, str], imports: Sequence[Path] = ()) -> None:
        files = [str(file.absolute()) for file in imports]
        self.store = store
        self.document = store.read()
        self.worker = Child("fewact.page.worker:Worker", str(store.model), options, files)
        self.decoder = Child("fewact.page.decoder:Decoder", limits=DECODER_LIMITS)
        self.queue = Queue(self.notify)
        self.model: dict[str, Any] | None = None
        self.advice: list[str] = []
        self.results: dict[str, dict[str, Any]] = {}
        self._faults: dict[str, tuple[str, ...]] = {}
        self._unsearched: dict[str, str] = {}
        self._added: tuple[str, Step | None] = "", None
        self._renamed = Renamed()
        self.repeats = Repeats()
        self._version, self._stopping = 0, False
        self._changed_by_command = 0
        self._changed = asyncio.Condition()
        self._one_change = asyncio.Lock()
        self.uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self.room = Room(store, lambda: len(self.document.clips))
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Start the queue, and take over what is in the folder."""
        self._keep(self.queue.run())
        with suppress(OutputError):  # then they are listed again
            self.store.forget_deleted(self.document)
        unknown = self.store.unknown(self.document)  # from now on there are uploads of this server
        if self.store.has_model() or self.document.taught or unknown:
            self.queue.add(Job("open", "", self._start(unknown)))

    def open(self) -> None:
        """Load the model, or the libraries for one, so that no request waits for them.

        A model that a command changed meanwhile is loaded again.
        """
        with suppress(OptionError):  # too many jobs wait, and each of them loads it
            self.queue.add(Job("open", "", self._open()))

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

    def facts(self) -> dict[str, Any]:
        """Return all that the page shows."""
        document = self.document
        return {
            "version": self._version,
            "name": self.store.model.name,
            "classes": document.classes,
            "clips": {id: self._clip_facts(id, clip) for id, clip in document.clips.items()},
            "changes": document.changes,
            "undo": step_facts(document.last_step),
            "model": self.model,
            "changed_by_command": self._changed_by_command,
            "advice": self.advice,
            "jobs": [job.facts() for job in self.queue.jobs],
            "results": self.results,
        }

    async def change(self, function: Callable[[Document], Document]) -> None:
        """Change the document; it is on the disk when this returns.

        Raises:
            UserError: The change is refused, or cannot be written.
            RefusedError: The change is refused.
        """
        async with self._one_change:
            await self._write(function(self.document))

    async def _write(self, document: Document) -> None:
        before = self.document
        document = with_distinct_names(document, before)
        if document != before:
            self.document = await asyncio.to_thread(self.store.write, document)
            self._renamed.note(before, self.document)
            self.notify()

    def label(self, text: str) -> str:
        """Return the label that a request names, see ``Document.label``.

        Raises:
            DataError: It cannot be the name of an action.
            RefusedError: The action was removed.
        """
        return self.document.label(self._renamed.label(text))

    async def add(
        self, path: Path, suffix: str, clip: Clip, pieces: int, batch: str = ""
    ) -> list[str]:
        """Take over an upload: check it, keep it, and list it.

        Args:
            path: The upload, in the store's folder.
            suffix: Suffix for its file.
            clip: The clip without its file and duration.
            pieces: Number of equal segments that become a clip each.
            batch: Id of the files that were chosen together: they are added in one step.

        Returns:
            Ids of the clips.

        Raises:
            UserError: It is no video, or cannot be kept; its file is removed.
            RefusedError: Its action was removed; so is its file.
            ChildError: Reading it took too long or too much memory.
        """
        facts, strip = await self.inspect(path)
        id, file = await asyncio.to_thread(self.store.keep, path, suffix, strip)
        whole = clip.model_copy(update={"file": file, **facts})
        clips = {id: whole}
        if pieces > 1:
            step = facts["seconds"] / pieces
            clips = {
                new_id(): whole.model_copy(update={"start": i * step, "end": (i + 1) * step})
                for i in range(pieces)
            }

        def added(document: Document) -> Document:
            label = clip.label and self._renamed.label(clip.label)  # changed meanwhile?
            new = document.changed(
                "add",
                clip.name,
                clips={id: one.model_copy(update={"label": label}) for id, one in clips.items()},
            )
            last = document.last_step
            return new.joined() if batch and last and self._added == (batch, last) else new

        try:
            await self.change(added)
            self._added = batch, self.document.last_step
        except (UserError, RefusedError):
            # Else the next start would recover the upload that is refused here.
            with suppress(OutputError):
                await asyncio.to_thread(self.store.forget, file)
            raise
        return list(clips)

    async def inspect(self, path: Path) -> tuple[dict[str, Any], bytes]:
        """Open a video in the decoder, see ``decoder.Decoder.inspect``."""
        facts, strip = await call_twice(
            self.decoder, "inspect", str(path), seconds=SECONDS_TO_INSPECT
        )
        try:
            Clip(file=None, name="", **facts)  # a video may have taken over the decoder
        except (TypeError, ValidationError) as error:
            raise ChildError("died") from error
        return facts, strip

    async def forget(self, ids: Sequence[str]) -> None:
        """Remove clips of the bin for good, and files that no other clip needs."""
        async with self._one_change:  # the document says which files are removed until they are
            before = {self.document.clip(id).file for id in ids}
            await self._write(self.document.forgotten(ids))
            left = {clip.file for clip in self.document.clips.values()}
            for file in before - left - {None}:
                await asyncio.to_thread(self.store.forget, file or "")
        self.results = {id: one for id, one in self.results.items() if id in self.document.clips}

    def teach(self, tab: str) -> Job:
        """Let the model follow the document."""
        return self.queue.add(Job("teach", tab, self._teach()))

    def predict(self, id: str, tab: str) -> Job:
        """Predict the class of a clip, or search a recording for actions."""
        clip = self.document.clip(id)
        if clip.is_recording:
            steps = self._watch(new_id(), tab, id, clip)
            return self.queue.add(Job("watch", tab, steps, id, patient=True))
        return self.queue.add(Job("predict", tab, self._predict(id), id))

    async def explain(self, id: str) -> str:
        """Return why a clip is predicted as it is, as an HTML file."""
        facts = _facts_of(self.document.clip(id))
        _, content = await call_twice(self.worker, "explain", facts, seconds=SECONDS_A_CLIP)
        return self._with_names(content.decode(), escape)

    async def report(self) -> str:
        """Return what the model was taught and how good it is, as an HTML file."""
        _, content = await call_twice(self.worker, "report", seconds=SECONDS_A_CLIP)
        return self._with_names(content.decode(), escape)

    async def export(self, file: Path) -> None:
        """Write the model as a file."""
        await self._work("pack", str(file), seconds=SECONDS_TO_OPEN)

    async def replace_model(self, file: Path, name: str) -> None:
        """Replace the model by that of a file, which can be undone.

        Raises:
            UserError: It is no such file, or the disk would be nearly full.
            ChildError: Reading it took too long or too much memory.
        """
        size = await self._work("unpacked_size", str(file), seconds=SECONDS_TO_OPEN)
        with self.room.reserved(size=size):
            opened = await self._work("unpack", str(file), seconds=SECONDS_TO_OPEN)
        await self._sync(opened, step=("import", name))

    async def look(self, stream: str, size: tuple[int, int], at: float, pixels: bytes) -> Any:
        """Look at a frame of the camera, see ``worker.Worker.look``."""
        answer, _ = await self.worker.call(
            "look", stream, *size, at, seconds=SECONDS_A_CLIP, blob=pixels
        )
        return answer

    async def _watch(self, job: str, tab: str, id: str, clip: Clip) -> Steps:
        await self._reopen()
        if self.model is None:
            self._unsearched[id] = tab
            return
        model, begin, ended = self.model["id"], True, False
        total = max(1, round(clip.seconds))
        try:
            while not ended and id in self.document.clips and not self.document.clips[id].binned:
                found = await self._work(
                    "watch", job, _facts_of(clip), begin, seconds=SECONDS_A_CLIP
                )
                begin, ended = False, found["ended"]
                self._show(id, {**found, "model": model})
                yield min(total, round(found["time"])), total
        finally:
            if not (ended or self._stopping):  # else the worker ends, too
                with suppress(ChildError):
                    await self._work("forget", job, seconds=SECONDS_A_CLIP)

    async def _open(self) -> Steps:
        lost = await self._reopen()
        yield 1, 1
        _say_if_lost(lost)

    async def _start(self, unknown: Sequence[str]) -> Steps:
        lost = await self._reopen()
        yield 1, 1
        for file in unknown:
            try:
                facts, strip = await self.inspect(self.store.path(file))
            except (UserError, ChildError):
                continue
            self.store.restore_strip(file, strip)
            clip = Clip(file=file, name=f"interrupted upload{PurePosixPath(file).suffix}", **facts)
            await self.change(_recovered(PurePosixPath(file).stem, clip))
        _say_if_lost(lost)

    async def _teach(self) -> Steps:
        taught = None
        while taught is None:  # again, if a command changed the model while clips were encoded
            await self._reopen()
            model, clips = self.model and self.model["id"], self.document.training_clips
            new = [id for id in clips if id not in self.document.taught and clips[id].file]
            total = len(new) + 2
            yield 1, total
            for done, id in enumerate(new, start=2):
                if id in self.document.clips:  # not deleted for good meanwhile
                    await self._work("encode", _facts_of(clips[id]), seconds=SECONDS_A_CLIP)
                yield done, total
            clips = {id: clip for id, clip in clips.items() if id in self.document.clips}
            listed = [_facts_of(clip) for clip in clips.values()]
            step = self.document.last_step
            change = f"{step.what} {step.subject}".strip() if step else "taught"
            taught = await self._work("teach", listed, change, model, seconds=SECONDS_TO_TEACH)
        # No step follows: it is done, also if it was cancelled while the model was saved.
        await self._sync(taught, {id: clip.taught_as or "" for id, clip in clips.items()})

    async def _predict(self, id: str) -> Steps:
        await self._reopen()
        await self._answer(id)
        yield 1, 1

    async def _refresh(self) -> Steps:
        """Make advice and answers those of the model: the newest clip first, then recordings."""
        with suppress(UserError, ChildError):
            sentences = await self._work("review", seconds=SECONDS_A_CLIP)
            self.advice = [self._with_names(one, str) for one in sentences]
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

    def _outdated(self) -> list[str]:
        """Return the short clips to try that have no answer of the model, the newest first."""
        return [
            id
            for id, clip in reversed(self.document.clips.items())
            if clip.label is None and not (clip.binned or clip.is_recording)
            if self.model and self.results.get(id, {}).get("model") != self.model["id"]
        ]

    async def _answer(self, id: str) -> None:
        """Predict the class of a clip, if there are both; an error is a result, too."""
        clip = self.document.clips.get(id)
        if clip is None or self.model is None:
            return
        model = self.model["id"]
        try:
            result = await self._work("predict", _facts_of(clip), seconds=SECONDS_A_CLIP)
        except (UserError, ChildError) as error:
            self._show(id, {"error": facts_of(error), "model": model})
            raise
        self._show(id, {**result, "nearest": self._id_of(result["nearest"]), "model": model})

    def _show(self, id: str, result: dict[str, Any]) -> None:
        """Make this the last result, unless the clip was removed for good meanwhile."""
        self.results.pop(id, None)
        if id in self.document.clips:
            self.results[id] = result

    async def _reopen(self) -> dict[str, str] | None:
        """Take over the model in the folder, if something else changed it.

        Returns:
            Parts of the error if it is damaged or of an older version; otherwise None.
        """
        opened = await self._work("open", seconds=SECONDS_TO_OPEN)
        await self._sync(opened)
        lost: dict[str, str] | None = opened.get("lost")
        return lost

    async def _work(self, method: str, *arguments: Any, seconds: float) -> Any:
        result, _ = await call_twice(self.worker, method, *arguments, seconds=seconds)
        return result

    async def _sync(
        self,
        opened: dict[str, Any],
        base: dict[str, str] | None = None,
        *,
        step: tuple[str, str] | None = None,
    ) -> None:
        """Take over what the model has, see ``Document.merge``.

        Args:
            opened: What the worker says of the model.
            base: Label of each clip when they were equal.
            step: What was done with what, to undo it as one step; None if it cannot be undone.
        """
        before, self.model = self.model, opened["model"]
        is_other = self.model and (before is None or before["id"] != self.model["id"])
        if before and is_other and base is None and step is None:
            self._changed_by_command += 1
        examples = [SavedExample.model_validate(one) for one in opened["examples"]]

        def merged(document: Document) -> Document:
            if self.model is None:
                return document.without_model()
            if step is None:
                return document.merge(examples, new_id, base)
            return document.opened(*step, examples, new_id)

        await self.change(merged)
        faulty = (one for one in examples if one.faults)
        self._faults = {id: one.faults for one in faulty if (id := self.document.id_of(one.key))}
        if is_other:
            self.advice = []
            with suppress(OptionError):  # too many jobs wait
                self.queue.add(Job("refresh", "", self._refresh(), patient=True))

    def _with_names(self, text: str, form: Callable[[str], str]) -> str:
        """Return a text with the names of clips in place of those of their files."""
        text = text.replace(form(f"{self.store.folder}/"), "")
        for clip in self.document.clips.values():
            if clip.file is not None and clip.file in text:
                for file in (f"{clip.label}/{clip.file}", clip.file):
                    text = text.replace(form(file), form(clip.title))
        return text

    def _id_of(self, example: dict[str, Any]) -> str | None:
        """Return the id of a clip that the model names."""
        return self.document.id_of(SavedExample.model_validate(example).key)

    def _clip_facts(self, id: str, clip: Clip) -> dict[str, Any]:
        return {
            **clip.model_dump(exclude={"file", "page_file", "name_number"}),
            "name": clip.title,
            "playable": clip.file is not None,
            "source": None if clip.file is None else PurePosixPath(clip.file).stem,
            "taught": self.document.taught.get(id),
            "recording": clip.is_recording,
            "faults": self._faults.get(id, ()),
        }

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def step_facts(step: Step | None) -> dict[str, str] | None:
    """Return what the page shows of a step that can be undone, or was undone."""
    return None if step is None else {"what": step.what, "subject": step.subject}


def _say_if_lost(lost: dict[str, str] | None) -> None:
    """Fail the job if the model cannot be read any more; teaching again replaces it."""
    if lost:
        raise RemoteError(**lost)


def _recovered(id: str, clip: Clip) -> Callable[[Document], Document]:
    return lambda document: document.changed("recover", clip.name, clips={id: clip})


def _facts_of(clip: Clip) -> dict[str, Any]:
    """Return what the worker needs of a clip."""
    key = dict(zip(("file", "start", "end", "number"), clip.key, strict=True))
    names = {"name": clip.title, "saved_as": clip.saved_as, "label": clip.label}
    return {**key, **names, "source": clip.file is not None}
