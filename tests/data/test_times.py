"""Times in cells: every way of writing one, and what may be meant in two ways."""

import pytest

from fewact.data.times import TimeCells, TimeFault, is_missing, looks_like_time


@pytest.mark.parametrize(
    ("text", "unit", "time"),
    [
        ("12.5", "", 12.5),
        ("12,5", "", 12.5),
        ("1e-05", "", 1e-05),
        ("12600", "ms", 12.6),
        ("0.5", "min", 30.0),
        ("0:12.6", "", 12.6),
        ("0:00:12,600", "", 12.6),
        ("1:02:03", "ms", 3723.0),  # a clock is a clock, whatever the column says
        ("00:00:02:035", "", 2.035),
        ("00:00:12:15", "", 12.6),
        ("350 ms", "", 0.35),
        ("1m 30s", "", 90.0),
        ("1.234,5", "", 1234.5),
    ],
)
def test_times(text: str, unit: str, time: float) -> None:
    assert TimeCells().seconds(text, unit, lambda: 25.0) == pytest.approx(time, abs=1e-12)
    assert looks_like_time(text)


def test_a_timecode_that_leaves_out_frames_is_the_time_that_passed() -> None:
    # At 29.97 frames a second, 00:10:00;00 is frame 17982: SMPTE 12M.
    rate = 30000 / 1001
    assert TimeCells().seconds("00:10:00;00", "", lambda: rate) == pytest.approx(17982 / rate)
    assert TimeCells().seconds("00:01:00;02", "", lambda: rate) == pytest.approx(1800 / rate)
    assert TimeCells().seconds("00:10:00:00", "", lambda: rate) == pytest.approx(18000 / rate)


@pytest.mark.parametrize(
    "text",
    ["soon", "nan", "inf", "1:60", "1:60:00", "1_0", "0x10", "9" * 400, "4 parsecs", "=A1"],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(TimeFault):
        TimeCells().seconds(text, "", lambda: 25.0)


def test_a_timecode_needs_a_rate_that_has_its_frame() -> None:
    for rate in (0.0, 15.0):
        with pytest.raises(TimeFault):
            TimeCells().seconds("00:00:12:15", "", lambda rate=rate: rate)


@pytest.mark.parametrize(
    ("cells", "comma"),
    [
        (["1,5", "12,25"], "decimal"),
        (["0,500", "1,234"], "decimal"),
        (["1,234.5", "2,000"], "thousands"),
        (["12,345,678"], "thousands"),
        (["0:01,250", "3"], "decimal"),
        (["1.234,5", "2,5"], "decimal"),
    ],
)
def test_what_a_comma_means(cells: list[str], comma: str) -> None:
    assert TimeCells.of(cells).comma == comma


@pytest.mark.parametrize(
    "cells", [["1,234"], ["1,234", "12,000"], ["1,5", "1,234.5"], ["1,5", "1.234"]]
)
def test_a_comma_that_may_mean_two_things_is_refused(cells: list[str]) -> None:
    with pytest.raises(TimeFault):
        TimeCells.of(cells)


def test_cells_without_a_value() -> None:
    assert all(map(is_missing, ("", "NA", "not found", "NaN", "-")))
    assert not any(map(is_missing, ("0", "soon", "none of it")))
    assert not any(map(looks_like_time, ("", "wave", "a.mp4", "2026-01-02", "1,2,3")))
