"""Clips of a high dynamic range are shown in the standard one."""

from pathlib import Path

import av
import numpy as np
import pytest

from fewact.video import EveryNth, read_frames
from fewact.video.tone_mapping import HLG, PQ, standard_signal, tone_mapped


def made(path: Path, transfer: int | None) -> Path:
    """Encode grey and coloured bars of 10 bits; without a transfer they are a standard signal."""
    image = np.zeros((64, 96, 3), np.uint16)
    image[:, :32], image[:, 32:64] = 0.75 * 65535, 0.375 * 65535
    image[:, 64:] = np.array([0.5, 0.25, 0.125]) * 65535
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx265", 30, {"x265-params": "log-level=none:lossless=1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p10le"
        if transfer is not None:
            stream.codec_context.color_trc = transfer
            stream.codec_context.color_primaries = 9
            stream.codec_context.colorspace = 9
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(image, format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=9 if transfer else 5)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("transfer", "signal", "light"),
    [
        (HLG, 0.75, 203.0),  # diffuse white, BT.2408
        (PQ, 0.5806888, 203.0),
        (HLG, 0.5, 50.697),
        (PQ, 0.5, 92.246),
        (HLG, 1.0, 1000.0),
        (PQ, 0.7518271, 1000.0),
    ],
)
def test_greys_have_the_light_of_the_recommendations(
    transfer: int, signal: float, light: float
) -> None:
    """Below half of diffuse white nothing is compressed, at the peak of 1,000 cd/m² it is white."""
    mapped = standard_signal(np.full(3, signal), transfer)
    relative = light / 203
    if relative <= 0.5:
        expected = relative
    else:
        above, most = (relative - 0.5) / 0.5, (1000 / 203 - 0.5) / 0.5
        expected = 0.5 + 0.5 * above * (1 + above / most**2) / (1 + above)
    np.testing.assert_allclose(mapped, expected ** (1 / 2.4), atol=2e-4)


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_brighter_signals_are_brighter_and_greys_grey(transfer: int) -> None:
    levels = np.linspace(0, 1, 256)
    mapped = standard_signal(np.repeat(levels[:, None], 3, 1), transfer)
    assert (np.diff(mapped[:, 0]) >= 0).all()
    assert np.ptp(mapped, axis=1).max() < 2e-4
    assert (mapped[0].max(), mapped[-1].min()) == pytest.approx((0, 1), abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_images_are_mapped_by_the_formula(transfer: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    mapped = tone_mapped(image, transfer)
    assert (mapped.shape, mapped.dtype) == (image.shape, np.uint8)
    expected = 255 * standard_signal(image / 255, transfer)
    assert np.abs(mapped - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("transfer", [HLG, PQ, None])
def test_a_clip_is_read_as_its_transfer_says(tmp_path: Path, transfer: int | None) -> None:
    (first, *_) = read_frames(made(tmp_path / "clip.mp4", transfer), EveryNth(1))
    signals = np.array([[0.75] * 3, [0.375] * 3, [0.5, 0.25, 0.125]])
    expected = signals if transfer is None else standard_signal(signals, transfer)
    shown = first[32, [16, 48, 80]].astype(np.float64)
    slack = 3 if transfer is None else 8  # a level of the signal can be several of the light
    assert np.abs(shown - 255 * expected).max() <= slack
