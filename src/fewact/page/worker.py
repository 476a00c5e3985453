"""Work on the classifier, in a process of its own."""

import os
import sys
import threading
import time
import warnings
from collections import Counter, OrderedDict
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from fewact.classifier import FewShotClassifier
from fewact.classifier import file as model_files
from fewact.classifier.explain import explain, stored_origins
from fewact.classifier.history import editing, install, versions, work_folders
from fewact.classifier.info import accuracy_and_promises, in_short, model_info, thumbnails
from fewact.classifier.names import NONE
from fewact.classifier.prediction import Prediction, Skipped
from fewact.classifier.review import review
from fewact.classifier.revision import Key, Revision, keys_of
from fewact.core.errors import DataError, LostModelError, ModelError, VideoError
from fewact.core.options import OFF
from fewact.data import BACKGROUND, Clip, is_background
from fewact.data.clips import as_box
from fewact.methods.files import import_methods
from fewact.page.facts import EventFacts, LiveFacts, ModelFacts, SubjectFacts
from fewact.page.folder import PAGE_FOLDER
from fewact.page.names import TITLE_OF_NONE
from fewact.recordings.event_text import counts
from fewact.recordings.formats import Event
from fewact.recordings.people import predict_regions
from fewact.recordings.stream import Stream
from fewact.recordings.watch import Watch, watching
from fewact.report.explanation import explanation_page
from fewact.report.model_page import model_page
from fewact.video.regions import RegionFinder

SECONDS_OF_A_STEP: Final = 0.5
"""Time after which a recording lets other work have its turn."""

MOST_STREAMS: Final = 4
MOST_ADVICE: Final = 3


