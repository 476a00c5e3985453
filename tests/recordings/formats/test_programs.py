"""Tables of programs: after files that they wrote, or after their documentation."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import Event, EventTable, read_events

OBSERVER = (
    '"Date_Time_Absolute_dmy_hmsf","Time_Relative_sf","Duration_sf","Observation","Event_Log",'
    '"Subject","Behavior","Modifier_1","Event_Type","Comment"\n'
)


def read(folder: Path, name: str, text: str, **options: object) -> EventTable:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return read_events(path, EventOptions(**options))  # type: ignore[arg-type]


def test_dlcanalyzer(tmp_path: Path) -> None:
    text = (
        '"file";"Experimenter";"from";"to";"type";"ID";"DLCFile"\n'
        '"O_1_a.csv";"anna";2.627;3.762;"Grooming";"O_1";"1DeepCut.csv"\n'
        '"O_1_b.csv";"bob";2.7;3.8;"Grooming";"O_1";"1DeepCut.csv"\n'
        '"O_1_a.csv";"anna";4.5;5;NA;"O_1";"1DeepCut.csv"\n'
    )
    with pytest.raises(DataError):
        read(tmp_path, "t.csv", text)
    table = read(tmp_path, "t.csv", text, rater="anna")
    assert table.events == [Event("Grooming", 2.627, 3.762, recording="O_1")]
    assert len(table.skipped) == 1


def test_longomatch(tmp_path: Path) -> None:
    text = (
        "Name;Team;Player;Start;Stop;Notes\n"
        "free kick 1;Home;Ada;0:00:04.000;0:00:07.600;\nfree kick 12;Away;;0:01:12.6;0:01:16.6;x\n"
    )
    assert read(tmp_path, "t.csv", text).events == [
        Event("free kick", 4.0, 7.6, subject="Ada"),
        Event("free kick", 72.6, 76.6),
    ]


def test_dartfish(tmp_path: Path) -> None:
    text = "Name,Position,Duration,Court\nserve,4000,3599,left\nserve,0:01:00.5,2000,left\n"
    table = read(tmp_path, "t.csv", text)
    assert table.events == [Event("serve", 4.0, 7.599), Event("serve", 60.5, 62.5)]
    assert any("Court" in note for note in table.notes)


@pytest.mark.parametrize("suffix", ["sf", "hmsf", "hms"])
def test_the_observer(tmp_path: Path, suffix: str) -> None:
    def time(seconds: float) -> str:
        return f"{seconds}" if suffix == "sf" else f"00:00:{seconds:05.2f}"

    rows = "".join(
        f'"x","{time(at)}","{long}","monday","log","M1","{what}","","{status}",""\n'
        for at, long, what, status in [
            (4.0, "3.60", "walk", "State start"),
            (5.0, "", "nod", "Point"),
            (7.6, "", "walk", "State stop"),
            (9.0, "2.5", "run", "State start"),
            (20.0, "", "run", "pause"),
        ]
    )
    header = OBSERVER.replace("Time_Relative_sf", f"Time_Relative_{suffix}")
    table = read(tmp_path, "t.csv", header + rows)
    assert sorted(table.events, key=lambda event: event.start) == [
        Event("walk", 4.0, 7.6, recording="monday", subject="M1"),
        Event("nod", 5.0, 5.0, recording="monday", subject="M1"),
        Event("run", 9.0, 11.5, recording="monday", subject="M1"),
    ]
    assert len(table.skipped) == 1


def test_jwatcher(tmp_path: Path) -> None:
    text = (
        "FirstLineOfData=6\n# Name: a.dat\nFocalMasterFile=a.fmf\nStartTime=1480211846000\n"
        "StopTime=1480211888800\n#BEGIN DATA\n3300, s\n9900, w\nsoon, w\n24475, EOF\n"
    )
    table = read(tmp_path, "a.dat", text)
    assert table.events == [Event("s", 3.3, 3.3), Event("w", 9.9, 9.9)]
    assert [named.split(", ")[1].split(":")[0] for named in table.skipped] == ["line 9"]
    with pytest.raises(DataError) as caught:
        read(tmp_path, "a.dat", text.replace("StartTime", "TimeScale"))
    assert caught.value.got == "TimeScale"


def test_a_column_of_a_program_that_looks_like_a_time_is_refused(tmp_path: Path) -> None:
    text = "Name,Position,Duration,Second clock\nserve,4000,3599,7\n"
    with pytest.raises(DataError) as caught:
        read(tmp_path, "t.csv", text)
    assert "Second clock" in caught.value.what
