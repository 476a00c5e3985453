"""Correct faults of a recording: black bars, flicker, blur, little or much light, and grain.

All are found in the pixels alone, by a wide margin: frames of a good recording are not changed at
all, unless they show little before a plain background (see ``fewact.video.camera.framing``). All
frames of a video get the same correction, but for the flicker of their light.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ShapeError
from fewact.core.shapes import check_shape
from fewact.video.camera.framing import ASPECT, CroppedPart, cut_out, find_part, resized
from fewact.video.camera.measured import STEP, Floats, Frames, luma_of
from fewact.video.cleaning.blur import find_blur, remove_blur
from fewact.video.cleaning.flicker import find_light, remove_flicker
from fewact.video.cleaning.grain import find_grain, remove_grain

LOWEST, HIGHEST = 0.01, 0.995
"""Fractions of the pixels below the darkest and the brightest level: a few pixels do not count."""

SHOWN, WHITE = 16.0, 250.0
"""Levels from which a pixel shows something, the surroundings of a depth video being black, and
from which it is white."""

DARK_HIGH, DIM_HIGH, DIM_TYPICAL = 80.0, 100.0, 50.0
"""A video is dark if its brightest level is below the first, or below the second while the median
of what it shows is below the third. Of all development clips none has such levels: the least are
86, and 59 where the brightest level is below 100."""

LIFTED, LEAST_WHITE = 25.0, 0.15
"""A video is bright if its darkest level is at least the first, and at least the second fraction of
its pixels is white. Of all development clips with such a darkest level none has more than 0.09."""

NEW_WHITE, BRIGHT_GAMMA = 180.0, 2.0
"""New level of white in a bright video, and gamma of its levels. What was cut off at white was of
any lighter level: as a grey it is less wrong."""

VIVID = 150.0
"""Level of a color from which a video is not dark: a deep blue has little luma."""

LEAST_RANGE = 60.0
"""Smallest distance of the darkest and the brightest level of a video with enough contrast."""

MOST_GAIN = 8.0
"""Largest factor of a stretch: beyond it, noise would become the motion."""

MIDDLE, LEAST_GAMMA = 0.4, 0.5
"""Mean of what a stretched video shows, from 0 to 1, that a gamma is chosen for if it is darker,
and the smallest gamma."""

BLACK, CONTENT = 24, 32
"""Levels that a bar does not exceed, and that the picture beside it does."""

LEAST_BAR, MOST_BARS, UNEQUAL = 0.04, 0.8, 0.02
"""A bar has at least the first fraction of the rows, both together at most the second, and they
differ by at most the third."""

STRAIGHT = 0.5
"""Fraction of the columns that show something right beside a bar: the edge of a picture is
straight, that of a person before a black background is not."""


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
        return (self.high < DARK_HIGH or dim) and self.color < VIVID

    @property
    def bright(self) -> bool:
        """Whether there was too much light."""
        return self.low >= LIFTED and self.white >= LEAST_WHITE

    @property
    def flat(self) -> bool:
        """Whether there is too little contrast."""
        return self.high - self.low < LEAST_RANGE


class Bars(NamedTuple):
    """Black bars, in fractions of the height or width.

    Args:
        rows: Bar at the top, and at the bottom.
        columns: Bar at the left, and at the right.
    """

    rows: tuple[float, float] = (0.0, 0.0)
    columns: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Correction:
    """Correction of all frames of a video.

    Args:
        bars: Bars that are cut off.
        light: Median frame whose light all frames get (``flicker.py``); None if the light does not
            change.
        blur: Standard deviation of the blur, in pixels; 0 for none.
        levels: New level (256) uint8 of each level; None leaves them.
        grain: Standard deviation of the grain at the new levels; 0 for none.
        before: Levels of the video between the bars, without flicker.
        aspect: Width over height of corrected frames as displayed.
        part: Part of the corrected picture that is cut out; None for all of it.
        still: Whether the frames are copies of one or two, which show no movement.
    """

    bars: Bars
    light: Floats | None
    blur: float
    levels: NDArray[np.uint8] | None
    grain: float
    before: Brightness
    aspect: float
    part: CroppedPart | None = None
    still: bool = False

    def __bool__(self) -> bool:
        changes = (self.light, self.levels, self.part)
        changed = any(change is not None for change in changes)
        return changed or self.bars != Bars() or self.blur > 0 or self.grain > 0

    def frames(self, frames: Frames) -> Frames:
        """Return corrected frames (t h w 3) of the same size, uint8.

        Args:
            frames: Frames in the order of time, of the size of those that it was found in.
        """
        corrected = self._uncut(frames)
        return corrected if self.part is None else cut_out(corrected, self.part)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width of what corrected frames show, in pixels of the video.

        Args:
            size: Height and width of the video as displayed.
        """
        rows, columns = self.bars
        height, width = size[0] * (1 - sum(rows)), size[1] * (1 - sum(columns))
        if self.part is not None:
            height, width = height * self.part.height, width * self.part.width
        return max(1, round(height)), max(1, round(width))

    def _uncut(self, frames: Frames) -> Frames:
        """Return corrected frames (t h w 3), before a part is cut out."""
        corrected = _inside(frames, self.bars)
        if self.light is not None:
            corrected = remove_flicker(corrected, self.light)
        if self.blur:
            corrected = remove_blur(corrected, self.blur)
        if self.bars != Bars():
            corrected = resized(corrected, frames.shape[1:3])
        if self.levels is not None:
            corrected = self.levels[corrected]
        return remove_grain(corrected, self.grain) if self.grain else corrected