class Worker:
    """Classifier of a model folder; runs in a child.

    Args:
        model: Folder of the model; it may have none yet.
        options: Options for loading and for a new classifier: ``device``, ``engine`` and, if an
            estimator of joints is named, ``pose``.
        imports: Python files that are executed first; the model may use their methods.
    """

    def __init__(self, model: str, options: dict[str, str], imports: Sequence[str] = ()) -> None:
        for file in imports:
            import_methods(file)
        self._model, self._options = Path(model), options
        self._revision = self._new()
        self._loaded: tuple[int, ...] | None = None
        self._seen: tuple[int, ...] | None = None
        self._lost: dict[str, str] | None = None
        self._thumbnails = False
        self._searches: dict[str, Generator[dict[str, Any]]] = {}
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        self._names: dict[str, str] = {}
        self._warnings: set[str] = set()
        warnings.showwarning = self._show_warning

    def open(self) -> dict[str, Any]:
        """Read the model if it has changed; return its training clips and facts.

        Of a model that is damaged or of an older version there is only ``lost``, the parts of the
        error.
        """
        identity = self._identity()
        if identity is not None and identity != self._loaded:
            try:
                self._revision, self._lost = self._read(self._model), None
            except LostModelError as error:
                self._revision, self._lost = self._new(), error.parts
            self._loaded = identity
            self._thumbnails = bool(self._revision.examples) and (
                self._revision.classifier.fitted_.has_thumbnails
            )
        return self._facts()

    def encode(self, clip: dict[str, Any]) -> None:
        """Encode a clip for ``teach``."""
        self.open()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._encode(clip)

    def teach(
        self, clips: list[dict[str, Any]], change: str, model: str | None
    ) -> dict[str, Any] | None:
        """Make the model have exactly these clips, save it, and return its facts.

        Args:
            clips: All training clips with their labels.
            change: The change, in a few words, for the list of former versions.
            model: Id of the model that is replaced; None if there is none. If a command has changed
                the model, it stays, and nothing is returned.
        """
        with warnings.catch_warnings(), editing(self._model):
            warnings.simplefilter("ignore")
            present = self.open()["model"]
            if (present and present["id"]) != model:
                return None
            for clip in clips:
                if clip["source"]:  # after a restart nothing is encoded
                    self._encode(clip)
            # With a single action, anything else is the other class: a model needs two.
            none = TITLE_OF_NONE if len({clip["label"] for clip in clips}) == 2 else BACKGROUND
            lessons = [
                (
                    _key(clip),
                    none if clip["label"] == BACKGROUND else clip["label"],
                    clip["saved_as"],
                )
                for clip in clips
            ]
            for version in versions(self._model):  # clips without a file that come back
                if self._revision.has(key for key, _, _ in lessons):
                    break
                with suppress(LostModelError):  # an older version may have them
                    self._revision.add(model_files.load(version.file))
            self._revision.teach(lessons)
            self._revision.classifier.save(self._model, thumbnails=self._thumbnails, change=change)
            self._loaded = self._identity()
        return self._facts()

    def predict(self, clip: dict[str, Any], apart: bool = False) -> dict[str, Any]:
        """Predict the class of a clip; if ``apart`` that of each subject in it instead."""
        self.open()
        classifier = self._revision.classifier
        if apart:
            answers = [*predict_regions(classifier, self._clip(clip))]
            read = [one for one in answers if isinstance(one, Prediction)]
            return {
                "movers": len(answers),
                "subjects": [_subject(one) for one in answers],
                "faults": [*dict.fromkeys(fault for one in read for fault in one.faults)],
            }
        prediction = classifier.predict(self._clip(clip))
        nearest = next(
            facts
            for facts, example in zip(self._examples(), self._revision.examples, strict=True)
            if example.title == prediction.nearest
        )
        return {
            "label": _answer(prediction),
            "probability": prediction.probability,
            "movers": prediction.movers,
            "probabilities": _by_label(prediction.probabilities),
            "faults": prediction.faults,
            "nearest": nearest,
        }

    def watch(
        self, job: str, clip: dict[str, Any], begin: bool, apart: bool = False
    ) -> dict[str, Any]:
        """Search a recording for actions, for half a second.

        Args:
            job: Id of the search.
            clip: Recording.
            begin: Whether this is the first step.
            apart: Whether each subject is watched.

        Returns:
            Events so far and how many of each action; time in seconds up to which it was searched,
            the mean over both readings where subjects are followed first; whether it has ended.
        """
        if begin:
            self.open()
            self._searches[job] = self._search(clip, apart=apart)
        if job not in self._searches:
            raise ModelError("the search was interrupted", hint="Search again.")
        result = next(self._searches[job])
        if result["ended"]:
            self.forget(job)
        return result

    def forget(self, job: str) -> None:
        """Close a recording that is not searched any more."""
        if search := self._searches.pop(job, None):
            search.close()

    def _search(self, clip: dict[str, Any], *, apart: bool) -> Generator[dict[str, Any]]:
        """Yield what was found in a recording, after each step and at the end."""
        events: list[Event] = []
        path, stop = self._clip(clip).path, threading.Event()
        finder, readings = RegionFinder(), 1 + apart
        opened = watching(
            self._revision.classifier, path, stop=stop, only=self._actions, regions=apart and finder
        )
        with ExitStack() as until_end, ThreadPoolExecutor(1) as pool:
            # Subjects are followed through all of it first; others have their turn meanwhile.
            opening = pool.submit(until_end.enter_context, opened)
            try:
                while not wait([opening], SECONDS_OF_A_STEP).done:
                    yield _found([], finder.time / readings)
                watch = opening.result()
                until = time.monotonic() + SECONDS_OF_A_STEP
                for _, _, complete in watch.moments():
                    events += complete
                    if time.monotonic() > until:
                        yield _found(events, (finder.time + watch.time) / readings, watch)
                        until = time.monotonic() + SECONDS_OF_A_STEP
                events += watch.close()
                yield _found(events, watch.time, watch, ended=True)
            finally:
                stop.set()

    def look(self, stream: str, width: int, height: int, at: float, *, blob: bytes) -> LiveFacts:
        """Return what the camera shows now, events that are complete, and the frames a second used.

        Args:
            stream: Id of the stream; a new one begins a recording, and so does another model.
            width: Width of the frame.
            height: Height of the frame.
            at: Time of the frame, in seconds.
            blob: Pixels (h w 4), RGBA.
        """
        self.open()
        if self._streams and self._seen != self._loaded:  # by another model
            self._streams.clear()
        self._seen = self._loaded
        if stream not in self._streams:
            self._streams[stream] = Stream.of(self._revision.classifier, only=self._actions)
        self._streams.move_to_end(stream)
        while len(self._streams) > MOST_STREAMS:
            self._streams.popitem(last=False)
        camera = self._streams[stream]
        frame = np.frombuffer(blob, np.uint8).reshape(height, width, 4)[..., :3]
        events = camera.push(np.ascontiguousarray(frame), at)
        state = camera.state
        return {
            "label": None if state.label is None else str(state.label),
            "probabilities": _by_label(state.probabilities),
            "events": [_event(event) for event in events],
            "rate": camera.rate,
        }

    def explain(self, clip: dict[str, Any]) -> tuple[None, bytes]:
        """Return why a clip is predicted as it is, as an HTML file."""
        self.open()
        origins = stored_origins(self._revision.examples, *work_folders(self._model))
        explanation = explain(self._revision.classifier, self._clip(clip), origins)
        page = explanation_page(explanation, absent="this page does not have the video")
        return None, page.encode()

    def report(self) -> tuple[None, bytes]:
        """Return what the model has learned and how good it is, as an HTML file."""
        self.open()
        classifier = self._revision.classifier
        page = model_page(model_info(self._model), review(classifier), thumbnails(classifier))
        return None, page.html().encode()

    def pack(self, file: str) -> None:
        """Write a copy of the model's file."""
        model_files.copy_model(self._model, Path(file))

    def unpack(self, file: str) -> dict[str, Any]:
        """Replace the model by that of a file; the former one stays a former version."""
        install(file, self._model, lambda source: self._read(source).classifier)
        return self.open()

    def _new(self) -> Revision:
        device, engine = self._options["device"], self._options["engine"]
        pose = self._options.get("pose", OFF)
        return Revision(FewShotClassifier(device=device, engine=engine, pose=pose))

    def _read(self, model: Path) -> Revision:
        """Return the classifier of a model folder; refuse one without clips."""
        device, engine = self._options["device"], self._options["engine"]
        pose = self._options.get("pose")
        revision = Revision(FewShotClassifier.load(model, device, engine=engine, pose=pose))
        if revision.precomputed:
            raise ModelError(
                "the training examples of the model are features, not clips", where=str(self._model)
            )
        return revision

    def _encode(self, clip: dict[str, Any]) -> None:
        """Encode a clip, if it is not encoded yet; an error names the clip and its action."""
        try:
            self._revision.encode(self._clip(clip))
        except (DataError, VideoError) as error:
            part = (
                "" if clip["start"] is None else f" from {clip['start']:.1f} to {clip['end']:.1f} s"
            )
            action = (
                "no action" if is_background(clip["label"]) else f'the action "{clip["label"]}"'
            )
            reason = (error.got or error.what).rpartition(clip["file"])[2].lstrip(": ")
            raise DataError(
                f'the clip "{clip["name"]}"{part} of {action} cannot be used: {reason}',
                hint="Remove the clip, or mark another part of it.",
            ) from error

    def _clip(self, clip: dict[str, Any]) -> Clip:
        if not clip["source"]:
            raise DataError("the model has no video of this clip, only features")
        path = self._model / PAGE_FOLDER / clip["file"]
        self._names[str(path)] = clip["name"]
        return Clip(path, start=clip["start"], end=clip["end"], box=clip["box"])

    def _show_warning(self, message: Warning | str, *_: object, **__: object) -> None:
        """Write a warning to the terminal: in one line, once, with the name that the user sees."""
        text = " ".join(str(message).split())
        for path, name in self._names.items():
            text = text.replace(path, name)
        if text not in self._warnings:
            self._warnings.add(text)
            print(f"Warning: {text}", file=sys.stderr, flush=True)

    def _identity(self) -> tuple[int, ...] | None:
        """Return what distinguishes one saved model from the next; None if there is none."""
        try:
            facts = (self._model / model_files.MODEL).stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    def _facts(self) -> dict[str, Any]:
        classifier, examples = self._revision.classifier, self._revision.examples
        if not examples:
            return {"model": None, "examples": [], "faults": [], "lost": self._lost}
        accuracy, promised = accuracy_and_promises(classifier)
        model: ModelFacts = {
            "id": str(self._loaded),
            "classes": self._actions,
            "clips": dict(Counter(_label(clip.label) for clip in examples)),
            "summary": in_short(
                classifier.fitted_.calibration, classifier.fitted_.open_set, classifier.false_alarms
            ),
            "details": [line.strip() for line in (*accuracy, *promised)],
            "none": sum(_label(clip.label) == BACKGROUND for clip in examples),
        }
        faults = [list(example.faults) for example in examples]
        return {"model": model, "examples": self._examples(), "faults": faults}

    @property
    def _actions(self) -> list[str]:
        """Names of the classes, without that of anything else."""
        labels = map(str, self._revision.classifier.classes_)
        return [label for label in labels if label != TITLE_OF_NONE]

    def _examples(self) -> list[dict[str, Any]]:
        examples = self._revision.examples
        return [
            {
                "name": example.name,
                "page_file": example.stored_file,
                "label": _label(example.label),
                "start": start,
                "end": end,
                "number": number,
                "box": box,
            }
            for example, (_, start, end, number, box) in zip(
                examples, keys_of(examples), strict=True
            )
        ]


