"""Predicted classes of queries, packed in a few bits each."""

from math import prod

import numpy as np
from numpy.typing import NDArray

Predictions = NDArray[np.uint16]
"""Predicted class of each query of each episode, as its position in the episode: (b ways·queries).

The queries are in the order of their classes: those of the episode's first class first."""


def pack(predictions: Predictions, ways: int) -> bytes:
    """Return predictions as bytes: as many bits each as the number of ways needs.

    Args:
        predictions: (b q).
        ways: Number of classes of an episode.

    >>> pack(np.array([[0, 1, 2, 4]], dtype=np.uint16), 5).hex()
    '0540'
    """
    shifts = np.arange(_bits(ways) - 1, -1, -1, dtype=np.uint16)
    return np.packbits(predictions[..., None] >> shifts & 1).tobytes()


def unpack(packed: bytes, ways: int, shape: tuple[int, int]) -> Predictions:
    """Return the predictions of ``pack``.

    Args:
        packed: Bytes of ``pack``.
        ways: Number of classes of an episode.
        shape: Number of episodes, and of queries of an episode.

    Raises:
        ValueError: There are too few or too many bytes, or a prediction is none of the ways.
    """
    bits = _bits(ways)
    count = prod(shape) * bits
    if len(packed) != -(-count // 8):
        raise ValueError("the predictions have another length than the episodes")
    each = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=count).reshape(-1, bits)
    values = each.astype(np.uint16) @ (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    if values.size and values.max() >= ways:
        raise ValueError("a prediction is none of the ways")
    return values.reshape(shape)


def hits(predictions: Predictions, ways: int) -> NDArray[np.bool_]:
    """Return whether each query is classified correctly: (b q)."""
    right: NDArray[np.bool_] = predictions == np.repeat(
        np.arange(ways), predictions.shape[1] // ways
    )
    return right


def _bits(ways: int) -> int:
    return (ways - 1).bit_length()
