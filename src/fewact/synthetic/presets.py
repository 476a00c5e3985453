"""The presets: what is made harder in each."""

from dataclasses import dataclass

from fewact.errors import UnknownNameError, did_you_mean

Range = tuple[float, float]


@dataclass(frozen=True)
class Preset:
    """How videos are drawn, apart from their class.

    Args:
        summary: What is hard about it.
        frames: Least and most frames of a video.
        part: Lengths of a part, as shares of each other; drawn evenly on a log scale.
        edge: Pauses before the first and after the last part, in the same unit.
        gap: Pauses between parts, in the same unit.
        shake: Camera shake, in picture sides.
        pan: How far the camera moves across the video, in picture sides.
        zoom: Doublings or halvings of its scale across the video.
        distractors: Fewest and most objects beside the class's own that move at random.
        bias: Share of videos whose looks are their class's.
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
    "plain": Preset("parts of about the same length, small pauses, a nearly still camera"),
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
    "appearance-biased": Preset("looks and background mostly tell the class", bias=0.8),
    "long": Preset("long videos with long pauses", frames=(64, 512), edge=(0.0, 0.8), gap=(0, 0.5)),
}


def preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if name not in PRESETS:
        raise UnknownNameError(
            "there is no preset of this name",
            where="motions",
            got=repr(name),
            expected=", ".join(PRESETS),
            hint=did_you_mean(str(name), PRESETS),
        )
    return PRESETS[name]
