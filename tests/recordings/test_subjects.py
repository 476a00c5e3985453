"""Each of several subjects in a recording is watched as a recording of its own."""

from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.recordings.watch import watching
from fewact.video import write_video
from tests.recordings.two_people import FPS, HALVES, TAUGHT, beside, frames_of


@pytest.mark.slow
def test_events_of_a_recording_have_their_subject_and_box(
    people: FewShotClassifier, assets: Path, tmp_path: Path
) -> None:
    order = [(0, 1), (2, 0), (1, 2), (0, 2), (2, 1), (1, 0)]
    parts = [
        beside(frames_of(assets, TAUGHT[a], 5, 1), frames_of(assets, TAUGHT[b], 6, 1))
        for a, b in order
    ]
    video = write_video(tmp_path / "two.mp4", iter(np.concatenate(parts)), FPS)
    with watching(people, video, regions=True) as opened:
        events = [*opened.events()]
    assert {event.subject for event in events} == {"1", "2"}
    sides = {(e.subject, e.box[0] + e.box[2] / 2 > HALVES[1]) for e in events if e.box}
    assert len(sides) == 2
    assert all(event.box for event in events)
