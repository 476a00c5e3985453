"""Fonts for class names: what does not fit is shortened, what no font has is named."""

import pytest

from fewact.recordings.fonts import check_font, font_of, shortened


def test_ashortened_line_keeps_its_number() -> None:
    font = font_of("wave", 18)
    for width in (100, 200, 300):
        line = shortened("wave" * 20, "  0.88", font, width)
        assert line.endswith("…  0.88")
        assert width - 30 < font.getbbox(line)[2] <= width
    assert shortened("wave", "  0.88", font, 100) == "wave  0.88"


def test_characters_without_a_font_are_named() -> None:
    with pytest.warns(UserWarning, match="\U0010fffd"):
        check_font(["wave \U0010fffd"])
