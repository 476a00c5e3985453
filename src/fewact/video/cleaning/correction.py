"""Correct faults of a recording: black bars, flicker, blur, little or much light, and grain.

Faults are detected from pixels alone, by a wide margin. A good recording is not changed, unless it
shows little before a plain background (see ``fewact.video.cleaning.framing``). All frames of a
video get the same correction, except that flicker is corrected frame by frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import check_shape
from fewact.core.errors import ShapeError
from fewact.video.cleaning.details import find_blur, find_grain, remove_blur, remove_grain
from fewact.video.cleaning.framing import (
    NO_BARS,
    PART_ASPECT,
    Bars,
    CroppedPart,
    cut_out,
    find_bars,
    find_part,
    inside_bars,
)
from fewact.video.cleaning.light import (
    PIXEL_STEP,
    AnyFrames,
    Brightness,
    Floats,
    Frames,
    Measured,
    brightness,
    find_light,
    new_levels,
    remove_flicker,
    stacked,
)
from fewact.video.frame import shared
from fewact.video.resizing import resized


@dataclass(frozen=True)
class Correction:
    """Correction of all frames of a video.

    Args:
        bars: Bars that are cut off.
        light: Median frame whose light all frames get; None if the light does not change.
        blur: Standard deviation of the blur, in pixels; 0 for none.
        levels: New level (256) uint8 of each level; None leaves them.
        grain: Standard deviation of the grain at the new levels; 0 for none.
        before: Levels of the video between the bars, without flicker.
        aspect: Width over height of corrected frames as displayed.
        part: Part of the corrected picture that is cut out; None for all of it.
        still: Whether all frames are copies of one or two, so that they show no movement.
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
        return changed or self.bars != NO_BARS or self.blur > 0 or self.grain > 0

    @property
    def of_each_frame(self) -> object | None:
        """Key of the correction if each frame is corrected alone; None if other frames count."""
        if self.light is not None or self.grain > 0:
            return None
        levels = None if self.levels is None else self.levels.tobytes()
        return self.bars, self.blur, levels, self.part

    def frames(self, frames: Frames) -> Frames:
        """Return corrected frames (t h w 3), in the order of time, of the size of the measured."""
        corrected = self._uncut(frames)
        return corrected if self.part is None else cut_out(corrected, self.part)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the corrected frames' part, in pixels of the video."""
        rows, columns = self.bars
        height, width = size[0] * (1 - sum(rows)), size[1] * (1 - sum(columns))
        if self.part is not None:
            height, width = height * self.part.height, width * self.part.width
        return max(1, round(height)), max(1, round(width))

    def _uncut(self, frames: Frames) -> Frames:
        """Return corrected frames (t h w 3), before a part is cut out."""
        corrected = inside_bars(frames, self.bars)
        if self.light is not None:
            corrected = remove_flicker(corrected, self.light)
        if self.blur:
            corrected = remove_blur(corrected, self.blur)
        if self.bars != NO_BARS:
            corrected = resized(corrected, frames.shape[1:3])
        if self.levels is not None:
            corrected = self.levels[corrected]
        return remove_grain(corrected, self.grain) if self.grain else corrected


def find_correction(frames: AnyFrames, aspect: float | None = None) -> Correction:
    """Return the correction of a video.

    Args:
        frames: Some frames (t h w 3), uint8, RGB.
        aspect: Width over height of the video as displayed; None if the frames have this ratio.
    """
    if isinstance(frames, np.ndarray):
        if frames.dtype != np.uint8:
            raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
        check_shape(frames, "t h w 3", "frames")
    frames = shared(frames)
    bars = rows, columns = find_bars(frames)
    picture = frames if bars == NO_BARS else shared(inside_bars(stacked(frames), bars))
    light = find_light(picture)
    if light is not None:
        picture = shared(remove_flicker(stacked(picture), light))
    found = brightness(picture)
    levels = new_levels(picture, found)
    grain = find_grain(picture if levels is None else levels[stacked(picture)])
    # Noise and steps between few levels would be amplified.
    blur = 0.0 if grain or levels is not None else find_blur(picture)
    height, width = frames[0].image.shape[:2]
    displayed = (aspect or width / height) * (1 - sum(columns)) / (1 - sum(rows))
    uncut = Correction(bars, light, blur, levels, grain, found, displayed, still=_is_still(frames))
    part = find_part(uncut.frames(stacked(frames)) if uncut else frames, displayed)
    return uncut if part is None else replace(uncut, part=part, aspect=PART_ASPECT)


def _is_still(frames: Sequence[Measured]) -> bool:
    """Return whether more than two frames have at most two different contents."""
    changes = (a.of(_sampled) != b.of(_sampled) for a, b in pairwise(frames))
    return len(frames) > 2 and sum(islice(filter(None, changes), 2)) <= 1


def _sampled(frame: Measured) -> bytes:
    return frame.image[::PIXEL_STEP, ::PIXEL_STEP].tobytes()


MOST_WHITE_FRACTION = 0.5
"""Largest fraction of white pixels. No development clip has more."""

LEAST_SIDE = 48
"""Fewest rows or columns of a picture."""

COARSEST_QUANTISER = 40.0
"""Largest quantiser of H.264. No development clip has more than 37. Web video encoded at a constant
rate factor of 45 costs 15 points of accuracy; 74 % of such clips have a larger quantiser."""


LEAST_FPS = 3.0
"""Fewest frames per second. A slower recording misses movements of a second."""


class Fault(NamedTuple):
    """Fault of a recording: what is wrong, as in "clip.mp4: very dark", and what to do."""

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
SLOW = Fault(
    f"fewer than {LEAST_FPS:.0f} pictures a second, which lose the motion",
    "record or export 10 or more a second",
)
SMALL = Fault("very small", f"record at least {LEAST_SIDE} rows and columns, better 240")


def find_faults(
    correction: Correction,
    size: tuple[int, int],
    quantiser: float | None = None,
    fps: float | None = None,
) -> tuple[Fault, ...]:
    """Return the faults of a video of a height and width, the worst first.

    Args:
        correction: Correction of the frames.
        size: Height and width.
        quantiser: Mean quantiser of the file's frames; None if it is not known.
        fps: Frames per second; None if the rate says nothing about the recording.
    """
    levels, compressed = correction.before, is_compressed(quantiser)
    faults = (
        (STILL, correction.still),
        (SLOW, fps is not None and fps < LEAST_FPS),
        (DARK, levels.dark),
        (FLAT, levels.flat and not levels.dark),
        (COMPRESSED, compressed),
        (FLICKERS, correction.light is not None),
        (BLURRED, correction.blur > 0 and not compressed),
        (GRAINY, correction.grain > 0 and not levels.dark),
        (WHITE_OUT, levels.white > MOST_WHITE_FRACTION or levels.bright),
        (SMALL, min(size) < LEAST_SIDE),
    )
    return tuple(fault for fault, holds in faults if holds)


def is_compressed(quantiser: float | None) -> bool:
    """Return whether a file's quantiser is so large that details are lost."""
    return quantiser is not None and quantiser > COARSEST_QUANTISER
