"""Events of other programs: what is written is read back equal, and what is unusable is named."""

import json
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError, OutputError
from fewact.data import Clip, event_clips, read_table
from fewact.recordings.formats import Event, events_text, is_event_file, read_events
from fewact.video import write_video

WAVE = Event("wave", 1.25, 2.5, recording="a b.mp4", frames=(10, 20), subject="rat; 1")
CLAP = Event("clap & <rest>", 2.0, 3.75, recording="é/b.mp4", subject="rat 2")
LATER = Event("wave", 2.5, 4.0, recording="a b.mp4", subject="rat; 1", frames=(20, 32))
DETECTED = Event("wave", 65.125, 70.5, 0.875, 3, "a b.mp4", clock="2026-05-01T12:00:00+02:00")


def written(name: str, events: list[Event], folder: Path) -> list[Event]:
    path = folder / name
    path.write_text(events_text(path, events), newline="")
    table = read_events(path)
    assert table.skipped == ()
    return sorted(table.events, key=lambda event: (event.recording, event.start))


def bare(event: Event) -> Event:
    return Event(event.label, event.start, event.end, recording=event.recording)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    (tmp_path / "é").mkdir()
    for name in ("a b.mp4", "é/b.mp4"):
        write_video(tmp_path / name, np.zeros((80, 48, 64, 3), np.uint8), 8)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "events", "kept"),
    [
        ("e.csv", [WAVE, LATER, DETECTED, CLAP], lambda event: event),
        ("e.boris", [WAVE, LATER, CLAP], lambda event: event),
        ("e.eaf", [WAVE, LATER], lambda event: replace(event, frames=None)),
        ("e.eaf", [replace(WAVE, recording="a\udcff%.mp4", frames=None)], lambda event: event),
        ("e.xml", [WAVE, LATER, CLAP], lambda event: replace(event, frames=None)),
        ("e.via.csv", [WAVE, LATER, CLAP], bare),
        ("e.createml.csv", [WAVE, LATER, CLAP], bare),
        ("e.createml.json", [WAVE, LATER, CLAP], bare),
        ("e.activitynet.json", [WAVE, LATER, CLAP], bare),
        ("e.activitynet.json", [DETECTED], lambda e: replace(bare(e), confidence=0.875)),
        ("e.labelstudio.json", [WAVE, LATER, CLAP], bare),
    ],
)
def test_what_is_written_is_read_back_equal(
    videos: Path, name: str, events: list[Event], kept: object
) -> None:
    assert callable(kept)
    assert written(name, events, videos) == [kept(event) for event in events]


def test_a_document_of_elan_has_one_recording_and_tiers_without_overlap(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="one recording"):
        events_text(tmp_path / "e.eaf", [WAVE, CLAP])
    overlapping = replace(WAVE, start=2.0, end=5.0, frames=None)
    events = [replace(WAVE, frames=None), overlapping]
    text = events_text(tmp_path / "e.eaf", events)
    assert text.count("<TIER ") == 2
    assert written("e.eaf", events, tmp_path) == events


def test_a_state_of_boris_is_on_or_off(tmp_path: Path) -> None:
    times = [(1.0, 2.5), (2.0, 5.0), (3.0, 4.0), (5.0, 6.0)]
    events = [replace(WAVE, start=a, end=b, frames=None) for a, b in times]
    other = replace(events[1], subject="another")
    read = written("e.boris", [*events, other], tmp_path)
    assert [
        (e.start, e.end, e.subject) for e in sorted(read, key=lambda e: e.subject != "another")
    ] == [
        (2.0, 5.0, "another"),
        (1.0, 5.0, WAVE.subject),
        (5.0, 6.0, WAVE.subject),
    ]


