"""Clips of a high dynamic range, as phones record them, shown in a standard one.

Their signals follow the hybrid log-gamma curve (HLG) or the perceptual quantiser (PQ) of ITU-R
BT.2100, in the colours of BT.2020. Read as a standard signal they are pale and flat. They are
decoded to the light of a display; light above the diffuse white is compressed; colours are
converted to BT.709, and encoded for a standard display (BT.1886).
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from av.video.reformatter import ColorTrc
from numpy.typing import NDArray

from fewact.video.samplers import RGBImage

Values = NDArray[np.floating[Any]]

HLG = int(ColorTrc.ARIB_STD_B67)
PQ = int(ColorTrc.SMPTE2084)

PEAK_LIGHT = 1000.0
"""Light of the brightest highlight that is distinguished, in cd/m²: the display of BT.2100."""

DIFFUSE_WHITE = 203.0
"""Light of diffuse white, in cd/m²: the level of BT.2408."""

LIGHT_KNEE = 0.5
"""Light above this level, relative to diffuse white, is compressed."""

DISPLAY_GAMMA = 2.4
"""Exponent of a standard display, BT.1886."""

LUMINANCE_WEIGHTS = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""Weights of red, green and blue in the luminance of BT.2020."""

TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""Linear BT.709 from linear BT.2020, ITU-R BT.2087."""


def tone_mapped(image: RGBImage, transfer: int) -> RGBImage:
    """Convert an image (h w 3) of HLG or PQ signals to the signals of a standard display.

    Args:
        image: Signals of red, green and blue in the full range, uint8.
        transfer: ``HLG`` or ``PQ``, FFmpeg's numbers.
    """
    red, green, blue = np.moveaxis(image.astype(np.uint32), -1, 0)
    mapped = _table(transfer)[red << 16 | green << 8 | blue]  # (h w)
    shown: RGBImage = mapped[..., None].view(np.uint8)[..., :3]
    return shown


@lru_cache(maxsize=2)
def _table(transfer: int) -> NDArray[np.uint32]:
    """Return the colour, four bytes each, of all 2²⁴ signals: 64 MB, made in under two seconds.

    A frame of a phone has two million pixels: a table is faster than the formula for each pixel.
    """
    table = np.zeros((256, 256, 256, 4), np.uint8)
    levels = np.arange(256, dtype=np.float32) / 255
    signals = np.stack(np.meshgrid(levels, levels, indexing="ij"), -1)  # (g b 2)
    for red in range(256):
        reds = np.full_like(signals[..., :1], levels[red])
        mapped = standard_signal(np.concatenate([reds, signals], -1), transfer)
        table[red, ..., :3] = np.rint(255 * mapped)
    return table.reshape(-1, 4).view(np.uint32)[:, 0]


def standard_signal(signal: Values, transfer: int) -> Values:
    """Return the BT.709 signal (… 3) from 0 to 1 of a BT.2100 signal (… 3) from 0 to 1."""
    light = (_light_of_hlg if transfer == HLG else _light_of_pq)(signal) / DIFFUSE_WHITE
    brightest = light.max(-1, keepdims=True)
    shown = compressed(brightest) / np.maximum(brightest, 1e-9)
    linear = np.clip(light * shown @ TO_BT709.T, 0, 1)
    encoded: Values = linear ** (1 / DISPLAY_GAMMA)
    return encoded


def compressed(light: Values) -> Values:
    """Return light relative to diffuse white from 0 to 1: unchanged up to the knee, 1 at the peak.

    With s = (x − k) / (1 − k) and p the s of the peak, y = k + (1 − k) s (1 + s / p²) / (1 + s).
    """
    most = (PEAK_LIGHT / DIFFUSE_WHITE - LIGHT_KNEE) / (1 - LIGHT_KNEE)
    above = np.clip((light - LIGHT_KNEE) / (1 - LIGHT_KNEE), 0, most)
    rolled = above * (1 + above / most**2) / (1 + above)
    shown: Values = np.minimum(light, LIGHT_KNEE) + (1 - LIGHT_KNEE) * rolled
    return shown


def _light_of_hlg(signal: Values) -> Values:
    """Return the light of a display in cd/m², BT.2100, table 5."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * math.log(4 * a)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = (scene @ LUMINANCE_WEIGHTS)[..., None]
    light: Values = PEAK_LIGHT * luminance**0.2 * scene
    return light


def _light_of_pq(signal: Values) -> Values:
    """Return the light of a display in cd/m², BT.2100, table 4."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = signal ** (1 / m2)
    light: Values = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light
