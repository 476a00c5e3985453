"""Fit a classifier to training clips: encode them into examples, and say what is odd about them."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from fewact.classifier.encoding import EncodedClip, encode
from fewact.classifier.examples import Examples, Nodes, join, rounded
from fewact.classifier.fitted import Fitted, fit_examples
from fewact.classifier.inputs import TrainingClip
from fewact.classifier.names import Example
from fewact.classifier.pictures import thumbnail
from fewact.classifier.pipeline import Pipeline, TextMode
from fewact.classifier.prediction import Skipped
from fewact.classifier.search import encode_actions
from fewact.core.errors import DataError, SkippedWarning, VideoError, warn
from fewact.data.class_folders import ONE_ACTION
from fewact.data.clips import BACKGROUND, AnyClip, Clip, FeatureClip
from fewact.data.files import first_few, legible
from fewact.features.extract import Timing

LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

LONG_CLASS = 15.0
"""Median duration of the training clips, in seconds, from which they may show more than the action:
most actions of few-shot benchmarks last 2 to 10 s."""

NOT_SQUARE = 1.1
"""Least ratio of the longer side of a frame in landscape or portrait format to the shorter one."""

LONG_NONE_RATIO = 2
"""A clip of no class is long if it lasts this many times as long as the clips of the classes."""


def fit(
    clips: Sequence[TrainingClip],
    pipeline_for: Callable[[AnyClip, str], Pipeline],
    *,
    text: TextMode = "auto",
    integers: bool = False,
    progress: Progress | None = None,
    timing: Timing | None = None,
) -> Fitted:
    """Return what is learned of training clips, see ``FewShotClassifier.fit``.

    ``pipeline_for`` returns the backbone and the method for clips like one, with joints in a
    layout.
    """
    classes = {clip.label for clip, _ in clips} - {BACKGROUND}
    if len(classes) < 2:
        raise DataError(
            "fewer than two classes",
            got=", ".join(map(str, classes)) or "none",
            expected="at least two, each with a clip",
            hint=f"{ONE_ACTION}.",
        )
    pipeline = pipeline_for(clips[0].clip, layout_of_clips([clip for clip, _ in clips]))
    # Before clips are read, which takes longer.
    from fewact.classifier.class_names import find_class_names  # for a prediction, it is not loaded

    class_names = find_class_names(pipeline.backbone, text, tuple(sorted(map(str, classes))))
    pipeline = replace(pipeline, image_embedding=class_names is not None)
    examples, skipped = encode_examples(clips, pipeline, progress, timing)
    if class_names is not None:
        class_names = class_names.changed(examples.classes, pipeline.backbone)
    return fit_examples(
        pipeline, examples, class_names=class_names, integers=integers, skipped=skipped
    )


def layout_of_clips(clips: Sequence[AnyClip]) -> str:
    """Return the layout of the joints beside clips; empty if none has joints.

    Raises:
        DataError: Two clips have joints of different layouts, or joints cannot be read.
    """
    first, layout = "", ""
    for clip in clips:
        track = None if isinstance(clip, FeatureClip) else clip.joint_track()
        if track is None or track.layout == layout:
            continue
        if layout:
            raise DataError(
                "the clips have joints of different layouts",
                where=clip.display_name,
                got=track.layout,
                expected=f"{layout}, as {first}",
                hint="Compute the joints of all clips in the same way.",
            )
        first, layout = clip.display_name, track.layout
    return layout


def encode_examples(
    clips: Sequence[TrainingClip],
    pipeline: Pipeline,
    progress: Progress | None = None,
    timing: Timing | None = None,
    *,
    fitted: Fitted | None = None,
) -> tuple[Examples, list[Skipped]]:
    """Encode labelled clips; return the examples, and the clips that cannot be read.

    Few clips at a time are in memory; only their nodes are kept. Those of videos are rounded as
    a model stores them, see ``rounded``; those of precomputed features are exact. ``fitted`` is
    what the classifier has learned with this pipeline: of clips of its classes that last longer
    than all that it knows, the part is used that is most like the class.
    """
    read: list[Examples] = []
    searched: list[str] = []
    skipped: list[Skipped] = []
    sources = [clip for clip, _ in clips]
    if fitted is None:
        encoded = encode(sources, pipeline, timing)
    else:
        encoded = encode_actions(sources, fitted, timing, training=True)
    for done, ((_, name), used) in enumerate(zip(clips, encoded, strict=True), start=1):
        used.warn()
        if isinstance(used.nodes, VideoError):
            warn(f"skipped: {used.nodes}", SkippedWarning)
            skipped.append(Skipped(used.clip, used.nodes))
        else:
            read.append(_example(name, used, used.nodes))
            if used.duration != used.full_duration:
                searched.append(read[-1].clips[0].title)
        if progress is not None:
            progress(done, len(clips))
    _check_classes(sources, read, skipped)
    examples = join(read)
    _warn_of_faults([clip for part in read for clip in part.clips])
    _warn_of_searched(searched, len(read))
    _warn_of_long(examples, fitted)
    _warn_of_long_none(examples, fitted)
    _warn_of_equal(examples)
    _warn_of_names(examples)
    _warn_of_formats(examples, fitted)
    return examples, skipped


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
        box=clip.box if isinstance(clip, Clip) else None,
        joints=encoded.has_joints,
    )
    if isinstance(clip, FeatureClip):
        return Examples((example,), nodes, (None,))
    # A thumbnail is made of it later; a clip in memory is not kept for it.
    origin = clip if isinstance(clip, Clip) else thumbnail(clip)
    return Examples((example,), rounded(nodes), (origin,))


def _check_classes(
    clips: Sequence[AnyClip], read: Sequence[Examples], skipped: Sequence[Skipped]
) -> None:
    """Refuse a class without a readable clip; the message names the first such class."""
    readable = {part.clips[0].label for part in read}
    for label in dict.fromkeys(clip.label for clip in clips):
        if label not in readable:
            unread = [clip for clip in skipped if clip.clip.label == label]
            reasons = [f"{clip.name}: {clip.reason}" for clip in unread]
            raise DataError(
                f'no clip of the class "{label}" can be read', got=first_few(reasons, limit=3)
            )


def _warn_of_faults(clips: Sequence[Example]) -> None:
    faulty: dict[str, list[str]] = {}
    for clip in clips:
        for fault in clip.faults:
            faulty.setdefault(fault, []).append(clip.title)
    for fault, titles in faulty.items():
        named = first_few(titles)
        LOG.warning("%d of %d training clips: %s: %s", len(titles), len(clips), fault, named)


def _warn_of_searched(searched: Sequence[str], count: int) -> None:
    if searched:
        LOG.warning(
            "%d of %d clips last longer than all training clips: used is only the part that is "
            "most like the class; cut clips to the action: %s",
            len(searched),
            count,
            first_few(searched),
        )


def _warn_of_long(examples: Examples, fitted: Fitted | None) -> None:
    """Warn that training clips seem to show more than the action, if all of them may."""
    durations = [c.duration for c in examples.clips if c.label != BACKGROUND and c.duration]
    if fitted is None and durations and (typical := median(durations)) >= LONG_CLASS:
        LOG.warning(
            "the training clips last %.0f s: a few frames of each are compared; if the action is "
            "shorter, cut clips to the action",
            typical,
        )


def _warn_of_long_none(examples: Examples, fitted: Fitted | None) -> None:
    all_examples = examples if fitted is None else fitted.examples
    of_classes = [c.duration for c in all_examples.clips if c.label != BACKGROUND and c.duration]
    none = [clip for clip in examples.clips if clip.label == BACKGROUND]
    limit = LONG_NONE_RATIO * median(of_classes) if of_classes else math.inf
    if long := [clip.title for clip in none if (clip.duration or 0) >= limit]:
        LOG.warning(
            "%d of %d clips of no class are at least %g times as long as the clips of the classes "
            "and count once each; cut them into clips of one movement: %s",
            len(long),
            len(none),
            LONG_NONE_RATIO,
            first_few(long),
        )


def _warn_of_equal(examples: Examples) -> None:
    if equal := examples.copies():
        LOG.warning(
            "%d of %d training clips equal others, so that the held-out accuracy is too high; "
            "remove them, or correct their class: %s",
            len(equal),
            len(examples.clips),
            first_few(f"{copy.title} = {clip.title}" for copy, clip in equal),
        )


def _warn_of_names(examples: Examples) -> None:
    """Warn of classes whose names differ in upper and lower case alone."""
    labels = sorted({str(clip.label) for clip in examples.clips})
    count = Counter(label.casefold() for label in labels)
    if alike := [label for label in labels if count[label.casefold()] > 1]:
        LOG.warning("classes whose names differ in case alone: %s", first_few(alike))


def _warn_of_formats(examples: Examples, fitted: Fitted | None) -> None:
    """Warn of clips in portrait format among others in landscape, or the reverse."""
    all_clips = examples.clips + (() if fitted is None else fitted.everything.clips)
    formats = {clip: _format(clip.aspect) for clip in all_clips}
    count = Counter(formats.values())
    fewer = min("portrait", "landscape", key=lambda name: count[name])
    unusual = [clip.title for clip in examples.clips if formats[clip] == fewer]
    if unusual and count["portrait"] and count["landscape"]:
        LOG.warning(
            "%d of %d training clips: in %s format, unlike the others; rotate videos that are "
            "shown rotated: %s",
            len(unusual),
            len(examples.clips),
            fewer,
            first_few(unusual),
        )


def _format(aspect: float | None) -> str:
    if aspect is None or 1 / NOT_SQUARE < aspect < NOT_SQUARE:
        return ""
    return "landscape" if aspect > 1 else "portrait"