class Advisor:
    """Advice for a model, computed in a child process: with many clips it takes minutes.

    It takes the time that nothing else needs, and no network is built.
    """

    def __init__(self, model: str, imports: Sequence[str] = (), nice: int = 10) -> None:
        if hasattr(os, "nice"):  # not on Windows
            os.nice(nice)
        for file in imports:
            import_methods(file)
        self._model = Path(model)

    def review(self) -> list[str]:
        """Return what would help, most useful first, as sentences."""
        found = review(FewShotClassifier.load(self._model, lazy=True))
        return [advice.text for advice in found.advice[:MOST_ADVICE]]


def _found(
    events: Sequence[Event], time: float, watch: Watch | None = None, *, ended: bool = False
) -> dict[str, Any]:
    """Return what was found in a recording up to a time; it may not be open yet."""
    return {
        "events": [_event(event) for event in events],
        "counts": counts(events),
        "faults": [] if watch is None else watch.faults,
        "time": time,
        "ended": ended,
    }


def _event(event: Event) -> EventFacts:
    """Return an event with its class as a text: all labels of the page are texts."""
    return {
        "label": str(event.label),
        "start": round(event.start, 3),
        "end": round(event.end, 3),
        "confidence": event.confidence,
        "repetitions": event.repetitions,
        "subject": event.subject,
        "box": None if event.box is None else [*event.box],
    }


def _subject(prediction: Prediction | Skipped) -> SubjectFacts:
    if isinstance(prediction, Skipped):
        raise prediction.error
    box = None if prediction.box is None else [float(round(side)) for side in prediction.box]
    return {
        "subject": prediction.subject,
        "box": box,
        "label": _answer(prediction),
        "probability": prediction.probability,
    }


def _answer(prediction: Prediction) -> str:
    return NONE if prediction.label == TITLE_OF_NONE else str(prediction.label)


def _label(label: object) -> str:
    return BACKGROUND if label == TITLE_OF_NONE else str(label)


def _by_label(probabilities: Mapping[Any, float]) -> dict[str, float]:
    return {_label(label): probability for label, probability in probabilities.items()}


def _key(clip: dict[str, Any]) -> Key:
    box = clip["box"] and as_box(clip["box"], clip["name"])
    return clip["file"], clip["start"], clip["end"], clip["number"], box
