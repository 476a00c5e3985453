"""Encode training clips into examples."""

import logging
import warnings
from collections.abc import Callable, Sequence

from fewact.camera.faults import Fault
from fewact.classifier.common_parts import use_common_parts
from fewact.classifier.encoding import encode
from fewact.classifier.examples import Example, Examples, join, rounded
from fewact.classifier.fitted import Fitted
from fewact.classifier.orientation import find_rotated
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.prediction import Skipped
from fewact.classifier.searching import find_action
from fewact.classifier.thumbnails import thumbnail
from fewact.data import AnyClip, Clip, FeatureClip
from fewact.data.files import first_few
from fewact.errors import DataError, VideoError
from fewact.features.timing import Timing

LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def teach(
    clips: Sequence[AnyClip],
    names: Sequence[str],
    pipeline: Pipeline,
    progress: Progress | None = None,
    timing: Timing | None = None,
    *,
    image_embedding: bool = False,
    exact: bool = False,
    search: bool = False,
    fitted: Fitted | None = None,
) -> tuple[Examples, list[Skipped]]:
    """Encode labelled clips; return the examples, and the clips that cannot be read.

    Few clips at a time are in memory; only their nodes are kept.

    Args:
        clips: Clips with their labels.
        names: Name of each clip.
        pipeline: Backbone and method that encode the clips.
        progress: Called after each clip with the number of finished clips and of all clips.
        timing: Adds up the time of each stage.
        image_embedding: Whether to keep the mean vector of a clip for class names too.
        exact: Whether to keep nodes in float32, instead of rounding them as a model stores them.
        search: Whether clips that are all too long are searched for what a class has in common.
        fitted: What the classifier has learned: of clips of its classes that last longer than all
            that it knows, the part is used that is most like the class.

    Raises:
        DataError: No clip of a class can be read, or clips do not fit the backbone.
    """
    parts: list[Examples] = []
    read: list[AnyClip] = []
    skipped: list[Skipped] = []
    encoded = encode(clips, pipeline, timing, image_embedding=image_embedding, orientations=True)
    faulty: dict[Fault, list[str]] = {}
    searched: list[str] = []
    for done, full in enumerate(encoded):
        used = full
        if fitted is not None and full.clip.label in fitted.classes:
            used = find_action(full, pipeline, fitted, timing, full.clip.label)
        used.warn(3)
        clip, nodes = used.clip, used.nodes
        if isinstance(nodes, VideoError):
            warnings.warn(f"skipped: {nodes}", category=UserWarning, stacklevel=3)
            skipped.append(Skipped(clip, nodes))
        else:
            place = clip.start, clip.end, clip.group
            example = Example(
                names[done],
                clip.label or "",
                *place,
                duration=used.duration,
                active=used.active,
                aspect=used.aspect,
            )
            kept = {name: value.cpu() for name, value in nodes.items()}
            kept = kept if exact else rounded(kept)
            parts.append(Examples((example,), kept, (_origin(clip),)))
            read.append(clip)
            for fault in used.faults:
                faulty.setdefault(fault, []).append(example.title)
            if used is not full:
                searched.append(example.title)
        if progress is not None:
            progress(done + 1, len(clips))
    readable = {part.clips[0].label for part in parts}
    for label in dict.fromkeys(clip.label for clip in clips):
        if label not in readable:
            reasons = [f"{one.name}: {one.reason}" for one in skipped if one.clip.label == label]
            raise DataError(
                f'no clip of the class "{label}" can be read', got=first_few(reasons, most=3)
            )
    for fault, titles in faulty.items():
        LOG.warning(
            "%d of %d training clips: %s: %s", len(titles), len(clips), fault, first_few(titles)
        )
    if searched:
        LOG.warning(
            "%d of %d clips last longer than all training clips: used is only the part that is "
            "most like the class; cut clips to the action: %s",
            len(searched),
            len(clips),
            first_few(searched),
        )
    if search:
        found = use_common_parts(parts, read, pipeline, timing, image_embedding=image_embedding)
        changed = sum(one is not part for one, part in zip(found, parts, strict=True))
        if changed:
            LOG.warning(
                "%d of %d training clips: used is only the part that the clips of a class have in "
                "common, so that the held-out accuracy is too high; cut clips to the action",
                changed,
                len(parts),
            )
        parts = found
    examples = join(parts)
    if equal := examples.equal():
        LOG.warning(
            "%d of %d training clips equal others, so that the held-out accuracy is too high; "
            "remove them, or correct their class: %s",
            len(equal),
            len(clips),
            first_few(f"{copy.title} = {clip.title}" for copy, clip in equal),
        )
    if rotated := find_rotated(examples, None if fitted is None else fitted.upright):
        LOG.warning(
            "%d of %d training clips: rotated by 90°, unlike the others; rotate the video: %s",
            len(rotated),
            len(clips),
            first_few(rotated),
        )
    return examples, skipped


def _origin(clip: AnyClip) -> Clip | bytes | None:
    """Return what a thumbnail is made of later; a clip in memory is not kept for it."""
    if isinstance(clip, FeatureClip):
        return None
    return clip if isinstance(clip, Clip) else thumbnail(clip)
