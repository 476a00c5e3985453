"""Encode the videos of a list, each alone and each once, and keep their nodes in a bank."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.core.errors import DataError, VideoError
from fewact.data.files import first_few
from fewact.data.videos import VideoList
from fewact.lab.evaluation.identity import (
    FeatureFacts,
    MethodFacts,
    encoding_facts,
    feature_facts,
)
from fewact.lab.methods.adapters import on_arrays
from fewact.lab.methods.base import TextMethod, TorchMethod, evaluating
from fewact.lab.methods.combined import Combined, combined_nodes
from fewact.lab.store.sources import FeatureSource
from fewact.lab.workers import torch_workers
from fewact.methods.encode import encode_each

Progress = Callable[[int, int], None]
"""Called with the number of videos that are done and the number of all."""


class NodeBank:
    """Nodes of videos by their positions in a list, and what they were made from.

    Args:
        positions: (v) positions of the videos in the list, ascending.
        method: Facts of the method that encoded them, without options that only change scores.
        features: Facts of the features that were encoded.
        list_digest: SHA-256 of the list.

    Attributes:
        tensors: Nodes (v …) by name.
    """

    def __init__(
        self,
        positions: NDArray[np.int32],
        method: MethodFacts,
        features: FeatureFacts,
        list_digest: str,
    ) -> None:
        self.positions = positions
        self.method, self.features, self.list_digest = method, features, list_digest
        self.tensors: dict[str, Tensor] = {}

    def check(self, method: TorchMethod, videos: VideoList, needed: NDArray[np.int32]) -> None:
        """Refuse an evaluation that cannot use these nodes.

        Raises:
            DataError: The nodes are from another method or list, or videos are missing.
        """
        for wrong, what in self._faults(method, videos, needed):
            if wrong:
                raise DataError(f"the nodes are {what}", where=videos.name, hint="Encode again.")

    def fits(self, method: TorchMethod, videos: VideoList, needed: NDArray[np.int32]) -> bool:
        """Return whether an evaluation can use these nodes."""
        return not any(wrong for wrong, _ in self._faults(method, videos, needed))

    def _faults(
        self, method: TorchMethod, videos: VideoList, needed: NDArray[np.int32]
    ) -> tuple[tuple[bool, str], ...]:
        return (
            (self.list_digest != videos.digest, "of another list"),
            (self.method != encoding_facts(method), f"of another method, {self.method.label}"),
            (not np.isin(needed, self.positions).all(), "not of all videos of the episodes"),
        )

    def rows(self, positions: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the rows of the tensors that hold these videos: (…) → (…)."""
        return np.searchsorted(self.positions, positions)

    def with_text(self, method: TextMethod, text: Tensor, pool: Executor) -> "NodeBank":
        """Return a bank of the nodes after ``method.with_text``; the method is in evaluation mode.

        The text has the embedding (v d) of the name of each video's class.
        """

        def named(row: int) -> dict[str, NDArray[Any]]:
            nodes = {name: value[row : row + 1] for name, value in self.tensors.items()}
            with torch.inference_mode():
                named_nodes = method.with_text(nodes, text[row : row + 1])
            return {name: value[0].cpu().numpy() for name, value in named_nodes.items()}

        bank = NodeBank(self.positions, self.method, self.features, self.list_digest)
        for row, nodes in enumerate(pool.map(named, range(len(self.positions)))):
            bank.put(row, nodes)
        return bank

    def put(self, row: int, nodes: Mapping[str, NDArray[Any]]) -> None:
        """Store the nodes of one video; the first video decides the shapes."""
        for name, value in nodes.items():
            if name not in self.tensors:
                made = np.empty((len(self.positions), *value.shape), value.dtype)
                self.tensors[name] = torch.from_numpy(made)
            self.tensors[name][row] = torch.from_numpy(value)

    @property
    def nodes_a_video(self) -> int:
        """Number of nodes of one video."""
        return max(value[0].numel() // value.shape[-1] for value in self.tensors.values())

    @property
    def bytes_a_video(self) -> int:
        """Memory of one video's nodes."""
        return sum(value[0].numel() * value.element_size() for value in self.tensors.values())


class Encodings:
    """Encodes videos for one method after the other; methods that differ in scoring share nodes.

    Only the nodes of the last encoding are kept. A sweep should run methods of the same encoding
    one after the other.
    """

    def __init__(self, source: FeatureSource) -> None:
        self.features = feature_facts(source)
        self._source = source
        self._last: NodeBank | None = None

    def bank(
        self,
        method: TorchMethod,
        videos: VideoList,
        needed: NDArray[np.int32],
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NodeBank:
        """Return the nodes of the needed videos; the last nodes are reused if they fit."""
        last = self._last
        if last is None or not last.fits(method, videos, needed):
            self._last = None  # Two banks would need twice the memory.
            self._last = last = self._encode(method, videos, needed, threads, progress)
        return last

    def _encode(
        self,
        method: TorchMethod,
        videos: VideoList,
        needed: NDArray[np.int32],
        threads: int | None,
        progress: Progress | None,
    ) -> NodeBank:
        return encode_list(method, self._source, videos, needed, threads=threads, progress=progress)


def encode_list(
    method: TorchMethod,
    source: FeatureSource,
    videos: VideoList,
    positions: NDArray[np.int32] | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> NodeBank:
    """Encode videos of a list, each alone and each once.

    Args:
        method: Method that computes the nodes.
        source: Source of the features.
        videos: List of the videos.
        positions: (v) positions of the videos to encode, ascending; None for all.
        threads: Number of threads that encode (default: torch's number of threads).
        progress: Called with the number of videos that are done and the number of all.

    Raises:
        OptionError: The source does not have the features that the method requests.
        DataError: Videos are missing or cannot be read, or the features are of another list.
    """
    source.check_list(videos)
    if positions is None:
        positions = np.arange(len(videos.videos), dtype=np.int32)
    bank = NodeBank(positions, encoding_facts(method), feature_facts(source), videos.digest)
    numbers: list[int] = positions.tolist()
    unreadable: list[str] = []
    features = source.features(numbers, method.requests(source.card))
    with evaluating(method), torch_workers(threads) as pool:
        for row, nodes in encode_each(on_arrays(method), enumerate(features), pool=pool):
            if isinstance(nodes, VideoError):
                unreadable.append(f"{videos.videos[numbers[row]].id} ({nodes.reason})")
            else:
                bank.put(row, nodes)
            if progress is not None:
                progress(row + 1, len(numbers))
    if unreadable:
        raise DataError(
            f"cannot be read: {len(unreadable)} of {len(numbers)} videos that are needed",
            where=videos.name,
            got=first_few(unreadable),
            hint=(
                f"`fewact data check {videos.name} FOLDER --deep -o FILE` lists them; then "
                "--availability FILE --allow-missing leaves them out, and every result says so."
            )
            if videos.availability
            else "Repair these videos or remove them from the list, then draw episodes again.",
        )
    return bank


class ModalityEncodings(Encodings):
    """Encodes each video by each part of a combined method, from the part's own modality.

    Args:
        modalities: List and encodings of each modality; the lists have the same videos in the same
            order.
    """

    def __init__(self, modalities: Sequence[tuple[VideoList, Encodings]]) -> None:
        self._modalities = modalities
        self.features = combined_facts([encodings.features for _, encodings in modalities])

    def bank(
        self,
        method: TorchMethod,
        videos: VideoList,
        needed: NDArray[np.int32],
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NodeBank:
        """Return the nodes of the needed videos, of all parts."""
        if not isinstance(method, Combined):
            raise TypeError("modalities need a combined method")
        total = len(needed) * len(self._modalities)
        banks = []
        for i, (part, (videos_of_part, encodings)) in enumerate(
            zip(method.methods, self._modalities, strict=True)
        ):

            def shown(done: int, _: int, before: int = i * len(needed)) -> None:
                if progress is not None:
                    progress(before + done, total)

            banks.append(
                encodings.bank(part, videos_of_part, needed, threads=threads, progress=shown)
            )
        combined = NodeBank(
            banks[0].positions, encoding_facts(method), self.features, videos.digest
        )
        rows = [bank.rows(combined.positions) for bank in banks]
        combined.tensors = combined_nodes(
            [
                {name: value[row] for name, value in bank.tensors.items()}
                for bank, row in zip(banks, rows, strict=True)
            ]
        )
        return combined


def combined_facts(modalities: Sequence[FeatureFacts]) -> FeatureFacts:
    """Return the facts of several modalities together."""

    def together(values: Sequence[str]) -> str:
        return hashlib.sha256(" ".join(values).encode()).hexdigest()

    return FeatureFacts(
        name=" + ".join(facts.name for facts in modalities),
        sha256=together([facts.sha256 for facts in modalities]),
        backbone_sha256=together([facts.backbone_sha256 for facts in modalities]),
        trained_on=tuple(dict.fromkeys(data for facts in modalities for data in facts.trained_on)),
        modalities=len(modalities),
    )
