"""Encode training clips into examples."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

import torch

from fewact.classifier.encoding import EncodedClip, encode
from fewact.classifier.example import Example
from fewact.classifier.examples import Examples, Nodes, join, rounded
from fewact.classifier.fitted import Fitted
from fewact.classifier.orientation import ORIENTATIONS, find_rotated
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.prediction import Skipped
from fewact.classifier.recordings.common_parts import use_common_parts
from fewact.classifier.recordings.searching import find_action
from fewact.classifier.saved.thumbnails import thumbnail
from fewact.classifier.uprightness import common_turns, scores_of
from fewact.core.errors import DataError, VideoError, warn
from fewact.data import BACKGROUND, AnyClip, Clip, FeatureClip
from fewact.data.files import first_few, legible
from fewact.data.video_source import VideoSource
from fewact.features.timing import Timing
from fewact.video.cleaning.correction import Fault

LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

LONG_NONE = 2
"""A clip of no class is long if it lasts this many times as long as the clips of the classes."""


class _ReadClip(NamedTuple):
    """A training clip that could be read.

    Args:
        encoded: The clip, without its nodes.
        part: Its example and nodes.
        searched: Whether only the part of it is used that is most like its class.
    """

    encoded: EncodedClip
    part: Examples
    searched: bool

    @property
    def title(self) -> str:
        """Title of the example."""
        return self.part.clips[0].title


def teach(
    clips: Sequence[AnyClip],
    names: Sequence[str],
    pipeline: Pipeline,
    progress: Progress | None = None,
    timing: Timing | None = None,
    *,
    image_embedding: bool = False,
    first: bool = False,
    fitted: Fitted | None = None,
) -> tuple[Examples, list[Skipped], Pipeline]:
    """Encode labelled clips.

    Few clips at a time are in memory; only their nodes are kept. Those of videos are rounded as
    a model stores them, see ``rounded``; those of precomputed features are exact.

    Args:
        clips: Clips with their labels.
        names: Name of each clip.
        pipeline: Backbone and method that encode the clips.
        progress: Called after each clip with the number of finished clips and of all clips.
        timing: Adds up the time of each stage.
        image_embedding: Whether to keep the mean vector of a clip for class names too.
        first: Whether these are all training clips. Then, clips that are all rotated are encoded
            again upright, and clips that are all too long are searched for what a class has in
            common.
        fitted: What the classifier has learned: of clips of its classes that last longer than all
            that it knows, the part is used that is most like the class.

    Returns:
        The examples; the clips that cannot be read; and the pipeline that encoded them, which
        rotates them if all are rotated.

    Raises:
        DataError: No clip of a class can be read, or clips do not fit the backbone.
    """

    def read_clips(chosen: Pipeline) -> tuple[list[EncodedClip], list[_ReadClip]]:
        every: list[EncodedClip] = []
        read: list[_ReadClip] = []
        encoded = encode(clips, chosen, timing, image_embedding=image_embedding, orientations=True)
        for done, (name, full) in enumerate(zip(names, encoded, strict=True), start=1):
            used = full
            if fitted is not None and full.clip.label in fitted.classes:
                used = find_action(full, chosen, fitted, timing, full.clip.label)
            if not isinstance(used.nodes, VideoError):
                part, searched = _example(name, used, used.nodes), used is not full
                used = used._replace(nodes={})
                read.append(_ReadClip(used, part, searched))
            every.append(used)
            if progress is not None:
                progress(done, len(clips))
        return every, read

    every, read = read_clips(pipeline)
    if first and (turns := turns_of([one.part for one in read], pipeline)):
        pipeline = replace(pipeline, turns=turns)
        every, read = read_clips(pipeline)
    skipped: list[Skipped] = []
    for one in every:
        one.warn()
        if isinstance(one.nodes, VideoError):
            warn(f"skipped: {one.nodes}")
            skipped.append(Skipped(one.clip, one.nodes))
    _check_classes(clips, read, skipped)
    if first:
        warn_of_turns(pipeline.turns)
    _warn_of_faults(read)
    _warn_of_searched(read)
    parts = [one.part for one in read]
    if first:
        sources = [one.encoded.source for one in read]
        parts = _common_parts(parts, sources, pipeline, timing, image_embedding=image_embedding)
    examples = join(parts)
    _warn_of_long_none(examples, fitted)
    _warn_of_equal(examples)
    _warn_of_rotated(examples, pipeline, fitted)
    return examples, skipped, pipeline


def turns_of(parts: Sequence[Examples], pipeline: Pipeline) -> int:
    """Return the number of quarter turns after which clips that are all rotated are upright.

    Args:
        parts: All training clips of a classifier, each alone; clips of the same name are of one
            recording.
        pipeline: Backbone and method that encoded them.

    Returns:
        0 to 3; 0 if they are upright, or that is not known.
    """
    vectors = [one.nodes[ORIENTATIONS] for one in parts if ORIENTATIONS in one.nodes]
    if not vectors:
        return 0
    scores = scores_of(torch.cat(vectors), pipeline.backbone.card.weights_sha256)
    names = [one.clips[0].name for one in parts]
    return 0 if scores is None else common_turns(scores, names)


def _example(name: str, encoded: EncodedClip, nodes: Nodes) -> Examples:
    """Return the example of one clip."""
    clip = encoded.clip
    example = Example(
        name,
        clip.label or "",
        clip.start,
        clip.end,
        None if clip.group is None else legible(clip.group),
        duration=encoded.duration,
        active=encoded.active,
        aspect=encoded.aspect,
        faults=tuple(map(str, encoded.faults)),
    )
    kept = {name: value.cpu() for name, value in nodes.items()}
    if not isinstance(clip, FeatureClip):
        kept = rounded(kept)
    return Examples((example,), kept, (_origin(clip),))


def _check_classes(
    clips: Sequence[AnyClip], read: Sequence[_ReadClip], skipped: Sequence[Skipped]
) -> None:
    """Refuse a class of which no clip can be read.

    Raises:
        DataError: There is such a class; the message names the first one.
    """
    readable = {one.part.clips[0].label for one in read}
    for label in dict.fromkeys(clip.label for clip in clips):
        if label not in readable:
            reasons = [f"{one.name}: {one.reason}" for one in skipped if one.clip.label == label]
            raise DataError(
                f'no clip of the class "{label}" can be read', got=first_few(reasons, most=3)
            )


def _common_parts(
    parts: Sequence[Examples],
    clips: Sequence[VideoSource | None],
    pipeline: Pipeline,
    timing: Timing | None,
    *,
    image_embedding: bool,
) -> list[Examples]:
    """Return what the clips of each class have in common if they are too long; say so."""
    found = use_common_parts(parts, clips, pipeline, timing, image_embedding=image_embedding)
    changed = sum(one is not part for one, part in zip(found, parts, strict=True))
    if changed:
        LOG.warning(
            "%d of %d training clips: used is only the part that the clips of a class have in "
            "common, so that the held-out accuracy is too high; cut clips to the action",
            changed,
            len(parts),
        )
    return found


def warn_of_turns(turns: int) -> None:
    """Say that all training clips are rotated back, if they are."""
    if turns:
        LOG.warning(
            "all training clips seem to be rotated by %d°: they are rotated back, and new clips "
            "are rotated like them; better rotate the videos",
            180 if turns == 2 else 90,
        )


def _warn_of_faults(read: Sequence[_ReadClip]) -> None:
    faulty: dict[Fault, list[str]] = {}
    for one in read:
        for fault in one.encoded.faults:
            faulty.setdefault(fault, []).append(one.title)
    for fault, titles in faulty.items():
        shown = first_few(titles)
        LOG.warning("%d of %d training clips: %s: %s", len(titles), len(read), fault, shown)


def _warn_of_searched(read: Sequence[_ReadClip]) -> None:
    if searched := [one.title for one in read if one.searched]:
        LOG.warning(
            "%d of %d clips last longer than all training clips: used is only the part that is "
            "most like the class; cut clips to the action: %s",
            len(searched),
            len(read),
            first_few(searched),
        )


def _warn_of_long_none(examples: Examples, fitted: Fitted | None) -> None:
    known = examples if fitted is None else fitted.examples
    of_classes = [c.duration for c in known.clips if c.label != BACKGROUND and c.duration]
    none = [clip for clip in examples.clips if clip.label == BACKGROUND]
    limit = LONG_NONE * median(of_classes) if of_classes else math.inf
    if long := [clip.title for clip in none if (clip.duration or 0) >= limit]:
        LOG.warning(
            "%d of %d clips of no class are at least %g times as long as the clips of the classes "
            "and count once each; cut them into clips of one movement: %s",
            len(long),
            len(none),
            LONG_NONE,
            first_few(long),
        )


def _warn_of_equal(examples: Examples) -> None:
    if equal := examples.copies(examples):
        LOG.warning(
            "%d of %d training clips equal others, so that the held-out accuracy is too high; "
            "remove them, or correct their class: %s",
            len(equal),
            len(examples.clips),
            first_few(f"{copy.title} = {clip.title}" for copy, clip in equal),
        )


def _warn_of_rotated(examples: Examples, pipeline: Pipeline, fitted: Fitted | None) -> None:
    weights = pipeline.backbone.card.weights_sha256
    if rotated := find_rotated(examples, weights, None if fitted is None else fitted.upright):
        LOG.warning(
            "%d of %d training clips: rotated by 90°, unlike the others; rotate the video: %s",
            len(rotated),
            len(examples.clips),
            first_few(rotated),
        )


def _origin(clip: AnyClip) -> Clip | bytes | None:
    """Return what a thumbnail is made of later; a clip in memory is not kept for it."""
    if isinstance(clip, FeatureClip):
        return None
    return clip if isinstance(clip, Clip) else thumbnail(clip)