def test_a_document_of_elan_is_read_by_pympi(tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi")
    events = [replace(WAVE, frames=None), replace(WAVE, label="a & <b>", start=7.0, end=8.5)]
    path = tmp_path / "e.eaf"
    path.write_text(events_text(path, events), encoding="utf-8")
    document = pympi.Eaf(str(path))
    found = {t: document.get_annotation_data_for_tier(t) for t in document.get_tier_names()}
    assert sorted(found.values()) == [
        [(round(1000 * e.start), round(1000 * e.end), e.label)] for e in events
    ]


def test_a_workbook_of_excel_is_read_as_it_is_shown(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book, path = openpyxl.Workbook(), tmp_path / "scored.XLSX"
    rows = [["File name", "Behaviour", "Start", "Stop"], ["a.mp4", "wave", 1.5, 3], [None] * 4]
    rows += [["a.mp4", "wave", time(1, 2), timedelta(minutes=62.5)], ["a.mp4", "nod", 5, None]]
    for row in rows:
        book.active.append(row)
    book.active["C4"].number_format = "h:mm"  # 1:02 was typed
    book.active["D4"].number_format = "[h]:mm:ss"
    book.save(path)
    table = read_events(path)
    times = [(1.5, 3.0), (62.0, 3750.0), (5.0, 5.0)]
    assert [(e.start, e.end) for e in table.events] == times
    assert table.events[-1].is_point
    assert table.skipped == ()
    path.write_bytes(b"PK no workbook")
    with pytest.raises(DataError, match="not a workbook"):
        read_events(path)


AGGREGATED = (
    "Observation id\tSource\tTime offset (s)\tMedia duration (s)\tSubject\tBehavior\t"
    "Behavior type\tStart (s)\tStop (s)\tMedia file name\tImage index start\tImage index stop\n"
)
TABULAR = (
    "Observation id,Source,Time offset (s),Media duration (s),Subject,Behavior,Modifier #1,"
    "Behavior type,Time,Media file name,Image index\n"
)
VIA = (
    '# ATTRIBUTE = {"1":{"aname":"x","options":{"0":"wave"}}}\n'
    "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n"
)
ELAN = (
    '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MIME_TYPE='
    '"video/mp4" MEDIA_URL="file:///C:/x/a%20b.mp4" TIME_ORIGIN="500"/></HEADER><TIME_ORDER>'
    '<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="750"/><TIME_SLOT TIME_SLOT_ID="ts2"/>'
    '<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="2000"/></TIME_ORDER><TIER TIER_ID="wave">'
    '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" '
    'TIME_SLOT_REF2="ts3"><ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION><ANNOTATION>'
    '<ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">'
    "<ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"
)


def project(*events: list[object], **observation: object) -> str:
    """A project of BORIS with one observation."""
    types = {"wave": "State event", "nod": "Point event"}
    content = {
        "file": {"1": ["a.mp4", "b.mp4"]},
        "type": "MEDIA",
        "time offset": 100.0,
        "events": list(events),
        "media_info": {"length": {"a.mp4": 10.0, "b.mp4": 10.0}},
    }
    ethogram = {str(i): {"code": c, "type": t} for i, (c, t) in enumerate(types.items())}
    observations = {"o": content | observation}
    return json.dumps({"behaviors_conf": ethogram, "observations": observations})


@pytest.mark.parametrize(
    ("name", "text", "events", "skipped"),
    [
        (
            "people.csv",
            "\ufeffFile_Name;Behavior;Start;Stop;Probability\r\na.mp4;wave;0:01,25;0:01:02,5;0,5\r\n"
            "a.mp4;;1;2;\r\na.mp4;wave;3;2;\r\na.mp4;wave;3;3;\r\na.mp4;wave;3;;\r\n"
            "a.mp4;wave;soon;4;\r\n",
            [
                Event("wave", 1.25, 62.5, 0.5, recording="a.mp4"),
                Event("wave", 3.0, 3.0, recording="a.mp4"),
                Event("wave", 3.0, 3.0, recording="a.mp4"),
            ],
            {3: "no class", 4: "before it starts", 7: "no time: 'soon'"},
        ),
        (
            "odd.csv",
            "video,label,start,end,repetitions,confidence,first_frame,last_frame\n"
            "a.mp4,wave,1,2,2.0,,,,,\na.mp4,wave,1,2,,nan,,\na.mp4,wave,1,2,-3,,,\n"
            f"a.mp4,wave,3,4,,,{'9' * 5000},1\n",
            [
                Event("wave", 1.0, 2.0, repetitions=2, recording="a.mp4"),
                Event("wave", 3.0, 4.0, recording="a.mp4"),
            ],
            {3: "confidence is no number: 'nan'", 4: "repetitions is no number: '-3'"},
        ),
        (
            "decimal.csv",
            "video,label,start,end\na.mp4,wave,1,5,2,5\n",
            [],
            {2: "6 cells in 4 columns"},
        ),
        (
            "decimal.boris.csv",
            "Observation id,Media file name,Behavior,Start (s),Stop (s)\no,a.mp4,wave,1,5,2,5\n",
            [],
            {2: "7 cells in 5 columns"},
        ),
        (
            "metadata.csv",
            "file_name,label\na.mp4,wave\n",
            [Event("wave", 0.0, float("inf"), recording="a.mp4")],
            {},
        ),
        ("list.txt", "x/a b.mp4 0\n", [Event("0", 0.0, float("inf"), recording="x/a b.mp4")], {}),
        ("list.txt", "a b.mp4\t0\n", [Event("0", 0.0, float("inf"), recording="a b.mp4")], {}),
        (
            "aggregated.tsv",
            AGGREGATED
            + "".join(
                f"o\tplayer #1:a.mp4;b.mp4\t100\t10.000;10.000\t{row}\n".replace(" ", "\t")
                for row in [
                    "- wave STATE 101 102 a.mp4 25 50",
                    "rat wave STATE 112 113,5 b.mp4 NA NA",
                    "rat wave STATE 109 112 a.mp4 NA NA",
                    "rat nod POINT 112 112 b.mp4 NA NA",
                ]
            )
            .replace("player\t#1", "player #1")
            .replace("-\twave", "No focal subject\twave"),
            [
                Event("wave", 1.0, 2.0, recording="a.mp4", frames=(25, 50)),
                Event("wave", 2.0, 3.5, recording="b.mp4", subject="rat"),
                Event("nod", 2.0, 2.0, recording="b.mp4", subject="rat"),
            ],
            {4: "goes on in the file after a.mp4"},
        ),
        (
            "old.tsv",
            "Observation id\tMedia file\tBehavior\tBehavior type\tStart (s)\tStop (s)\n"
            "o\ta.mp4\twave\tSTATE\t1\t2\no\tb.mp4\twave\tSTATE\t11\t12\n"
            "p\ta.mp4\twave\tSTATE\t1\t2\n",
            [Event("wave", 1.0, 2.0, recording="a.mp4")],
            {2: "no durations", 3: "no durations"},
        ),
        (
            "tabular.tsv",
            "Observation id\to\t\t\n\nTime offset (s)\t10.0\t\t\n\n"
            "Time\tMedia file path\tSubject\tBehavior\tStatus\n"
            "11.5\ta.mp4\trat\twave\tSTART\n13\ta.mp4\trat\twave\tSTOP\n",
            [Event("wave", 1.5, 3.0, recording="a.mp4", subject="rat")],
            {},
        ),
        (
            "tabular.csv",
            TABULAR
            + "".join(
                f"o,player #1:a.mp4,0,60,{who},{what},{mod},{status},{time},a.mp4,{frame}\n"
                for who, what, mod, status, time, frame in [
                    ("rat", "wave", "", "START", 1.5, 15),
                    ("dog", "wave", "", "START", 2, 20),
                    ("rat", "wave", "", "STOP", 3, 30),
                    ("dog", "wave", "", "STOP", 4, 40),
                    ("rat", "wave", "left", "STOP", 5, 50),
                    ("rat", "nod", "", "POINT", 6, 60),
                    ("rat", "wave", "", "START", 7, 70),
                ]
            ),
            [
                Event("wave", 1.5, 3.0, recording="a.mp4", subject="rat", frames=(15, 30)),
                Event("wave", 2.0, 4.0, recording="a.mp4", subject="dog", frames=(20, 40)),
                Event("nod", 6.0, 6.0, recording="a.mp4", subject="rat", frames=(60, 60)),
            ],
            {6: "STOP before START", 8: "START without STOP"},
        ),
        (
            "p.boris",
            project(
                [101.0, "", "wave", "", "", 10],
                [104.0, "", "wave", "", "", 40],
                [105.0, "", "nod", "", "", 50],
                [106.0, "", "gone", "", "", 50],
                [112.0, "rat", "wave", "", ""],
                [113.0, "rat", "wave", "", ""],
                [118.0, "", "wave", "", ""],
            ),
            [
                Event("wave", 1.0, 4.0, recording="a.mp4", frames=(10, 40)),
                Event("nod", 5.0, 5.0, recording="a.mp4", frames=(50, 50)),
                Event("wave", 2.0, 3.0, recording="b.mp4", subject="rat"),
            ],
            {"event 4": "ethogram", "event 7": "START without STOP"},
        ),
        (
            "live.boris",
            project([101.0, "", "wave", "", ""], [102.0, "", "wave", "", ""], type="LIVE", file={}),
            [Event("wave", 1.0, 2.0, recording="o")],
            {},
        ),
        (
            "via.csv",
            VIA + '"1_a","[""a.mp4""]",0,"[1.25,2.5]","[]","{""1"":""0""}"\n'
            '"1_b","[""a.mp4""]",0,"[3]","[]","{""1"":""0""}"\n'
            '"1_c","[""a.mp4""]",0,"[3]","[2,1,1,5,5]","{""1"":""0""}"\n',
            [
                Event("wave", 1.25, 2.5, recording="a.mp4"),
                Event("wave", 3.0, 3.0, recording="a.mp4"),
            ],
            {5: "region"},
        ),
        (
            "e.eaf",
            ELAN,
            [Event("wave", 1.25, 2.5, recording="C:/x/a b.mp4")],
            {"annotation a2": "not aligned"},
        ),
        (
            "studio.json",
            json.dumps(
                [
                    {
                        "id": 1,
                        "data": {"video": "/data/upload/3/0a1b2c3d-a.mp4", "fps": 10},
                        "annotations": [
                            {
                                "result": [
                                    {
                                        "value": {
                                            "ranges": [{"start": 11, "end": 20}],
                                            "timelinelabels": ["wave"],
                                        }
                                    },
                                    {"value": {"start": 3.5, "end": 4, "labels": ["clap"]}},
                                ]
                            }
                        ],
                    }
                ]
            ),
            [
                Event("wave", 1.0, 2.0, recording="a.mp4"),
                Event("clap", 3.5, 4.0, recording="a.mp4"),
            ],
            {},
        ),
    ],
)
def test_files_of_other_programs_are_read_and_unusable_rows_named(
    tmp_path: Path, name: str, text: str, events: list[Event], skipped: dict[object, str]
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    table = read_events(path)
    assert table.events == events
    assert len(table.skipped) == len(skipped)
    for place, reason in skipped.items():
        where = place if isinstance(place, str) else f"line {place}"
        assert any(where in row and reason in row for row in table.skipped), table.skipped


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "e.eaf",
            '<!DOCTYPE x [<!ENTITY a "aaaa">]><ANNOTATION_DOCUMENT>&a;</ANNOTATION_DOCUMENT>',
        ),
        ("e.eaf", "<ANNOTATION_DOCUMENT>"),
        ("e.json", '{"database": [1]}'),
        ("e.json", "[[1]]"),
        ("e.json", '[{"data": 1}]'),
        ("e.json", '[{"data": {"video": "a.mp4"}, "annotations": 3}]'),
        ("e.json", '{"events": [{"label": "a", "start_of_it": 1}]}'),
        ("e.boris", '{"observations": {"a": 1}, "behaviors_conf": {}}'),
        ("e.csv", "video,file,label\na,b,c\n"),
        ("e.csv", "x,y\n1,2\n"),
        ("e.json", "[" * 100_000),
        ("e.json", '{"format": "another", "results of": []}'),
        ("e.json", '[{"clip": "a.mp4"}]'),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=name):
        read_events(path)


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ('{"events": []}', True),
        ('{"results": {}}', True),
        ('[{"video": "a.mp4", "label": "wave", "start": 0, "end": 1}]', True),
        ('[{"data": {"video": "a.mp4"}}]', True),
        ("[]", True),
        ("[", True),  # its reader says what is wrong
        ('{"format": "another", "per_episode": [1]}', False),
        ('[{"clip": "a.mp4"}]', False),
        ("[1]", False),
    ],
)
def test_json_is_events_by_its_names(tmp_path: Path, text: str, events: bool) -> None:
    path = tmp_path / "e.json"
    path.write_text(text)
    assert is_event_file(path) == events