def find_correction(frames: Frames, aspect: float | None = None) -> Correction:
    """Return the correction of a video.

    Args:
        frames: Some frames (t h w 3) of it, uint8, RGB.
        aspect: Width over height of the video as displayed; None for that of the frames.
    """
    if frames.dtype != np.uint8:
        raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
    check_shape(frames, "t h w 3", "frames")
    bars = _find_bars(frames)
    picture = _inside(frames, bars)
    light = find_light(picture)
    if light is not None:
        picture = remove_flicker(picture, light)
    measured = brightness(picture)
    levels = _new_levels(picture, measured)
    grain = find_grain(picture if levels is None else levels[picture])
    # Noise and steps between few levels would be amplified.
    blur = 0.0 if grain or levels is not None else find_blur(picture)
    height, width = frames.shape[1:3]
    displayed = (aspect or width / height) * (1 - sum(bars.columns)) / (1 - sum(bars.rows))
    uncut = Correction(
        bars, light, blur, levels, grain, measured, displayed, still=_is_still(frames)
    )
    part = find_part(uncut.frames(frames), displayed)
    return uncut if part is None else replace(uncut, part=part, aspect=ASPECT)


def _is_still(frames: Frames) -> bool:
    """Return whether there are several frames (t h w 3), but at most two that differ."""
    sampled = frames[:, ::STEP, ::STEP]
    changes = (sampled[1:] != sampled[:-1]).any((1, 2, 3))
    return len(frames) > 2 and int(changes.sum()) <= 1


def brightness(frames: Frames) -> Brightness:
    """Return the levels of frames (t h w 3)."""
    luma = luma_of(frames).ravel()
    shown = int((luma >= SHOWN).sum())
    ends = [int(part * (luma.size - 1)) for part in (LOWEST, HIGHEST)]
    middle = luma.size - shown + shown // 2 if shown else 0
    low, high, median = np.partition(luma, (*ends, middle))[[*ends, middle]].tolist()
    typical = 0.0 if shown < (1 - HIGHEST) * luma.size else median
    color = float(np.quantile(_brightest_color(frames[:, ::STEP, ::STEP]), HIGHEST))
    return Brightness(low, high, typical, float((luma >= WHITE).mean()), color)


def _brightest_color(frames: Frames) -> NDArray[np.uint8]:
    """Return the largest of red, green and blue: (… 3) → (…)."""
    return np.maximum(np.maximum(frames[..., 0], frames[..., 1]), frames[..., 2])


def _new_levels(frames: Frames, measured: Brightness) -> NDArray[np.uint8] | None:
    """Return new levels: darker ones if it is bright; if dark or flat, more contrast."""
    if measured.bright:
        levels = ((np.arange(256.0) - measured.low) / max(255 - measured.low, 1)).clip(0, 1)
        return np.asarray(NEW_WHITE * levels**BRIGHT_GAMMA).round().astype(np.uint8)
    if not (measured.dark or measured.flat):
        return None
    span = measured.high - measured.low
    gain = min(MOST_GAIN, 255 / max(span, 1))
    # What the limit of the gain leaves free is free at both ends, unless that made it lighter.
    base = min(measured.low, (255 - gain * span) / 2)

    def stretched(levels: Floats) -> Floats:
        return ((base + gain * (levels - measured.low)) / 255).clip(0, 1)

    new = stretched(np.arange(256.0))
    # A gamma stretches dark levels further: where the gain is at its limit, that would exceed it.
    gamma = 1.0 if gain == MOST_GAIN else _gamma_of(stretched(luma_of(frames)))
    return np.asarray(255 * new**gamma).round().astype(np.uint8)


