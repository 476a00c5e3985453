"""A file of NWB is read back by the reference library."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import OutputError
from fewact.recordings.event_text import write_events
from fewact.recordings.formats import Event
from fewact.recordings.formats.losses import losses
from fewact.recordings.formats.nwb import UNKNOWN_START, held, nwb_content
from fewact.video import write_video

pynwb = pytest.importorskip("pynwb", reason='needs pip install "fewact[nwb]"')
pytest.importorskip("ndx_ethogram", reason='needs pip install "fewact[nwb]"')

WAVE = Event("wave", 1.0, 2.5, 0.75, 3, "a.mp4", "anna")
EVENTS = [
    WAVE,
    Event("می\u200cشود", 2.0, 3.0, recording="a.mp4", box=(1, 2, 3, 4), mark="right"),
    Event("nod", 3.5, 3.5, recording="a.mp4", subject="bob"),
]


def read(path: Path) -> tuple[list[Event], Any]:
    """Return the events of a file, and what the reference library says of it."""
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        session = io.read()
        bouts = session.processing["behavior"]["events"]
        facts = {
            "begun": session.session_start_time,
            "method": bouts.labeling_method,
            "video": bouts.source_video and list(bouts.source_video.external_file),
            "times": bouts.source_video and bouts.source_video.timestamps[:],
        }
        points = session.get_events_table("point_events") if session.events else None
        rows = [*bouts.to_dataframe().to_dict("records")]
        rows += [] if points is None else points.to_dataframe().to_dict("records")
    events = []
    for row in rows:
        start = row.get("start_time", row.get("timestamp"))
        confidence = row.get("confidence", np.nan)
        events.append(
            Event(
                row["label"],
                float(start),
                float(row.get("stop_time", start)),
                None if np.isnan(confidence) else confidence,
                int(row.get("repetitions", 1)),
                "a.mp4",
                row.get("subject", ""),
            )
        )
    return events, facts


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", np.zeros((64, 48, 64, 3), np.uint8), 16)
    path = tmp_path / "e.nwb"
    write_events(path, EVENTS, {})
    events, facts = read(path)
    assert losses(held(EVENTS), events) == []
    assert [sentence.partition(":")[0] for sentence in losses(EVENTS, held(EVENTS))] == [
        "box",
        "mark",
    ]
    assert (facts["begun"], facts["method"]) == (UNKNOWN_START, "automated")
    assert facts["video"] == [video.name]
    assert facts["times"] == pytest.approx(np.arange(64) / 16)
    assert pynwb.validate(path=str(path)) == []


def test_the_start_is_that_of_the_clock_and_a_person_scores_without_confidence(
    tmp_path: Path,
) -> None:
    event = replace(WAVE, confidence=None, clock="2026-05-01T10:00:01.000+00:00")
    path = tmp_path / "e.nwb"
    path.write_bytes(nwb_content([event], tmp_path))
    events, facts = read(path)
    assert losses(held([event]), events) == []
    assert facts["begun"] == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert (facts["method"], facts["video"]) == ("manual", None)


def test_several_recordings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        nwb_content([WAVE, replace(WAVE, recording="b.mp4")], tmp_path)