def test_clips_of_events_are_segments_of_videos_that_exist(videos: Path) -> None:
    table = videos / "scored.csv"
    table.write_text(
        "video,label,start,end\na b.mp4,wave,1,2\nC:\\data\\a b.mp4,clap,2,3\na b,wave,3,4\n"
        "gone.mp4,wave,1,2\na b.mp4,wave,5,6\na b.mp4,clap,5,6\na b.mp4,wave,1,2\n"
        f"a b.mp4,none,7,8\n{'x' * 300}.mp4,wave,1,2\n"
    )
    with pytest.warns(UserWarning, match="twice"):
        clips, skipped = event_clips(table)
    video = videos / "a b.mp4"
    known = [("wave", 1, 2), ("clap", 2, 3), ("wave", 3, 4), ("none", 7, 8)]
    assert clips == [Clip(video, *map_) for map_ in known]
    reasons = [
        "line 5: there is no video",
        "line 10: there is no video xxx",
        "line 8: the same segment as line 2",
    ]
    reasons += [f"line {line}: its segment has several labels: clap, wave" for line in (6, 7)]
    assert len(skipped) == 5
    assert all(any(reason in row for row in skipped) for reason in reasons)
    with (
        pytest.warns(UserWarning, match="twice"),
        pytest.warns(UserWarning, match="skipped: "),
    ):
        assert read_table(table) == clips[:3]


def test_a_class_and_a_subject_may_be_the_number_0(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    event = Event(0, 1.0, 2.0, recording="m.mp4", subject="0")
    path.write_text(json.dumps({"events": [{**event.to_dict(), "subject": 0}]}))
    assert read_events(path).events == [replace(event, label="0")]
