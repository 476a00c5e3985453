"""No two files of a class have the same name in the model."""

from collections.abc import Iterator
from itertools import chain, count

from fewact.page.clip import Clip
from fewact.page.document import Document


def with_distinct_names(document: Document, before: Document) -> Document:
    """Return the document with the ``name_number`` of each clip that makes its name unique.

    Clips that a command added, and whose names are no ids, keep these names, which identify them.
    Of the others, those that did not change since ``before`` come first, then those that the model
    has. Segments of a file share its name. A clip that moves keeps its number if it can. A removed
    clip keeps its name: the model and its former versions may have the clip.
    """
    clips = dict(document.clips)
    taken = {clip.name for clip in clips.values() if clip.source is None}
    numbers: dict[tuple[str, str, str], int] = {}
    free: dict[str, Iterator[int]] = {}

    def order(id: str) -> tuple[bool, bool]:
        return clips[id] != before.clips.get(id), id not in document.taught

    for id in sorted(clips, key=order):
        clip = clips[id]
        if clip.source is None or clip.label is None:
            continue
        file = clip.label, clip.name, clip.source
        if file not in numbers:
            others = free.setdefault(_with_number(clip, 1).saved_as, count(1))
            candidates = (_with_number(clip, n) for n in chain([clip.name_number], others))
            chosen = next(one for one in candidates if one.saved_as not in taken)
            numbers[file] = chosen.name_number
            taken.add(chosen.saved_as)
        clips[id] = _with_number(clip, numbers[file])
    return document.model_copy(update={"clips": clips})


def _with_number(clip: Clip, number: int) -> Clip:
    if clip.name_number == number:
        return clip
    return clip.model_copy(update={"name_number": number})
