"""Fonts of the computer for class names, which can be in any script."""

from collections.abc import Sequence
from functools import cache, lru_cache

from PIL import ImageFont

from fewact.core.errors import warn

FONTS = (
    "DejaVuSans.ttf",
    "Arial.ttf",
    "arial.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "PingFang.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "YuGothM.ttc",
    "Nirmala.ttc",
)
"""Fonts of Linux, macOS and Windows. The first font with all characters is used."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=8)
def font_of(letters: str, size: int) -> Font:
    """Return the font that has most of the characters, at a size in pixels."""
    fonts = [font for name in FONTS if (font := _installed(name, size)) is not None]
    fonts.append(ImageFont.load_default(size))
    return min(fonts, key=lambda font: len(_missing(font, letters)))


@cache
def _installed(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _missing(font: Font, letters: str) -> str:
    """Return the characters that a font draws as its sign for unknown characters."""
    unknown = bytes(font.getmask("\U0010fffe"))
    return "".join(c for c in letters if not c.isspace() and bytes(font.getmask(c)) == unknown)


def check_font(labels: Sequence[str]) -> None:
    """Warn if no font has all characters of the class names."""
    letters = "".join(sorted(set("".join(labels))))
    font = font_of(letters, 16)
    missing = _missing(font, letters)
    if missing:
        warn(f"no font of this computer has these characters of the class names: {missing}")


def shortened(name: str, suffix: str, font: Font, widest: int) -> str:
    """Return a name and the text after it; the name is shortened to fit the width."""
    text = name + suffix
    for length in range(len(name) - 1, -1, -1):
        if font.getbbox(text)[2] <= widest:
            break
        text = name[:length].rstrip() + "…" + suffix
    return text
