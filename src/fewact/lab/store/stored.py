"""Features of a list's videos from a store."""

import hashlib
import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from fewact.core.errors import DataError, OutputError, StoreError, VideoError, did_you_mean
from fewact.data.files import first_few
from fewact.data.videos import VideoList
from fewact.features.request import Features, Request
from fewact.features.store import EntrySet, Store
from fewact.features.store.store import KnownVideo, stamp
from fewact.lab.store.embedding import (
    FEATURES_NAME,
    cards,
    feature_facts,
    widen,
)
from fewact.lab.store.requests import CAMERA_PIPELINE, PIPELINE, SMALL_PIPELINE
from fewact.lab.store.sources import check_same_list
from fewact.networks import BackboneSpec, Card
from fewact.networks.card import READING
from fewact.video.samplers import sampler_of


class StoredFeatures:
    """Features that `fewact embed` has stored.

    The videos are not needed: the id of a video without a file identifies it.

    Args:
        store: Store of the features.
        videos: List of the videos.
        card: Card of the backbone, as returned by ``choose_card``.
        data: Name of the list on the command line, for error messages.

    Attributes:
        videos: List of the videos.
        keys: Fingerprint of each video; None if it is not known.
    """

    def __init__(
        self,
        store: Store,
        videos: VideoList,
        card: Card,
        *,
        data: str = "DATA",
    ) -> None:
        self.store, self.videos, self.card = store, videos, card
        self.name = f"{card.summary}, stored"
        self._data = data
        self._sets: dict[Request, EntrySet | None] = {}
        self._known = store.known(videos.name)
        self.keys = self._fingerprints()
        sampler = repr(sampler_of(card.sampler)(1))
        versions = [PIPELINE, CAMERA_PIPELINE, SMALL_PIPELINE]
        facts = [card.digest, sampler, *versions, "float16", self.keys]
        self.digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _fingerprints(self) -> tuple[str | None, ...]:
        """Return the fingerprints of all videos; new ones are written to the store."""
        fingerprints: list[str | None] = []
        read: dict[str, KnownVideo] = {}
        for video in self.videos.videos:
            at = stamp(video.source)
            key = self._known.fingerprint(video, at)
            if key is None and video.source is not None:
                with suppress(VideoError):
                    key = video.source.fingerprint()
                    read[video.id] = KnownVideo(fingerprint=key, stamp=at)
            fingerprints.append(key)
        if read:
            with suppress(OutputError):  # The store may be read-only.
                self._known.write(read)
        return tuple(fingerprints)

    def check_list(self, videos: VideoList) -> None:
        """Check that a list is the list whose features are read.

        Raises:
            DataError: It is another list.
        """
        check_same_list(videos, self.videos)

    def features(
        self, positions: Sequence[int], requests: Sequence[Request]
    ) -> Iterator[Features | VideoError]:
        """Return features of videos, one video after the other; float32, but ``pixels`` uint8.

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
                request: widen(entries.read(key)[FEATURES_NAME])
                for request, entries in sets.items()
                if entries is not None
            }

    def missing(
        self, requests: Sequence[Request], positions: Sequence[int] | None = None
    ) -> list[int]:
        """Return the positions of videos, of all or some, without some of the features."""
        sets = [self.set_of(request) for request in requests]
        among = range(len(self.keys)) if positions is None else positions
        return [i for i in among if not all(s is not None and self.keys[i] in s for s in sets)]

    def without(self, missing: Sequence[int]) -> "StoredFeatures":
        """Return the features without the videos at some positions; a flag says how many.

        Raises:
            DataError: No video is left.
        """
        if not missing:
            return self
        remaining = sorted(set(range(len(self.keys))) - set(missing))
        if not remaining:
            raise DataError("none of the videos are in the store", where=str(self.store.folder))
        flag = f"videos not in the store: {len(missing)} of {len(self.keys)}"
        listed = replace(self.videos, videos=tuple(self.videos.videos[i] for i in remaining))
        return StoredFeatures(self.store, listed.with_flags([flag]), self.card, data=self._data)

    def set_of(self, request: Request) -> EntrySet | None:
        """Return the set of the requested features, or None where the store has none.

        Raises:
            OptionError: The backbone has no such level.
        """
        if request not in self._sets:
            request.shape(self.card)
            facts = feature_facts(self.card, request)
            self._sets[request] = self.store.find(facts)
        return self._sets[request]

    def _refusal(
        self, missing: Sequence[int], needed: int, requests: Sequence[Request]
    ) -> DataError:
        features = " ".join(f"--features {request}" for request in requests)
        damaged = {
            path: None
            for request in requests
            for path in getattr(self.set_of(request), "damaged", ())
        }
        data, folder = shlex.quote(self._data), shlex.quote(str(self.store.folder))
        broken = f"; damaged: {first_few(map(str, damaged))}" if damaged else ""
        return DataError(
            f"{len(missing)} of {needed} videos that the episodes need are not in the store",
            where=str(self.store.folder),
            got=first_few(self._named(i) for i in missing) + broken,
            hint=f"`fewact embed {data} {self.card.flags} {features} -o {folder}` adds them; "
            "--allow-missing leaves them out, and every result says so.",
        )

    def _named(self, position: int) -> str:
        """Return the id of a missing video, and why it is missing if that is known."""
        video = self.videos.videos[position]
        error = self._known.error(video)
        return f"{video.id} ({error})" if error else video.id


ANY = BackboneSpec()


def choose_card(
    store: Store,
    backbone: BackboneSpec = ANY,
    *,
    network_digest: str | None = None,
) -> Card:
    """Return the card of the backbone whose features a store contains.

    Values of the backbone that are ``auto`` or not set match every card. The network digest is of
    its card, if its weights are named.

    Raises:
        StoreError: The store has no such backbone, or several.
    """
    stored = {card.digest: card for card, _, _ in cards(store)}
    reading = {
        fact: getattr(backbone.resolved, fact) for fact in READING if fact in backbone.requested
    }
    matches = [
        card
        for card in stored.values()
        if backbone.name in ("auto", card.name)
        and backbone.precision in ("auto", card.precision)
        and backbone.engine in ("auto", card.engine)
        and network_digest in (None, card.network_digest)
        and card.is_read(reading)
    ]
    if len(matches) == 1:
        return matches[0]
    listed = "; ".join(map(_short, stored.values()))
    names = {card.name for card in stored.values()}
    criteria = {
        "backbone": backbone.name,
        "precision": backbone.precision,
        "engine": backbone.engine,
        **reading,
    }
    if network_digest and not matches:
        criteria["weights"] = "of another SHA-256"
    raise StoreError(
        "contains features of several backbones"
        if matches
        else "contains no features of this backbone",
        where=str(store.folder),
        got=", ".join(f"{fact} {value}" for fact, value in criteria.items() if value != "auto"),
        expected=listed or "none: the store is empty",
        hint="Choose with --backbone, --precision, --engine, --weights, --resize, --sampler or "
        "--size."
        if matches
        else did_you_mean(backbone.name, names if backbone.name not in names else ()),
    )


def _short(card: Card) -> str:
    weights = card.weights_sha256[:8] or "random"
    return f"{card.summary} (weights {weights})"
