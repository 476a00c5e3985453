"""Features and nodes from a store, for the evaluation of a list's videos."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from fewact.backbones.card import Card, Tap
from fewact.data.files import some
from fewact.data.videos import VideoList
from fewact.errors import DataError, StoreError, VideoError, did_you_mean
from fewact.evaluation.sources import check_same_list
from fewact.methods.base import Features
from fewact.store import EntrySet, Store
from fewact.store.features import (
    NAME,
    PIPELINE,
    STEADYING,
    SamplerOf,
    cards,
    feature_facts,
    tap_text,
    widen,
)
from fewact.store.seen import Seen, stamp
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
        self._sets: dict[Tap, EntrySet | None] = {}
        self._seen = store.seen.read(videos.name)
        self.keys = self._fingerprints()
        facts = [card.digest, repr(sampler(1)), PIPELINE, STEADYING, "float16", self.keys]
        self.digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _fingerprints(self) -> tuple[str | None, ...]:
        """Of all videos; what takes reading whole files is noted for the next time."""
        found: list[str | None] = []
        read: dict[str, Seen] = {}
        for video in self.videos.videos:
            at = stamp(video.footage)
            key = self._seen.fingerprint(video, at)
            if key is None and video.footage is not None:
                with suppress(VideoError):
                    key = video.footage.fingerprint()
                    read[video.id] = Seen(fingerprint=key, stamp=at)
            found.append(key)
        if read:
            with suppress(OSError):  # The store may be another's, to be read only.
                self.store.seen.write(self.videos.name, read)
        return tuple(found)

    def check_list(self, videos: VideoList) -> None:
        """See that these are the videos whose features are read.

        Raises:
            DataError: They are others.
        """
        check_same_list(videos, self.videos)

    def features(self, positions: Sequence[int], taps: Sequence[Tap]) -> Iterator[Features]:
        """Features of these videos, float32.

        Raises:
            DataError: Videos are not in the store.
            StoreError: A shard is damaged.
        """
        if lacking := self.lacking(taps, positions):
            raise self._refusal(lacking, len(positions), taps)
        sets = {tap: self.set_of(tap) for tap in taps}
        for position in positions:
            key = self.keys[position] or ""
            yield {tap: widen(one.read(key)[NAME]) for tap, one in sets.items() if one is not None}

    def lacking(self, taps: Sequence[Tap], positions: Sequence[int] | None = None) -> list[int]:
        """Positions of videos of which not all of these features are stored.

        Args:
            taps: Which features.
            positions: Of these videos only; None for all.
        """
        sets = [self.set_of(tap) for tap in taps]
        among = range(len(self.keys)) if positions is None else positions
        return [i for i in among if not all(s is not None and self.keys[i] in s for s in sets)]

    def without(self, lacking: Sequence[int]) -> "StoredFeatures":
        """The same without some videos, which the list then says.

        Args:
            lacking: Their positions.

        Raises:
            DataError: None are left.
        """
        if not lacking:
            return self
        left = sorted(set(range(len(self.keys))) - set(lacking))
        if not left:
            raise DataError("none of the videos are in the store", where=str(self.store.folder))
        flag = f"videos not in the store: {len(lacking)} of {len(self.keys)}"
        kept = replace(self.videos, videos=tuple(self.videos.videos[i] for i in left))
        return StoredFeatures(
            self.store, kept.with_flags([flag]), self.card, self.sampler, data=self._data
        )

    def set_of(self, tap: Tap) -> EntrySet | None:
        """The set of a tap's features, if there is one."""
        if tap not in self._sets:
            facts = feature_facts(self.card, tap, self.sampler)
            self._sets[tap] = self.store.find(facts)
        return self._sets[tap]

    def _refusal(self, lacking: Sequence[int], needed: int, taps: Sequence[Tap]) -> DataError:
        asked = " ".join(f"--tap {tap_text(tap)}" for tap in taps)
        damaged = {path: None for tap in taps for path in getattr(self.set_of(tap), "damaged", ())}
        broken = f"; damaged: {some(map(str, damaged))}" if damaged else ""
        return DataError(
            f"{len(lacking)} of {needed} videos that the episodes need are not in the store",
            where=str(self.store.folder),
            got=some(self._named(i) for i in lacking) + broken,
            mend=f"`fewact embed {self._data} --backbone {self.card.name} --precision "
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
        accepted=listed or "none: nothing was embedded",
        mend="Choose with --backbone, --precision or --weights."
        if found
        else did_you_mean(name, (card.name for card in there.values())),
    )
