"""Few-shot localisation: a few segments of each class find its events in untrimmed recordings.

Episodes are drawn from the scored events of recordings. The support are events, cut out; the
queries are the untrimmed recordings of the query events. The support has no event of these
recordings. Each recording is watched as ``fewact watch`` does. Events of classes outside an episode
are background. The measure is ActivityNet's mean average precision.
"""

import math
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from fewact.classifier.examples import Nodes
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fit import encode_examples
from fewact.classifier.fitted import Fitted, fit_examples
from fewact.classifier.inputs import TrainingClip
from fewact.cli.teach import classifier_of
from fewact.core.atomic import write_text
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import DataError, OptionError, ResultError
from fewact.core.intervals import half_width
from fewact.core.workers import on_one_core
from fewact.data.clips import Clip
from fewact.data.videos import SPLITS, Split, Video, VideoList
from fewact.features.request import Features
from fewact.lab.benchmarks.benchmarks import read_facts
from fewact.lab.evaluation.encode import Progress
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw, load
from fewact.lab.evaluation.run import open_videos
from fewact.lab.evaluation.spec import DataSpec, EpisodeFile, EvaluationSpec, command_of
from fewact.recordings.agreement import TIOUS, Scored, average_precisions
from fewact.recordings.events import WindowScore
from fewact.recordings.formats import Event
from fewact.recordings.stream import Stream
from fewact.recordings.watch import Watch
from fewact.report.table import Table
from fewact.video.recording import open_recording

DURATIONS = 1.15
"""Durations of events are rounded to powers of this ratio: a duration changes by at most 7 %."""

DEFAULT_COUNT = 100
"""Default number of episodes in which recordings are watched."""

USED = {"method", "options", "episodes", "backbone", "output", "overwrite"}
"""Fields of an evaluation that localisation uses beside the data."""

LARGEST_MEMORY = 2 * GIB
"""Largest size of the kept nodes of windows, in bytes."""

LOCALISATION = FileType(
    "result of localisation",
    ResultError,
    64 * MIB,
    hint="Replace it with --overwrite, or choose another file.",
)


class Localisation(BaseModel):
    """Average precisions of the finished episodes.

    Args:
        command: Command line that computes it.
        sha256: Hash of the episodes.
        per_episode: Average precision (0 … 1) of each class at each of ``TIOUS``, by episode.
    """

    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = 1
    command: str
    sha256: str
    per_episode: list[dict[str, list[float]]] = []

    @property
    def precisions(self) -> NDArray[np.float64]:
        """Mean average precision of each episode at each of ``TIOUS`` (N 5), in per cent."""
        return 100 * np.array(
            [np.mean(list(of_classes.values()), 0) for of_classes in self.per_episode]
        )


def evaluate(spec: EvaluationSpec, progress: Progress) -> Localisation:
    """Evaluate how well a method finds events in recordings.

    Args:
        spec: Evaluation whose data are a file of scored events; its split is a split of the
            published fold. An output with a part of the result is continued.
        progress: Called with the number of episodes that are done and the number of all.

    Raises:
        OptionError: The spec changes the videos, or has something else that is not for recordings.
    """
    _check(spec)
    source = spec.data.model_copy(update={"split": "all"})
    split = None if spec.data.split == "all" else spec.data.split
    events = segments(open_videos(source)[0], split)
    if isinstance(spec.episodes, EpisodeFile):
        drawn = load(spec.episodes.file)
    else:
        size = {"count": DEFAULT_COUNT, **spec.episodes.requested, "groups": "shared"}
        drawn = draw(events, Protocol(**size))
    fresh = Localisation(command=f"{command_of(spec)} --localise", sha256=drawn.digest)
    result = begun(spec.output, fresh, overwrite=spec.overwrite)

    def done(result: Localisation) -> None:
        if spec.output is not None:
            write_text(spec.output, text(result))
        progress(len(result.per_episode), drawn.protocol.count)

    classifier = classifier_of(spec.method, spec.options, spec.backbone, "off", None)
    return localise(classifier, events, drawn, result, done)


def _check(spec: EvaluationSpec) -> None:
    """Refuse what only other evaluations have."""
    data = spec.data.model_copy(update={"split": None})
    compared = spec.model_copy(update={"data": data})
    plain = EvaluationSpec(method=spec.method, data=DataSpec(source=data.source))
    names = sorted(EvaluationSpec.model_fields.keys() - USED)
    refused = {name: getattr(compared, name) != getattr(plain, name) for name in names}
    if isinstance(spec.episodes, Protocol):
        refused["open_set"] = spec.episodes.open_set > 0
    for name in (name for name, is_set in refused.items() if is_set):
        option = name.replace("modalities", "with").replace("_", "-")
        raise OptionError("cannot be used with --localise", where=f"--{option}")


def segments(videos: VideoList, split: Split | None = None) -> VideoList:
    """Return scored events with their recordings as groups, of the classes of a published fold.

    Raises:
        DataError: A video is no segment of a file; or a split of the fold is requested, and no
            event is of its classes.
    """
    listed = []
    for video in videos.videos:
        if video.clip is None:
            raise DataError(
                "not an event of a recording",
                where=f"{videos.name}, {video.id}",
                expected="a file of scored events, see `fewact agree`, beside its recordings",
            )
        listed.append(replace(video, group=str(video.clip.path)))
    if split is not None:
        listed = [video for video in listed if fold().get(video.label) == split]
        if not listed:
            raise DataError(
                "no event is of a class of the published fold",
                where=videos.name,
                got=", ".join(videos.classes)[:200],
                expected=f"ActivityNet 1.3's {split} classes",
                hint="Leave out --split.",
            )
    return VideoList(videos.name, tuple(listed), "shared", videos.flags)


