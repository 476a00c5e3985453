"""A small network that knows human motion from rendered figures alone, as an ONNX graph.

``fewact.lab.networks.motion`` says what it is, and how it was trained.
"""

import hashlib
import os
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import WeightsError
from fewact.methods.common.temporal import normalised
from fewact.methods.fusion.crop import separable_crop

Values = NDArray[np.float32]

FRAMES = 24
"""Number of images of a video that the network reads."""

SIDE = 32
"""Height and width of these images."""

LENGTH = 64
"""Length of a frame's vector."""

GRAPH = "motion_network.onnx"
WEIGHTS_SHA256 = "63ed15e296729c9566546bc08600180d1d40d727bbffc9115a62912c600ea892"
"""SHA-256 of the graph, which has the weights."""

IMAGES = "images"
"""Input (v t s s): what ``prepared`` returns of v videos."""

VECTORS = "vectors"
"""Output (v t d): vectors of the frames, with their mean over time."""

FIGURE = "figure"
"""Output (v): log-odds that the images show one moving figure."""

LIGHT = 0.99
"""Fraction of the pixels that are at most as light as what becomes 1."""

DARKEST = 4.0
"""Least level that becomes 1."""


def motion_vectors(images: NDArray[Any], *, flips: bool = False) -> tuple[Values, float]:
    """Return what the network says of the images of a video.

    Args:
        images: Images of differences (t h w).
        flips: Encode the flipped images, too.

    Returns:
        Unit vectors of the frames, minus their mean over time: (1 24 d), or (2 24 d) with the
        flipped images; and the probability that the images show one moving figure.
    """
    cropped = prepared(images)
    vectors, figure = _run(np.stack([cropped, cropped[..., ::-1]] if flips else [cropped]))
    unit: Values = normalised(vectors - vectors.mean(1, keepdims=True))
    return unit, float(np.exp(-np.logaddexp(0, -figure[0])))


def raw_vectors(images: NDArray[Any]) -> Values:
    """Return the vectors of the frames with their mean over time: (t h w) → (24 d)."""
    vectors: Values = _run(prepared(images)[None])[0][0]
    return vectors


def prepared(images: NDArray[Any]) -> Values:
    """Crop the images of a video around its motion, and make its light changes alike.

    Args:
        images: Images of differences (t h w).

    Returns:
        (24 s s), float32; images of another number are interpolated over time.
    """
    cells = separable_crop(images.astype(np.float32), SIDE)
    if len(cells) != FRAMES:
        at = np.linspace(0, len(cells) - 1, FRAMES, dtype=np.float32)
        before = at.astype(np.int64)
        after = np.minimum(before + 1, len(cells) - 1)
        fraction = np.mod(at, 1)[:, None, None]
        cells = cells[before] * (1 - fraction) + cells[after] * fraction
    return lightened(cells)


def lightened(images: Values) -> Values:
    """Scale the images of a video (t s s) to light changes of 1, and take the root."""
    rank = int(LIGHT * images.size) - 1
    top = max(float(np.partition(images.ravel(), rank)[rank]), DARKEST)
    scaled = images / top
    root: Values = np.sqrt(np.clip(scaled, 0, 1.5, out=scaled), out=scaled)
    return root


def _run(images: Values) -> tuple[Values, Values]:
    vectors, figure = _session().run([VECTORS, FIGURE], {IMAGES: images})
    return vectors, figure


@cache
def _session() -> Any:
    """Return a session that uses one core; several threads may share it."""
    # ONNX Runtime sends facts about its sessions to Microsoft unless this is set before.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph(), options, providers=["CPUExecutionProvider"])


def graph() -> bytes:
    """Return the graph that comes with the package."""
    content = files(__package__).joinpath(GRAPH).read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != WEIGHTS_SHA256:
        raise WeightsError(
            "the weights of learned motion are not the expected file",
            where=GRAPH,
            got=f"SHA-256 {digest}",
            expected=WEIGHTS_SHA256,
            hint="Install fewact again.",
        )
    return content
