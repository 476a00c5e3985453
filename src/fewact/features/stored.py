"""Features and nodes from a store, for the evaluation of a list's videos."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from fewact.backbones.card import Card
from fewact.data.files import first_few
from fewact.data.videos import VideoList
from fewact.errors import DataError, StoreError, VideoError, did_you_mean
from fewact.features.request import CAMERA_PIPELINE, PIPELINE, Features, Request
from fewact.features.sources import check_same_list
from fewact.features.store import EntrySet, Store
from fewact.features.store.feature_sets import (
    NAME,
    SamplerOf,
    cards,
    feature_facts,
    widen,
)
from fewact.features.store.known_videos import KnownVideo, stamp
from fewact.video import Segments


class StoredFeatures:
    """Features that `fewact embed` has stored.

    The videos themselves need not be there: without its file a video goes by its id.

    Args:
        store: That holds them.
        videos: The list.
        card: Of the backbone, as ``choose_card`` finds it.
        sampler: That chose the frames.
        data: What a command calls the list, for error messages.

    Attributes:
        videos: The list.
    """

    def __init__(
        self,
        store: Store,
        videos: VideoList,
        card: Card,
        sampler: SamplerOf = Segments,
        *,
        data: str = "DATA",
    ) -> None:
        self.store, self.videos, self.card, self.sampler = store, videos, card, sampler
        self.name = f"{card.name}, {card.precision}, stored"
        self._data = data
        self._sets: dict[Request, EntrySet | None] = {}
        self._seen = store.known.read(videos.name)
        self.keys = self._fingerprints()
        facts = [card.digest, repr(sampler(1)), PIPELINE, CAMERA_PIPELINE, "float16", self.keys]
        self.digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _fingerprints(self) -> tuple[str | None, ...]:
        """Of all videos; what takes reading whole files is noted for the next time."""
        found: list[str | None] = []
        read: dict[str, KnownVideo] = {}
        for video in self.videos.videos:
            at = stamp(video.source)
            key = self._seen.fingerprint(video, at)
            if key is None and video.source is not None:
                with suppress(VideoError):
                    key = video.source.fingerprint()
                    read[video.id] = KnownVideo(fingerprint=key, stamp=at)
            found.append(key)
        if read:
            with suppress(OSError):  # The store may be another's, to be read only.
                self.store.known.write(self.videos.name, read)
        return tuple(found)

    def check_list(self, videos: VideoList) -> None:
        """See that these are the videos whose features are read.

        Raises:
            DataError: They are others.
        """
        check_same_list(videos, self.videos)

    def features(
        self, positions: Sequence[int], requests: Sequence[Request]
    ) -> Iterator[Features | VideoError]:
        """Features of these videos, float32.

        Raises:
            DataError: Videos are not in the store.
            StoreError: A shard is damaged.
        """
        if missing := self.missing(requests, positions):
            raise self._refusal(missing, len(positions), requests)
        sets = {request: self.set_of(request) for request in requests}
        for position in positions:
            key = self.keys[position] or ""
            yield {
                request: widen(one.read(key)[NAME])
                for request, one in sets.items()
                if one is not None
            }

    def missing(
        self, requests: Sequence[Request], positions: Sequence[int] | None = None
    ) -> list[int]:
        """Positions of videos of which not all of these features are stored.

        Args:
            requests: Which features.
            positions: Of these videos only; None for all.
        """
        sets = [self.set_of(request) for request in requests]
        among = range(len(self.keys)) if positions is None else positions
        return [i for i in among if not all(s is not None and self.keys[i] in s for s in sets)]

    def without(self, missing: Sequence[int]) -> "StoredFeatures":
        """The same without some videos, which the list then says.

        Args:
            missing: Their positions.

        Raises:
            DataError: None are left.
        """
        if not missing:
            return self
        left = sorted(set(range(len(self.keys))) - set(missing))
        if not left:
            raise DataError("none of the videos are in the store", where=str(self.store.folder))
        flag = f"videos not in the store: {len(missing)} of {len(self.keys)}"
        kept = replace(self.videos, videos=tuple(self.videos.videos[i] for i in left))
        return StoredFeatures(
            self.store, kept.with_flags([flag]), self.card, self.sampler, data=self._data
        )

    def set_of(self, request: Request) -> EntrySet | None:
        """Return the set of the requested features, or None where the store has none.

        Raises:
            OptionError: The backbone has no such level.
        """
        if request not in self._sets:
            request.shape(self.card)
            facts = feature_facts(self.card, request, self.sampler)
            self._sets[request] = self.store.find(facts)
        return self._sets[request]

    def _refusal(
        self, missing: Sequence[int], needed: int, requests: Sequence[Request]
    ) -> DataError:
        asked = " ".join(f"--tap {request}" for request in requests)
        damaged = {
            path: None
            for request in requests
            for path in getattr(self.set_of(request), "damaged", ())
        }
        broken = f"; damaged: {first_few(map(str, damaged))}" if damaged else ""
        return DataError(
            f"{len(missing)} of {needed} videos that the episodes need are not in the store",
            where=str(self.store.folder),
            got=first_few(self._named(i) for i in missing) + broken,
            hint=f"`fewact embed {self._data} --backbone {self.card.name} --precision "
            f"{self.card.precision} {asked} -o {self.store.folder}` adds them; --allow-missing "
            "goes on without them, and every result says so.",
        )

    def _named(self, position: int) -> str:
        """A video that is not there, and why, if that is known."""
        video = self.videos.videos[position]
        error = self._seen.error(video)
        return f"{video.id} ({error})" if error else video.id


def choose_card(
    store: Store, name: str = "auto", *, precision: str = "auto", digest: str | None = None
) -> Card:
    """The backbone whose features are in a store; no network is made for it.

    Args:
        store: The store.
        name: Of the backbone; ``auto`` for the only one.
        precision: Of its arithmetic; ``auto`` for the only one.
        digest: Of its card, where its weights were named.

    Raises:
        StoreError: There is none of these, or several.
    """
    there = {card.digest: card for card, _, _ in cards(store)}
    found = [
        card
        for card in there.values()
        if name in ("auto", card.name)
        and precision in ("auto", card.precision)
        and digest in (None, card.digest)
    ]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(
        f"{card.name} {card.precision} (weights {card.weights_sha256[:8] or 'random'})"
        for card in there.values()
    )
    raise StoreError(
        "holds features of several backbones" if found else "holds no features of this backbone",
        where=str(store.folder),
        got=f"{name}, {precision}",
        expected=listed or "none: nothing was embedded",
        hint="Choose with --backbone, --precision or --weights."
        if found
        else did_you_mean(name, (card.name for card in there.values())),
    )
