"""Ctrl-C: the first one stops, the second one interrupts; one before the opening is no error."""

import signal
import threading
from pathlib import Path

import pytest

from fewact import FewShotClassifier
from fewact.core.errors import VideoError
from fewact.recordings.interruption import opened, stopped_by_ctrl_c


@pytest.mark.usefixtures("interruptible")
def test_the_first_ctrl_c_stops_and_the_second_one_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stopped_by_ctrl_c() as stop:  # noqa: PT012
        assert not stop.is_set()
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("stopped", "error"), [(True, KeyboardInterrupt), (False, VideoError)])
def test_ctrl_c_before_a_recording_is_open_is_no_error_of_it(
    taught: FewShotClassifier, tmp_path: Path, stopped: bool, error: type[BaseException]
) -> None:
    bad, stop = tmp_path / "bad.mp4", threading.Event()
    bad.write_text("no video")
    if stopped:
        stop.set()
    with pytest.raises(error), opened(taught, str(bad), stop):
        pass


def test_the_spans_are_those_of_the_recording(
    taught: FewShotClassifier, long_recording: Path
) -> None:
    spans = {"another.mp4": []}
    with opened(taught, str(long_recording), threading.Event(), spans) as watch:
        assert sum(1 for _ in watch.moments()) > 50
    with opened(taught, str(long_recording), threading.Event(), {str(long_recording): []}) as watch:
        assert not list(watch.moments())
