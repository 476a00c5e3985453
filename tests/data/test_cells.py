"""Numbers, times and headers in cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.data.cells import header_line, number, seconds


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_times(hours: int, minutes: int, second: int, thousandths: int) -> None:
    total = 3600 * hours + 60 * minutes + second + thousandths / 1000
    text = f"{hours}:{minutes:02}:{second:02}.{thousandths:03}"
    assert seconds(text) == seconds(text.replace(".", ",")) == pytest.approx(total)
    assert seconds(f"{hours * 60 + minutes}:{second}.{thousandths:03}") == pytest.approx(total)
    assert seconds(str(total)) == total


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "1:60", "1:60:00", "1:2:3:4", "1e3"])
def test_what_is_no_time(text: str) -> None:
    assert seconds(text) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_may_have_a_decimal_comma(value: float) -> None:
    assert number(str(value)) == number(str(value).replace(".", ",")) == value


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1.2.3", "1 000"])
def test_what_is_no_number(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [("", ""), (" \n\t\r\n", ""), ("a,b\nc", "a,b"), ("\n  \r a;b \r\nc", " a;b "), ("a", "a")],
)
def test_the_header_is_the_first_line_with_text(text: str, line: str) -> None:
    assert header_line(text) == line