@cache
def fold() -> dict[str, Split]:
    """Return the split of each class of ActivityNet 1.3 in few-shot localisation."""
    classes = read_facts("activitynet13.toml")["classes"]
    return {label: split for split in SPLITS for label in classes[split]}


def localise(
    classifier: FewShotClassifier,
    videos: VideoList,
    drawn: EpisodeSet,
    result: Localisation,
    done: Callable[[Localisation], None] = lambda result: None,
) -> Localisation:
    """Return the result with all episodes; finished episodes stay as they are.

    Each event and each window of a recording is encoded once. Durations of events are rounded, so
    that episodes share windows.

    Args:
        classifier: Classifier to fit in each episode; it is not changed.
        videos: Events, see ``segments``.
        drawn: Episodes of these events, with groups ``shared``.
        result: Result of the finished episodes.
        done: Called after each episode.

    Raises:
        VideoError: An event or a recording cannot be read.
    """
    drawn.check_list(videos)
    clips = [_clip(video) for video in videos.videos]
    pipeline = classifier.pipeline_for(clips[0])
    first = len(result.per_episode)
    needed = np.unique(drawn.support[first:]).tolist()
    if not needed:
        return result
    examples, skipped = encode_examples([TrainingClip(clips[i], str(i)) for i in needed], pipeline)
    if skipped:
        raise skipped[0].error
    rounded = tuple(replace(clip, duration=on_grid(clip.duration)) for clip in examples.clips)
    examples = replace(examples, clips=rounded)
    position = {int(clip.name): k for k, clip in enumerate(examples.clips)}
    memory = Memory()
    for support, query in zip(drawn.support[first:].tolist(), drawn.query[first:], strict=True):
        shots = examples.select(sorted(position[i] for i in support))
        fitted = fit_examples(pipeline, shots)
        classes = {clips[i].label for i in support}
        listed = []
        for path in dict.fromkeys(clips[i].path for i in query):
            scored = [_event(c) for c in clips if c.path == path and c.label in classes]
            stream = RememberingStream(fitted, memory, path)
            with open_recording(path) as recording:
                events = tuple(Watch(stream, recording).events())
            listed.append(Scored(str(path), events, tuple(scored)).of_classes())
        result.per_episode.append(average_precisions(listed))
        done(result)
    return result


def on_grid(duration: float | None) -> float | None:
    """Return the nearest power of ``DURATIONS``, in seconds.

    >>> on_grid(2.0), on_grid(2.1)
    (2.011, 2.011)
    """
    if not duration:
        return duration
    return round(DURATIONS ** round(math.log(duration) / math.log(DURATIONS)), 3)


class Memory:
    """Nodes of windows; when ``LARGEST_MEMORY`` is full, no more are kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, float, float, float], Nodes] = {}
        self._free = LARGEST_MEMORY

    def get(self, key: tuple[Path, float, float, float]) -> Nodes | None:
        """Return the nodes of a window by its recording, frames per second, start and end."""
        return self._known.get(key)

    def add(self, key: tuple[Path, float, float, float], nodes: Nodes) -> None:
        """Keep the nodes of a window if there is memory left."""
        size = sum(value.nbytes for value in nodes.values())
        if size <= self._free:
            self._known[key] = nodes
            self._free -= size


class RememberingStream(Stream):
    """Stream that takes the nodes of windows from a memory if they are there."""

    def __init__(self, fitted: Fitted, memory: Memory, recording: Path) -> None:
        super().__init__(fitted)
        self._memory, self._recording = memory, recording

    def _window(self, start: float, end: float) -> Future[WindowScore]:
        nodes = self._memory.get((self._recording, self.rate, start, end))
        if nodes is None:
            return super()._window(start, end)
        done: Future[WindowScore] = Future()
        done.set_result(self.scorer.score(start, end, nodes))
        return done

    def _score(self, window: tuple[float, float, Features]) -> WindowScore:
        start, end, features = window
        nodes = on_one_core(lambda: self.scorer.encode(features))
        self._memory.add((self._recording, self.rate, start, end), nodes)
        return self.scorer.score(start, end, nodes)


def begun(output: Path | None, fresh: Localisation, *, overwrite: bool) -> Localisation:
    """Return the result in a file to continue, or the fresh result.

    Raises:
        ResultError: The file is of another evaluation, or no result.
    """
    if output is None or overwrite or not output.exists():
        return fresh
    previous = LOCALISATION.model(output, Localisation)
    if (previous.command, previous.sha256) != (fresh.command, fresh.sha256):
        LOCALISATION.refuse(output, "it is of another evaluation", previous.command)
    return previous


def text(result: Localisation) -> str:
    """Return a result as JSON."""
    return result.model_dump_json(indent=1) + "\n"


def _clip(video: Video) -> Clip:
    assert video.clip is not None
    return replace(video.clip, label=video.label)


def _event(clip: Clip) -> Event:
    assert clip.label is not None
    return Event(clip.label, clip.start or 0.0, np.inf if clip.end is None else clip.end)


def localisation_table(name: str, result: Localisation) -> Table:
    """Return the mean average precision over episodes at each temporal IoU, and its mean."""
    values = result.precisions
    columns = [*values.T, values.mean(1)]
    cells = [f"{column.mean():.1f} ± {half_width(column) or 0:.1f}" for column in columns]
    header = ("method", "episodes", *(f"{tiou:g}" for tiou in TIOUS), "mean")
    title = "Mean average precision at temporal IoUs, in per cent, over episodes"
    return Table(header, ((name, str(len(values)), *cells),), title)
