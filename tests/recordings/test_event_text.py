"""Events as text: JSON and subtitles that programs can read."""

import json
from pathlib import Path

from fewact.recordings.event_text import counts, events_text
from fewact.recordings.formats import Event

EVENTS = [Event("wave", 1.0, 2.5, 0.9, 3), Event("<b>&", 3.0, 4.0, 0.5), Event("wave", 6.0, 7.0)]


def test_json_has_the_facts_the_counts_and_the_events() -> None:
    document = json.loads(events_text(Path("e.json"), EVENTS, {"source": "a.mp4"}, delay=2.0))
    assert document["source"] == "a.mp4"
    assert document["counts"] == counts(EVENTS) == {"<b>&": 1, "wave": 4}
    assert [(one["start"], one["end"]) for one in document["events"]] == [(1, 2.5), (3, 4), (6, 7)]


def test_subtitles_are_late_with_their_video_and_have_no_tags() -> None:
    web = events_text(Path("e.vtt"), EVENTS, {}, delay=0.5).splitlines()
    assert web[:4] == ["WEBVTT", "", "00:00:01.500 --> 00:00:03.000", "wave × 3"]
    assert "&lt;b&gt;&amp;" in web
    sub = events_text(Path("e.srt"), EVENTS, {}).splitlines()
    assert sub[:3] == ["1", "00:00:01,000 --> 00:00:02,500", "wave × 3"]


def test_other_names_are_those_of_the_formats() -> None:
    assert events_text(Path("e.csv"), EVENTS, {}).startswith("start,end,label")
    assert "WEBVTT" not in events_text(Path("e.activitynet.json"), EVENTS, {})
