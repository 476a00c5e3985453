"""Find and remove flicker: light, or an exposure, that changes from frame to frame.

Under other light all pixels of a frame change by one factor. The factor of a frame is the median,
over the pixels, of its ratio to the median frame: what moves covers less than half of a frame.
What is cut off at white in the brighter frames is taken from the others.
"""

import numpy as np
import torch
from torch import Tensor

from fewact.video.camera.measured import STEP, Floats, Frames, lower_median, luma_of, some_frames

GREY = (24.0, 240.0)
"""Levels between which a ratio is measured: darker pixels are noise, brighter ones cut off."""

WHITE = 250
"""Level from which a pixel is cut off."""

LEAST_PIXELS = 0.3
"""Smallest fraction of the pixels that a factor is measured in, so that it is no person's before a
black background; the factor is 1 otherwise."""

FEW_PIXELS = 20
"""Smallest number of pixels that a factor is measured in before differences are taken. Before a
black background they are the person's; if it is the person that gets brighter, nothing moves."""

LEAST_CHANGE, LEAST_UNIFORM = 0.06, 1.5
"""Smallest change of the logarithm of the factor, and smallest ratio of it to the spread over the
pixels, of a video that flickers."""


def find_light(frames: Frames) -> Floats | None:
    """Return the median frame (h w), the luma of some pixels, of a video that flickers; or None.

    Args:
        frames: Some frames (t h w 3) of it.
    """
    if len(frames) < 4:
        return None
    luma = luma_of(some_frames(frames))
    reference = np.asarray(np.median(luma, axis=0))
    logs = [_ratios(image, reference) for image in luma]
    change = _change(logs)
    flickers = change >= LEAST_CHANGE and change >= LEAST_UNIFORM * _spread(logs)
    return reference if flickers else None


def remove_flicker(frames: Frames, reference: Floats) -> Frames:
    """Return frames (t h w 3) under the light of the median frame.

    A pixel that is cut off is at least as bright as it is in the median of the corrected frames.

    Args:
        frames: Frames of the video, of the size that the reference was measured in.
        reference: See ``find_light``.
    """
    factors = [np.exp(_median(_ratios(image, reference))) for image in luma_of(frames)]
    levels = np.arange(256.0)
    tables = [(levels / factor).round().clip(0, 255).astype(np.uint8) for factor in factors]
    corrected = np.stack([table[frame] for table, frame in zip(tables, frames, strict=True)])
    cut = frames >= WHITE
    columns = cut.any(0)  # (h w 3)
    values = corrected[:, columns]  # (t n)
    median = np.median(values, axis=0).astype(np.uint8)
    corrected[:, columns] = np.where(cut[:, columns], np.maximum(values, median), values)
    return corrected


def same_light(grey: Tensor) -> Tensor:
    """Return grey frames (t h w) under the light of their median frame.

    Differences of frames show what moves; any change of the light would be movement of all that is
    lit. Unlike ``remove_flicker``, this needs few grey pixels, and leaves white as it is.

    Args:
        grey: Luma from 0 to 255. The same object is returned if its light hardly changes.
    """
    sampled = grey[:, ::STEP, ::STEP].flatten(1)  # (t n)
    reference = torch.from_numpy(lower_median(sampled.numpy()))
    low, high = GREY
    is_grey = (sampled > low) & (sampled < high) & (reference > low) & (reference < high)
    ratios = (sampled / reference).log().numpy()
    grey_ratios = [ratio[which] for ratio, which in zip(ratios, is_grey.numpy(), strict=True)]
    light = torch.tensor(
        [float(lower_median(x)) if len(x) >= FEW_PIXELS else 0.0 for x in grey_ratios]
    ).to(grey)
    darkest, brightest = light.quantile(light.new_tensor([0.1, 0.9])).tolist()
    if (brightest - darkest) / 2 < LEAST_CHANGE:
        return grey
    return grey / light.exp()[:, None, None]


def _change(ratios: list[Floats]) -> float:
    """Return how much the light of the frames changes, from the ratios of each."""
    light = np.array([_median(ratio) for ratio in ratios])
    return float(np.quantile(light, 0.9) - np.quantile(light, 0.1)) / 2


def _spread(ratios: list[Floats]) -> float:
    """Return how much the ratios of a frame differ from its median; ∞ if there are none."""
    uneven = [np.median(abs(ratio - np.median(ratio))) for ratio in ratios if len(ratio)]
    return float(np.median(uneven) if uneven else np.inf)


def _median(logs: Floats) -> float:
    """Return the median; 0 if there is no ratio."""
    return float(np.median(logs)) if len(logs) else 0.0


def _ratios(luma: Floats, reference: Floats) -> Floats:
    """Return the logarithms of the ratios of a frame to the reference; none if too few are grey."""
    low, high = GREY
    grey = (luma > low) & (luma < high) & (reference > low) & (reference < high)
    if grey.mean() < LEAST_PIXELS:
        return np.empty(0)
    return np.asarray(np.log(luma[grey] / reference[grey]))
