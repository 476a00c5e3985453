"""How coarsely an encoder stored a frame: the quantiser that the H.264 decoder reports."""

import struct

import numpy as np
from av.video.frame import VideoFrame

from fewact.video.side_data import side_data

EXPORT = "venc_params"
"""Value of the decoder's option ``export_side_data`` by which frames have their quantisers."""

# FFmpeg's AVVideoEncParams: unsigned blocks; size_t offset, size; int type, qp, delta_qp[4][2].
_HEAD = struct.Struct("@INNii")
_H264 = 1
_DELTA = 4  # of AVVideoBlockParams: int src_x, src_y, w, h, delta_qp


def quantiser(frame: VideoFrame) -> float | None:
    """Return the mean quantiser of a frame's blocks: 0 is lossless, 51 the worst of H.264.

    Args:
        frame: Decoded frame of a decoder with the option ``EXPORT``.

    Returns:
        None where the decoder does not say, as of all other codecs.
    """
    content = side_data(frame, "VIDEO_ENC_PARAMS")
    if content is None:
        return None
    blocks, offset, size, kind, of_frame = _HEAD.unpack_from(content)
    if kind != _H264 or not blocks:
        return None
    numbers = np.frombuffer(content, np.int32, blocks * size // 4, offset)
    return float(of_frame + numbers[_DELTA :: size // 4].mean())
