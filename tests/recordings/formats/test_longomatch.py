"""Projects of LongoMatch: references, milliseconds, players."""

import json
from pathlib import Path

from fewact.recordings.formats import Event, read_events


def test_events_of_the_timeline_have_their_types_and_players(tmp_path: Path) -> None:
    kind = {"$id": "4", "$type": "LongoMatch.Core.Store.AnalysisEventType, X", "Name": "Rebound"}
    file = {"$id": "9", "$type": "LongoMatch.Core.Store.MediaFile, X", "FilePath": "C:\\m\\a.mp4"}
    event = {"$type": "LongoMatch.Core.Store.TimelineEvent, X", "Notes": "", "Rate": 1.0}
    project = {
        "$id": "1",
        "$type": "LongoMatch.Core.Store.Project, LongoMatch.Core",
        "Dashboard": {"List": [{"EventType": kind, "Start": 5000, "Stop": 5000}]},
        "Description": {"FileSet": {"Files": {"Angle1": file, "Angle2": None}}},
        "Players": [{"$id": "7", "Name": "Ann", "LastName": "Lee"}],
        "Timeline": [
            {**event, "EventType": {"$ref": "4"}, "Start": 1500, "Stop": 4250, "Players": []},
            {**event, "EventType": {"$ref": "4"}, "Start": 9000, "Stop": 9500}
            | {"Players": [{"$ref": "7"}]},
            {**event, "EventType": {"$ref": "5"}, "Start": 1, "Stop": 2},
            {**event, "EventType": {"$ref": "4"}, "Start": None, "Stop": 2},
            {**event, "EventType": {"$ref": "4"}, "Start": 1, "Stop": 2, "Players": 0.5},
            {**event, "EventType": {"$ref": "4"}, "Start": 1, "Stop": 2}
            | {"Players": [{"$ref": "8"}]},
        ],
    }
    path = tmp_path / "game.lgm"
    path.write_text(json.dumps(project))
    table = read_events(path)
    assert table.events == [
        Event("Rebound", 1.5, 4.25, recording="C:\\m\\a.mp4"),
        Event("Rebound", 9.0, 9.5, recording="C:\\m\\a.mp4", subject="Ann Lee"),
    ]
    assert [row.split(", ")[1][:7] for row in table.skipped] == [
        f"event {number}" for number in (3, 4, 5, 6)
    ]
