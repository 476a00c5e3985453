"""Faults of a recording that its author can avoid: too little light, little contrast, blur, ..."""

from typing import NamedTuple

from fewact.video.cleaning.correction import Correction

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
    found = (
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
    return tuple(fault for fault, holds in found if holds)


def is_compressed(quantiser: float | None) -> bool:
    """Return whether a file stores its frames so coarsely that details are gone."""
    return quantiser is not None and quantiser > COARSEST
