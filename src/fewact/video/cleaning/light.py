"""Light of a recording: its luma; flicker, found and removed; and too little light or too much.

Flicker is light, or an exposure, that changes from frame to frame. A change of the light multiplies
all pixels of a frame by one factor. The factor of a frame is the median, over the pixels, of the
ratio to the median frame: moving objects cover less than half of a frame. Pixels that are clipped
at white in brighter frames are taken from darker frames.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.video.frame import SharedFrame, shared
from fewact.video.resizing import channels_last

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
Grey = NDArray[np.float32]

Measured = SharedFrame[NDArray[np.uint8]]
"""Frame (h w 3) with measurements."""

AnyFrames = Frames | Sequence[Measured]
"""Frames (t h w 3) of a video; windows of a recording share the measurements of their frames."""

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the luma of BT.601."""

THOUSANDTHS = (1000 * LUMA_WEIGHTS).round().astype(np.float32)
PIXEL_STEP = 4
"""Distance between measured rows, and between measured columns."""

MEDIAN_OF_NORMAL = 0.6745
"""Median distance from the mean of a normal distribution, in standard deviations."""

MOST_MEASURED = 8
"""Most frames that grain and flicker are measured in."""

FEW_SAMPLES_STEP = 4
"""Distance between measured frames where few are enough."""


def luma(frame: Measured) -> Grey:
    """Return the luma (h w) of a frame (3 h w), see ``grey_of``."""
    grey: Grey = grey_of(frame.image[None])[0]
    return grey


def grey_of(frames: Frames) -> Grey:
    """Return the luma (t h w) of frames (t 3 h w), the same on every processor.

    Thousandths are added: their sums are integers, which no order of additions rounds.
    """
    grey = np.empty((len(frames), *frames.shape[2:]), np.float32)
    for luma, frame in zip(grey, channels_last(frames), strict=True):  # each fits the cache
        np.matmul(frame.astype(np.float32), THOUSANDTHS, out=luma)
    grey /= 1000
    return grey


def stacked(frames: Sequence[Measured]) -> Frames:
    """Return frames as one array (t h w 3)."""
    return np.stack([frame.image for frame in frames])