def _gamma_of(luma: Floats) -> float:
    """Return the gamma that lifts the mean of what stretched luma, from 0 to 1, shows."""
    shown = luma[luma >= SHOWN / 255]
    if len(shown) < (1 - HIGHEST) * luma.size or shown.mean() >= MIDDLE:
        return 1.0
    return max(float(np.log(MIDDLE) / np.log(shown.mean())), LEAST_GAMMA)


def _find_bars(frames: Frames) -> Bars:
    brightest = _brightest_color(frames.max(0))  # (h w)
    top, bottom = _ends(brightest)
    height, width = brightest.shape
    first_column, right = _ends(brightest[top : height - bottom].T)
    return Bars((top / height, bottom / height), (first_column / width, right / width))


def _ends(brightest: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the number of first and of last rows that are bars; 0 and 0 if they are none."""
    height = len(brightest)
    shows = np.flatnonzero((brightest > BLACK).any(1))
    if not len(shows):
        return 0, 0
    first, last = int(shows[0]), height - 1 - int(shows[-1])
    bars = (
        min(first, last) >= LEAST_BAR * height
        and first + last <= MOST_BARS * height
        and abs(first - last) <= UNEQUAL * height
    )
    # The outermost row may be a mixture of bar and picture.
    edges = brightest[[min(first + 1, height - 1), max(height - 2 - last, 0)]]
    straight = bars and ((edges > CONTENT).mean(1) >= STRAIGHT).all()
    return (first, last) if straight else (0, 0)


def _inside(frames: Frames, bars: Bars) -> Frames:
    height, width = frames.shape[1:3]
    (top, bottom), (first_column, right) = bars
    rows = slice(round(top * height), height - round(bottom * height))
    return frames[:, rows, round(first_column * width) : width - round(right * width)]


MOST_WHITE = 0.5
"""Largest fraction of white pixels. Of the development clips none has more."""

LEAST_HEIGHT = 48
"""Fewest rows or columns of a picture."""


COARSEST = 40.0
"""Largest quantiser of H.264. Of the development clips none has more than 37. Of those of web video
that are encoded at a constant rate factor of 45, which costs 15 points, 74 in 100 have more."""


class Fault(NamedTuple):
    """Fault of a recording.

    Args:
        name: What is wrong, as in "clip.mp4: very dark".
        advice: What to do.
    """

    name: str
    advice: str

    def __str__(self) -> str:
        return f"{self.name}; {self.advice}"


DARK = Fault("very dark", "record with more light")
FLAT = Fault("hardly any contrast", "clean the lens, and avoid mist and light from behind")
GRAINY = Fault("grainy", "record with more light")
BLURRED = Fault("blurred", "clean the lens, and focus on the person")
FLICKERS = Fault("the light flickers", "fix the exposure, or record by daylight")
WHITE_OUT = Fault("overexposed", "record with less light, or a shorter exposure")
COMPRESSED = Fault("compressed too much", "record, export or send it at a higher bit rate")
STILL = Fault("only one or two pictures", "record the full movement")
SMALL = Fault("very small", f"record at least {LEAST_HEIGHT} rows and columns, better 240")


def find_faults(
    correction: Correction, size: tuple[int, int], quantiser: float | None = None
) -> tuple[Fault, ...]:
    """Return the faults of a video, the worst first.

    Args:
        correction: What was found in its frames.
        size: Height and width of its frames.
        quantiser: How coarsely its file stores them; None if that is not known.
    """
    levels, compressed = correction.before, is_compressed(quantiser)
    faults = (
        (STILL, correction.still),
        (DARK, levels.dark),
        (FLAT, levels.flat and not levels.dark),
        (COMPRESSED, compressed),
        (FLICKERS, correction.light is not None),
        (BLURRED, correction.blur > 0 and not compressed),
        (GRAINY, correction.grain > 0 and not levels.dark),
        (WHITE_OUT, levels.white > MOST_WHITE or levels.bright),
        (SMALL, min(size) < LEAST_HEIGHT),
    )
    return tuple(fault for fault, holds in faults if holds)


def is_compressed(quantiser: float | None) -> bool:
    """Return whether a file stores its frames so coarsely that details are gone."""
    return quantiser is not None and quantiser > COARSEST
