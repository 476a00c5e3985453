"""Presets of the synthetic benchmark, each with one difficulty."""

from dataclasses import dataclass

from fewact.core.errors import UnknownNameError, did_you_mean

Range = tuple[float, float]


@dataclass(frozen=True)
class Preset:
    """Distribution of videos, apart from their class.

    Args:
        summary: Difficulty, in words.
        frames: Range of the number of frames.
        part: Range of the relative lengths of parts, drawn uniformly on a log scale.
        edge: Range of the pauses before the first and after the last part, in the same unit.
        gap: Range of the pauses between parts, in the same unit.
        shake: Range of camera shake, in frame sides.
        pan: Range of the camera's path over the video, in frame sides.
        zoom: Range of the zoom over the video, in powers of two.
        distractors: Range of the number of further objects that move at random.
        bias: Fraction of videos with the appearance of their class.
    """

    summary: str
    frames: tuple[int, int] = (24, 48)
    part: Range = (0.8, 1.25)
    edge: Range = (0.0, 0.3)
    gap: Range = (0.0, 0.2)
    shake: Range = (0.0, 0.004)
    pan: Range = (0.0, 0.0)
    zoom: Range = (0.0, 0.0)
    distractors: tuple[int, int] = (0, 0)
    bias: float = 0.0


PRESETS = {
    "plain": Preset("parts of about the same length, small pauses, an almost static camera"),
    "misaligned": Preset(
        "starts, lengths and pauses vary strongly",
        part=(0.35, 2.2),
        edge=(0.0, 1.6),
        gap=(0.0, 0.9),
    ),
    "moving-camera": Preset(
        "the camera pans, zooms and shakes", shake=(0.0, 0.02), pan=(0.04, 0.14), zoom=(-0.2, 0.2)
    ),
    "distractors": Preset("one or two more objects move at random", distractors=(1, 2)),
    "appearance-biased": Preset("appearance and background mostly identify the class", bias=0.8),
    "long": Preset("long videos with long pauses", frames=(64, 512), edge=(0.0, 0.8), gap=(0, 0.5)),
}


def preset(name: str) -> Preset:
    """Return a preset by name."""
    if name not in PRESETS:
        raise UnknownNameError(
            "unknown preset",
            where="motions",
            got=repr(name),
            expected=", ".join(PRESETS),
            hint=did_you_mean(str(name), PRESETS),
        )
    return PRESETS[name]
