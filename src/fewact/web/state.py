"""What all tabs share: the document, the jobs and their results."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic import ValidationError

from fewact.errors import OptionError, OutputError, UserError
from fewact.web.bodies import RefusedError
from fewact.web.children import DECODER_LIMITS, Child, ChildError
from fewact.web.document import Clip, Document, SavedExample
from fewact.web.jobs import Job, Queue, Steps
from fewact.web.store import MOST_CLIPS, Store, new_id

SECONDS_TO_OPEN: Final = 180.0
SECONDS_TO_INSPECT: Final = 90.0
SECONDS_A_CLIP: Final = 120.0
SECONDS_TO_TEACH: Final = 600.0
UPLOADS_AT_ONCE: Final = 4
TRIED_AGAIN: Final = 8
"""Number of clips that are predicted again after teaching, the last ones."""


class Page:
    """State of the page of one model.

    Args:
        store: Folder of the clips.
        options: Options of the classifier, see ``worker.Worker``.
    """

    def __init__(self, store: Store, options: dict[str, str]) -> None:
        self.store = store
        self.document = store.read()
        self.worker = Child("fewact.web.worker:Worker", str(store.model), options)
        self.decoder = Child("fewact.web.decoder:Decoder", limits=DECODER_LIMITS)
        self.queue = Queue(self.notify)
        self.model: dict[str, Any] | None = None
        self.advice: list[str] = []
        self.results: dict[str, dict[str, Any]] = {}
        self._version, self._stopping, self._opened = 0, False, False
        self._changed = asyncio.Condition()
        self._one_change = asyncio.Lock()
        self.uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._bytes_admitted, self._clips_admitted = 0, 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Start the queue, and take over what is in the folder."""
        self._keep(self.queue.run())
        if self.store.has_model() or self.store.unknown(self.document):
            self.open()

    def open(self) -> None:
        """Load the model, or the libraries for one, so that no request waits for them."""
        if not self._opened:
            self._opened = True
            self.queue.add(Job("open", "", self._open()))

    def release(self) -> None:
        """Answer the tabs that wait for a change: the server is about to stop."""
        self._stopping = True
        self.notify()

    async def stop(self) -> None:
        """Stop all work."""
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
        last = document.steps[-1] if document.steps else None
        return {
            "version": self._version,
            "name": self.store.model.name,
            "classes": document.classes,
            "clips": {id: self._clip_facts(id, clip) for id, clip in document.clips.items()},
            "changes": document.changes,
            "undo": None if last is None else {"what": last.what, "subject": last.subject},
            "model": self.model,
            "advice": self.advice,
            "jobs": [job.facts() for job in self.queue.jobs],
            "results": self.results,
        }

    async def change(self, function: Callable[[Document], Document]) -> None:
        """Change the document; it is on the disk when this returns.

        Raises:
            UserError: The change is refused, or cannot be written.
        """
        async with self._one_change:
            document = function(self.document)
            if document != self.document:
                self.document = await asyncio.to_thread(self.store.write, document)
                self.notify()

    @contextmanager
    def admit(self, *, size: int = 0, clips: int = 0) -> Iterator[None]:
        """Reserve disk space and clips until the block ends, so that requests share the limits.

        Args:
            size: Number of bytes that will be written. Bytes that the block has written already
                count twice, so that the limit is never exceeded.
            clips: Number of clips that will be added.

        Raises:
            RefusedError: There would be too many clips.
            OutputError: The disk would be nearly full.
        """
        if clips and len(self.document.clips) + self._clips_admitted + clips > MOST_CLIPS:
            raise RefusedError(409, "too_many")
        if size:
            self.store.check_room(self._bytes_admitted + size)
        self._bytes_admitted += size
        self._clips_admitted += clips
        try:
            yield
        finally:
            self._bytes_admitted -= size
            self._clips_admitted -= clips

    async def add(self, path: Path, suffix: str, clip: Clip, pieces: int) -> list[str]:
        """Take over an upload: check it, keep it, and list it.

        Args:
            path: The upload, in the store's folder.
            suffix: Suffix for its file.
            clip: The clip without its file and duration.
            pieces: Number of equal segments that become a clip each.

        Returns:
            Ids of the clips.

        Raises:
            UserError: It is no video, or cannot be kept; its file is removed.
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
        try:
            await self.change(lambda document: document.changed("add", clip.name, clips=clips))
        except UserError:  # else the next start would recover the upload that is refused here
            with suppress(OutputError):
                await asyncio.to_thread(self.store.forget, file)
            raise
        return list(clips)

    async def inspect(self, path: Path) -> tuple[dict[str, Any], bytes]:
        """Open a video in the decoder, see ``decoder.Decoder.inspect``."""
        facts, strip = await _twice(self.decoder, "inspect", str(path), seconds=SECONDS_TO_INSPECT)
        try:
            Clip(file=None, name="", **facts)  # a video may have taken over the decoder
        except (TypeError, ValidationError) as error:
            raise ChildError("died") from error
        return facts, strip

    async def forget(self, ids: Sequence[str]) -> None:
        """Remove clips of the bin for good, and files that no other clip needs."""
        before = {self.document.clip(id).file for id in ids}
        await self.change(lambda document: document.forgotten(ids))
        self.results = {id: one for id, one in self.results.items() if id in self.document.clips}
        left = {clip.file for clip in self.document.clips.values()}
        for file in before - left - {None}:
            await asyncio.to_thread(self.store.forget, file or "")

    def teach(self, tab: str) -> Job:
        """Let the model follow the document."""
        return self.queue.add(Job("teach", tab, self._teach(tab)))

    def predict(self, id: str, tab: str) -> Job:
        """Predict the class of a clip, or search a recording for actions."""
        clip = self.document.clip(id)
        if clip.is_recording:
            return self.queue.add(Job("watch", tab, self._watch(new_id(), id, clip), id))
        return self.queue.add(Job("predict", tab, self._predict(id), id))

    async def explain(self, id: str) -> str:
        """Return why a clip is predicted as it is, as an HTML file."""
        facts = _facts_of(self.document.clip(id))
        _, content = await _twice(self.worker, "explain", facts, seconds=SECONDS_A_CLIP)
        return self._with_names(content.decode(), escape)

    async def report(self) -> str:
        """Return what the model was taught and how good it is, as an HTML file."""
        _, content = await _twice(self.worker, "report", seconds=SECONDS_A_CLIP)
        return self._with_names(content.decode(), escape)

    async def export(self, file: Path) -> None:
        """Write the model as a .zip file."""
        await self._work("pack", str(file), seconds=SECONDS_TO_OPEN)

    async def replace_model(self, file: Path, name: str) -> None:
        """Replace the model by that of a .zip file, which can be undone."""
        opened = await self._work("unpack", str(file), seconds=SECONDS_TO_OPEN)
        await self._sync(opened, step=("import", name))

    async def look(self, stream: str, size: tuple[int, int], at: float, pixels: bytes) -> Any:
        """Look at a frame of the camera, see ``worker.Worker.look``."""
        answer, _ = await self.worker.call(
            "look", stream, *size, at, seconds=SECONDS_A_CLIP, blob=pixels
        )
        return answer

    async def _watch(self, job: str, id: str, clip: Clip) -> Steps:
        begin, ended = True, False
        total = max(1, round(clip.seconds))
        try:
            while not ended and id in self.document.clips:
                found = await self._work(
                    "watch", job, _facts_of(clip), begin, seconds=SECONDS_A_CLIP
                )
                begin, ended = False, found["ended"]
                model = None if self.model is None else self.model["id"]
                self._show(id, {**found, "model": model})
                yield min(total, round(found["time"])), total
        finally:
            if not ended:
                with suppress(ChildError):
                    await self._work("forget", job, seconds=SECONDS_A_CLIP)

    async def _open(self) -> Steps:
        await self._sync(await self._work("open", seconds=SECONDS_TO_OPEN))
        yield 1, 1
        for file in self.store.unknown(self.document):
            try:
                facts, strip = await self.inspect(self.store.path(file))
            except (UserError, ChildError):
                continue
            self.store.restore_strip(file, strip)
            clip = Clip(file=file, name=file, **facts)
            await self.change(_recovered(PurePosixPath(file).stem, clip))

    async def _teach(self, tab: str) -> Steps:
        await self._sync(await self._work("open", seconds=SECONDS_TO_OPEN))
        clips = self.document.training_clips
        new = [id for id in clips if id not in self.document.taught and clips[id].file]
        total = len(new) + 2
        yield 1, total
        for done, id in enumerate(new, start=2):
            await self._work("encode", _facts_of(clips[id]), seconds=SECONDS_A_CLIP)
            yield done, total
        listed = [{**_facts_of(clip), "label": clip.taught_as} for clip in clips.values()]
        step = self.document.steps[-1] if self.document.steps else None
        change = f"{step.what} {step.subject}".strip() if step else "taught"
        taught = await self._work("teach", listed, change, seconds=SECONDS_TO_TEACH)
        await self._sync(taught, {id: clip.taught_as or "" for id, clip in clips.items()})
        sentences = await self._work("review", seconds=SECONDS_A_CLIP)
        self.advice = [self._with_names(one, str) for one in sentences]
        for id in list(self.results)[-TRIED_AGAIN:]:
            if "probabilities" in self.results[id]:
                with suppress(OptionError):  # too many jobs wait; the model is saved
                    self.predict(id, tab)
        yield total, total

    async def _predict(self, id: str) -> Steps:
        await self._sync(await self._work("open", seconds=SECONDS_TO_OPEN))
        clip = self.document.clips.get(id)
        if clip is None:  # removed for good while the job waited
            return
        result = await self._work("predict", _facts_of(clip), seconds=SECONDS_A_CLIP)
        self._show(id, {**result, "nearest": self._id_of(result["nearest"])})
        yield 1, 1

    def _show(self, id: str, result: dict[str, Any]) -> None:
        """Make this the last result, unless the clip was removed for good meanwhile."""
        self.results.pop(id, None)
        if id in self.document.clips:
            self.results[id] = result

    async def _work(self, method: str, *arguments: Any, seconds: float) -> Any:
        result, _ = await _twice(self.worker, method, *arguments, seconds=seconds)
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
        self.model = opened["model"]
        examples = [SavedExample.model_validate(one) for one in opened["examples"]]

        def merged(document: Document) -> Document:
            new = document.merge(examples, new_id, base)
            return new if step is None else new.since(document, *step)

        await self.change(merged)

    def _with_names(self, text: str, form: Callable[[str], str]) -> str:
        """Return a text with the names of clips in place of those of their files."""
        text = text.replace(form(f"{self.store.folder}/"), "")
        for clip in self.document.clips.values():
            if clip.file is not None and clip.file in text:
                for file in (f"{clip.label}/{clip.file}", clip.file):
                    text = text.replace(form(file), form(clip.name))
        return text

    def _id_of(self, example: dict[str, Any]) -> str | None:
        """Return the id of a clip that the model names."""
        key = SavedExample.model_validate(example).key
        clips = self.document.clips.items()
        return next((id for id, clip in clips if clip.key == key), None)

    def _clip_facts(self, id: str, clip: Clip) -> dict[str, Any]:
        return {
            **clip.model_dump(exclude={"file"}),
            "playable": clip.file is not None,
            "source": None if clip.file is None else PurePosixPath(clip.file).stem,
            "taught": self.document.taught.get(id),
            "recording": clip.is_recording,
        }

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _recovered(id: str, clip: Clip) -> Callable[[Document], Document]:
    return lambda document: document.changed("recover", clip.name, clips={id: clip})


async def _twice(child: Child, method: str, *arguments: Any, seconds: float) -> tuple[Any, bytes]:
    """Call a method of a child, and once more if the child was killed."""
    try:
        return await child.call(method, *arguments, seconds=seconds)
    except ChildError as error:
        if error.reason != "died":
            raise
    return await child.call(method, *arguments, seconds=seconds)


def _facts_of(clip: Clip) -> dict[str, Any]:
    file, start, end, number = clip.key
    source = clip.file is not None
    return {"file": file, "start": start, "end": end, "number": number, "source": source}
