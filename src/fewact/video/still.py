"""Encoding of single frames as images."""

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

QUALITY = "4"
"""Quality of mjpeg: 2 is best, 31 worst."""


def jpeg(frame: NDArray[np.uint8]) -> bytes:
    """Encode a frame (h w 3) as a JPEG file."""
    encoder = av.VideoCodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = frame.shape[:2]
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": QUALITY, "qmax": QUALITY}
    image = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuvj420p")
    return b"".join(bytes(packet) for packet in (*encoder.encode(image), *encoder.encode(None)))