def some_frames(frames: AnyFrames) -> Sequence[Measured]:
    """Return at most ``MOST_MEASURED`` of the frames, spread evenly."""
    count = min(MOST_MEASURED, len(frames))
    all_frames = shared(frames)
    return [all_frames[(2 * i + 1) * len(frames) // (2 * count)] for i in range(count)]


def few_frames(frames: AnyFrames) -> Sequence[Measured]:
    """Return a few of ``some_frames``."""
    return some_frames(frames)[::FEW_SAMPLES_STEP]


def every(frames: AnyFrames, measure: Callable[[Measured], NDArray[Any]]) -> NDArray[Any]:
    """Return the measurement of each frame: (t …)."""
    return np.stack([frame.of(measure) for frame in shared(frames)])


def luma_of(frame: Measured) -> Floats:
    """Return the luma (h w) of some pixels of a frame."""
    return np.asarray(frame.image[::PIXEL_STEP, ::PIXEL_STEP] @ LUMA_WEIGHTS)


def brightest_of(frame: Measured) -> NDArray[np.uint8]:
    """Return the largest of red, green and blue (h w) of each pixel of a frame."""
    red, green, blue = (frame.image[..., i] for i in range(3))
    return np.maximum(np.maximum(red, green), blue)


def lower_median(values: NDArray[Any]) -> Any:
    """Return the median (…) of values (n …); the lower of two middle ones.

    Sorting is faster than partitioning where many values are equal.
    """
    return np.sort(values, axis=0)[(len(values) - 1) // 2]


GREY_LEVELS = (24.0, 240.0)
"""Levels between which a ratio is measured: darker pixels are noise, brighter pixels clipped."""

WHITE_LEVEL = 250
"""A pixel of at least this level is white: its light is clipped."""

LEAST_GREY_FRACTION = 0.3
"""Smallest fraction of grey pixels of a frame with a factor; with fewer the factor is 1. It could
otherwise be the factor of a person before a black background."""

LEAST_GREY_PIXELS = 20
"""Smallest number of grey pixels of a frame with a factor in ``same_light``. Before a black
background these are pixels of a person: a person who only gets brighter does not move."""

LEAST_FLICKER = 0.06
"""Smallest change of the logarithm of the factor of a video that flickers."""

LEAST_UNIFORMITY = 1.5
"""Smallest ratio of that change to the spread over the pixels."""


def find_light(frames: AnyFrames) -> Floats | None:
    """Return the median frame (h w) of a video (t h w 3) that flickers, as ``luma_of``; or None."""
    if len(frames) < 4:
        return None
    luma = every(some_frames(frames), luma_of)
    reference = np.asarray(np.median(luma, axis=0))
    ratios = [_ratios(image, reference) for image in luma]
    light = [_median(ratio) for ratio in ratios]
    change = float(np.quantile(light, 0.9) - np.quantile(light, 0.1)) / 2
    uneven = [np.median(abs(ratio - np.median(ratio))) for ratio in ratios if len(ratio)]
    spread = float(np.median(uneven) if uneven else np.inf)
    return reference if change >= max(LEAST_FLICKER, LEAST_UNIFORMITY * spread) else None


def remove_flicker(frames: Frames, reference: Floats) -> Frames:
    """Return frames (t h w 3) under the light of the median frame of ``find_light``.

    A clipped pixel becomes at least as bright as in the median of the corrected frames.
    """
    factors = [np.exp(_median(_ratios(image, reference))) for image in every(frames, luma_of)]
    levels = np.arange(256.0)
    tables = [(levels / factor).round().clip(0, 255).astype(np.uint8) for factor in factors]
    corrected = np.stack([table[frame] for table, frame in zip(tables, frames, strict=True)])
    cut = frames >= WHITE_LEVEL
    columns = cut.any(0)  # (h w 3)
    values = corrected[:, columns]  # (t n)
    median = np.median(values, axis=0).astype(np.uint8)
    corrected[:, columns] = np.where(cut[:, columns], np.maximum(values, median), values)
    return corrected


def same_light(grey: Grey) -> Grey | None:
    """Return grey frames (t h w), luma from 0 to 255, under the light of their median frame.

    Differences of frames show movement; a change of the light would look like movement everywhere.
    Unlike ``remove_flicker``, this needs few grey pixels, and leaves white as it is. Returns None
    if the light hardly changes.
    """
    sampled = grey[:, ::PIXEL_STEP, ::PIXEL_STEP].reshape(len(grey), -1)  # (t n)
    reference = lower_median(sampled)
    low, high = GREY_LEVELS
    is_grey = (sampled > low) & (sampled < high) & (reference > low) & (reference < high)
    light = np.zeros(len(grey), np.float32)
    for i, (levels, which) in enumerate(zip(sampled, is_grey, strict=True)):
        if which.sum() >= LEAST_GREY_PIXELS:
            light[i] = lower_median(np.log(levels[which] / reference[which]))
    darkest, brightest = np.quantile(light, (0.1, 0.9))
    if (brightest - darkest) / 2 < LEAST_FLICKER:
        return None
    factors: Grey = np.exp(light)
    return grey / factors[:, None, None]


def _median(logs: Floats) -> float:
    return float(np.median(logs)) if len(logs) else 0.0


def _ratios(luma: Floats, reference: Floats) -> Floats:
    """Return the logarithms of the ratios of a frame to the reference; none if too few are grey."""
    low, high = GREY_LEVELS
    grey = (luma > low) & (luma < high) & (reference > low) & (reference < high)
    if grey.mean() < LEAST_GREY_FRACTION:
        return np.empty(0)
    return np.asarray(np.log(luma[grey] / reference[grey]))


DARKEST_QUANTILE = 0.01
"""Fraction of the pixels below the darkest level: a few pixels do not count."""

BRIGHTEST_QUANTILE = 0.995
"""Fraction of the pixels below the brightest level."""

SHOWN_LEVEL = 16.0
"""Smallest level of a pixel with content: the surroundings of a depth video are black."""

DARK_HIGH = 80.0
"""A video is dark if its brightest level is below this; no development clip has less than 86."""

DIM_HIGH = 100.0
"""A video is dark, too, if its brightest level is below this and its median is below
``DIM_TYPICAL``."""

DIM_TYPICAL = 50.0
"""Largest median of a dim video. Development clips whose brightest level is below 100 have at least
59."""

BRIGHT_LOW = 25.0
"""Smallest darkest level of a bright video."""

LEAST_WHITE = 0.15
"""Smallest fraction of the pixels of a bright video that are white. No development clip with such a
darkest level has more than 0.09."""

NEW_WHITE = 180.0
"""New level of white in a bright video. The true levels of clipped pixels are unknown; grey is a
smaller error than white."""

BRIGHT_GAMMA = 2.0
"""Gamma of the new levels of a bright video."""

VIVID_LEVEL = 150.0
"""A video is not dark if red, green or blue reaches this level: a deep blue has little luma."""

LEAST_RANGE = 60.0
"""Smallest distance between the darkest and the brightest level of a video with enough contrast."""

MOST_GAIN = 8.0
"""Largest gain of contrast stretching: a larger gain would turn noise into motion."""

STRETCHED_MEAN = 0.4
"""Mean luma, from 0 to 1, to which a gamma lifts a stretched video that is darker."""

LEAST_GAMMA = 0.5
"""Smallest gamma of a stretched video."""


class Brightness(NamedTuple):
    """Levels of a video, from 0 to 255.

    Args:
        low: Darkest level.
        high: Brightest level.
        typical: Median of the pixels that show something; 0 if hardly any do.
        white: Fraction of the pixels that are white.
        color: Brightest level of red, green or blue.
    """

    low: float
    high: float
    typical: float
    white: float
    color: float

    @property
    def dark(self) -> bool:
        """Whether there was too little light."""
        dim = self.high < DIM_HIGH and self.typical < DIM_TYPICAL
        return (self.high < DARK_HIGH or dim) and self.color < VIVID_LEVEL

    @property
    def bright(self) -> bool:
        """Whether there was too much light."""
        return self.low >= BRIGHT_LOW and self.white >= LEAST_WHITE

    @property
    def flat(self) -> bool:
        """Whether there is too little contrast."""
        return self.high - self.low < LEAST_RANGE


def brightness(frames: AnyFrames) -> Brightness:
    """Return the levels of frames (t h w 3)."""
    luma = every(frames, luma_of).ravel()
    shown = int((luma >= SHOWN_LEVEL).sum())
    ends = [int(part * (luma.size - 1)) for part in (DARKEST_QUANTILE, BRIGHTEST_QUANTILE)]
    middle = luma.size - shown + shown // 2 if shown else 0
    low, high, median = np.partition(luma, (*ends, middle))[[*ends, middle]].tolist()
    typical = 0.0 if shown < (1 - BRIGHTEST_QUANTILE) * luma.size else median
    colors = np.stack(
        [frame.of(brightest_of)[::PIXEL_STEP, ::PIXEL_STEP] for frame in shared(frames)]
    )
    color = float(np.quantile(colors, BRIGHTEST_QUANTILE))
    return Brightness(low, high, typical, float((luma >= WHITE_LEVEL).mean()), color)


def new_levels(frames: AnyFrames, found: Brightness) -> NDArray[np.uint8] | None:
    """Return new levels (256): darker ones if a video is bright; more contrast if dark or flat."""
    if found.bright:
        levels = ((np.arange(256.0) - found.low) / max(255 - found.low, 1)).clip(0, 1)
        return np.asarray(NEW_WHITE * levels**BRIGHT_GAMMA).round().astype(np.uint8)
    if not (found.dark or found.flat):
        return None
    span = found.high - found.low
    gain = min(MOST_GAIN, 255 / max(span, 1))
    # The free range is divided between both ends, unless that would make the video lighter.
    base = min(found.low, (255 - gain * span) / 2)

    def stretched(levels: Floats) -> Floats:
        return ((base + gain * (levels - found.low)) / 255).clip(0, 1)

    new = stretched(np.arange(256.0))
    # A gamma below 1 amplifies dark levels further: not where the gain is at its limit.
    gamma = 1.0 if gain == MOST_GAIN else _gamma_of(stretched(every(frames, luma_of)))
    return np.asarray(255 * new**gamma).round().astype(np.uint8)


def _gamma_of(luma: Floats) -> float:
    """Return the gamma that lifts the mean of stretched luma, from 0 to 1, without the black."""
    shown = luma[luma >= SHOWN_LEVEL / 255]
    if len(shown) < (1 - BRIGHTEST_QUANTILE) * luma.size or shown.mean() >= STRETCHED_MEAN:
        return 1.0
    return max(float(np.log(STRETCHED_MEAN) / np.log(shown.mean())), LEAST_GAMMA)
