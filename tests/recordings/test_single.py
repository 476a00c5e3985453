"""One recording that is watched: what is said at its end."""

from types import SimpleNamespace
from typing import Any

import pytest

from fewact.recordings.single import _hint, _summarise


def test_a_recording_without_events_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    recording = SimpleNamespace(live=False, not_later=0, name="monday.mp4")
    stream = SimpleNamespace(lengths=(2.0, 3.0))
    opened: Any = SimpleNamespace(
        time=10.0, dropped=0, recording=recording, stream=stream, faults=()
    )
    assert "--false-alarms 1" in _hint(opened, None, stopped=False)
    assert _hint(opened, 1.0, stopped=False) == ""
    opened.time = 0.9  # no window was scored, whatever the rate
    assert "half a training clip: `fewact predict`" in _hint(opened, 1.0, stopped=False)
    assert _hint(opened, None, stopped=True) == ""
    _summarise(opened, [], 5.0, " Hint.")
    assert capsys.readouterr().err.startswith("No event was found. Hint.\n")
    opened.faults = ("very dark; record with more light",)
    _summarise(opened, [], 5.0, "")
    assert "Warning: monday.mp4: very dark; record with more light\n" in capsys.readouterr().err
