"""Several modalities of the same videos in one episode: depth and colour, video and skeleton."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError
from fewact.data.benchmark_lists import video_stem
from fewact.data.files import first_few
from fewact.data.videos import Video, VideoList
from fewact.evaluation.encoding import Encodings, FeatureFacts, NodeBank, encoding_facts
from fewact.evaluation.encoding.bank import Progress
from fewact.methods.base import Method
from fewact.methods.combined import Combined, combined_nodes


class ModalityEncodings(Encodings):
    """Encodes each video by each part of a combined method, from the part's own modality.

    Args:
        modalities: List and encodings of each modality; the lists have the same videos in the same
            order, see ``matched``.
    """

    def __init__(self, modalities: Sequence[tuple[VideoList, Encodings]]) -> None:
        self._modalities = modalities
        self.features = combined_facts([encodings.features for _, encodings in modalities])

    def bank(
        self,
        method: Method,
        videos: VideoList,
        needed: NDArray[np.int32],
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NodeBank:
        """Return the nodes of the needed videos, of all parts.

        Raises:
            OptionError: A modality does not have the features that its part requests.
            DataError: As in ``encode_list``.
        """
        if not isinstance(method, Combined):
            raise TypeError("modalities need a combined method")
        total = len(needed) * len(self._modalities)
        banks = []
        for i, (part, (own, encodings)) in enumerate(
            zip(method.methods, self._modalities, strict=True)
        ):

            def shown(done: int, _: int, before: int = i * len(needed)) -> None:
                if progress is not None:
                    progress(before + done, total)

            banks.append(encodings.bank(part, own, needed, threads=threads, progress=shown))
        found = NodeBank(banks[0].positions, encoding_facts(method), self.features, videos.digest)
        rows = [one.rows(found.positions) for one in banks]
        found.tensors = combined_nodes(
            [
                {name: value[row] for name, value in one.tensors.items()}
                for one, row in zip(banks, rows, strict=True)
            ]
        )
        return found


def combined_facts(every: Sequence[FeatureFacts]) -> FeatureFacts:
    """Return the facts of several modalities together."""

    def together(values: Sequence[str]) -> str:
        return hashlib.sha256(" ".join(values).encode()).hexdigest()

    return FeatureFacts(
        name=" + ".join(one.name for one in every),
        sha256=together([one.sha256 for one in every]),
        backbone_sha256=together([one.backbone_sha256 for one in every]),
        trained_on=tuple(dict.fromkeys(data for one in every for data in one.trained_on)),
        modalities=len(every),
    )


def matched(videos: VideoList, other: VideoList) -> VideoList:
    """Return the videos of another list in the order of a list, with its splits and groups.

    Videos are matched by their names without a video's extension: ``wave/1.mp4`` and ``wave/1``.

    Args:
        videos: List that decides which videos there are.
        other: List of another modality; it may have further videos.

    Raises:
        DataError: The other list misses videos, has other classes for them, or two of its names
            differ only in the extension.
    """
    known = _by_name(other)
    names = list(_by_name(videos))
    if missing := [name for name in names if name not in known]:
        raise DataError(
            f"has no clips of these names: {len(missing)} of {len(names)} are missing",
            where=other.name,
            got=first_few(missing),
            expected=f"the names of the clips of {videos.name}, with or without an extension",
            hint=f"It has {first_few(list(known), 3)}.",
        )
    found = [known[name] for name in names]
    if wrong := [
        f"{name}: {other_video.label}, not {video.label}"
        for name, video, other_video in zip(names, videos.videos, found, strict=True)
        if video.label != other_video.label
    ]:
        raise DataError(
            "has other classes for the same clips", where=other.name, got=first_few(wrong, 3)
        )
    return replace(
        other,
        videos=tuple(
            replace(theirs, split=ours.split, group=ours.group)
            for ours, theirs in zip(videos.videos, found, strict=True)
        ),
        groups=videos.groups,
    )


def _by_name(videos: VideoList) -> Mapping[str, Video]:
    """Return the videos by their names without a video's extension."""
    found: dict[str, Video] = {}
    for video in videos.videos:
        name = video_stem(video.id)
        if name in found:
            raise DataError(
                "two clips whose names differ only in the extension",
                where=videos.name,
                got=f"{found[name].id}, {video.id}",
                hint="Videos of several modalities are matched by these names.",
            )
        found[name] = video
    return found
