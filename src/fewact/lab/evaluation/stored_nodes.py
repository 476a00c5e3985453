"""Read nodes from a store, and write nodes into it."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from fewact.core.locks import Claims
from fewact.core.version import __version__
from fewact.data.videos import VideoList
from fewact.features.store import EntrySet
from fewact.features.store.shard import Facts, Shape, digest
from fewact.lab.evaluation.encode import Encodings, NodeBank, Progress, encode_list
from fewact.lab.evaluation.identity import encoding_facts
from fewact.lab.methods.base import TorchMethod
from fewact.lab.store.embedding import VIDEOS_PER_BLOCK, feature_facts
from fewact.lab.store.stored import StoredFeatures


class StoredEncodings(Encodings):
    """Encodings that read nodes from the store where it has all that are needed.

    Stored nodes are equal to computed ones; without them, the stored features are encoded.
    """

    def __init__(self, source: StoredFeatures) -> None:
        super().__init__(source)
        self._stored = source

    def _encode(
        self,
        method: TorchMethod,
        videos: VideoList,
        needed: NDArray[np.int32],
        threads: int | None,
        progress: Progress | None,
    ) -> NodeBank:
        self._stored.check_list(videos)
        entries = self._stored.store.find(node_facts(method, self._stored))
        keys = [self._stored.keys[position] or "" for position in needed]
        if entries is None or not all(key in entries for key in keys):
            return super()._encode(method, videos, needed, threads, progress)
        bank = NodeBank(needed, encoding_facts(method), self.features, videos.digest)
        for row, key in enumerate(keys):
            bank.put(row, entries.read(key))
            if progress is not None:
                progress(row + 1, len(keys))
        return bank


def node_facts(method: TorchMethod, source: StoredFeatures) -> Facts:
    """Return all that decides the nodes of a video."""
    facts = encoding_facts(method)
    requests = method.requests(source.card)
    identity: dict[str, JsonValue] = {
        "name": facts.name,
        "options": facts.options,
        "weights": facts.weights_sha256,
    }
    if facts.package:
        identity["package"] = facts.package
    return {
        "kind": "nodes",
        "method": identity,
        "features": [dict(feature_facts(source.card, request)) for request in requests],
        "fewact": __version__,
    }


def store_nodes(
    method: TorchMethod,
    source: StoredFeatures,
    *,
    progress: Progress | None = None,
) -> int:
    """Encode the videos whose features are stored, and store their nodes.

    Several processes share the work, block by block; stored nodes are not encoded again.

    Returns:
        Number of videos whose nodes are in the store.
    """
    missing = set(source.missing(method.requests(source.card)))
    first_of = {key: i for i, key in reversed(list(enumerate(source.keys))) if i not in missing}
    positions = np.array(sorted(first_of.values()), dtype=np.int32)
    blocks = [
        positions[first : first + VIDEOS_PER_BLOCK]
        for first in range(0, len(positions), VIDEOS_PER_BLOCK)
    ]
    facts = node_facts(method, source)
    entries = source.store.find(facts)
    claims = Claims(source.store.claims(f"{source.digest} {digest(facts)}"))
    done = 0
    try:
        for block in chain(claims.free(range(len(blocks))), claims.postponed()):
            entries = _store_block(method, source, facts, entries, blocks[block].tolist())
            claims.release(block)
            done += len(blocks[block])
            if progress is not None:
                progress(done, len(positions))
    finally:
        claims.close()
    return done


def _store_block(
    method: TorchMethod,
    source: StoredFeatures,
    facts: Facts,
    entries: EntrySet | None,
    positions: Sequence[int],
) -> EntrySet | None:
    """Encode and store the videos whose nodes are missing; return the set that holds them."""
    keys = {i: source.keys[i] or "" for i in positions}
    new = np.array([i for i, k in keys.items() if entries is None or k not in entries], np.int32)
    if not len(new):
        return entries
    bank = encode_list(method, source, source.videos, new)
    arrays = {name: value.numpy() for name, value in bank.tensors.items()}
    if entries is None:  # The nodes of the first videos show the shapes.
        layout = {
            name: Shape(values.dtype.name, values.shape[1:]) for name, values in arrays.items()
        }
        entries = source.store.make(facts, layout)
    entries.write(
        {
            keys[i]: {name: values[row] for name, values in arrays.items()}
            for row, i in enumerate(new.tolist())
        }
    )
    return entries
