"""ELAN: tiers that depend on others, controlled vocabularies, raters, and damaged documents."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import Event, events_text, read_events

HEADER = (
    '<HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="{url}" MIME_TYPE="video/mp4"/>'
    "</HEADER>"
)
SLOT = '<TIME_SLOT TIME_SLOT_ID="{}" TIME_VALUE="{}"/>'
ALIGNED = (
    '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{}" TIME_SLOT_REF1="{}" TIME_SLOT_REF2="{}" '
    "{}><ANNOTATION_VALUE>{}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
)
DEPENDENT = (
    '<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{}" ANNOTATION_REF="{}" {}>'
    "<ANNOTATION_VALUE>{}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
)
TYPES = (
    '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="unit"/>'
    '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="part" CONSTRAINTS="Symbolic_Subdivision"/>'
)


def tier(name: str, *annotations: str, kind: str = "unit", parent: str = "", more: str = "") -> str:
    of = f'PARENT_REF="{parent}"' if parent else ""
    head = f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="{kind}" {of} {more}>'
    return f"{head}{''.join(annotations)}</TIER>"


def document(
    path: Path,
    *tiers: str,
    slots: tuple[int, ...] = (1000, 3000),
    url: str = "a.mp4",
    more: str = "",
) -> Path:
    order = "".join(SLOT.format(f"ts{i}", time) for i, time in enumerate(slots, start=1))
    body = f"<TIME_ORDER>{order}</TIME_ORDER>{''.join(tiers)}{TYPES}{more}"
    path.write_text(f"<ANNOTATION_DOCUMENT>{HEADER.format(url=url)}{body}</ANNOTATION_DOCUMENT>")
    return path


def test_dependent_annotations_divide_the_time_of_their_parent(tmp_path: Path) -> None:
    parts = [
        DEPENDENT.format("b2", "a1", 'PREVIOUS_ANNOTATION="b1"', "clap"),
        DEPENDENT.format("b1", "a1", "", "wave"),
        DEPENDENT.format("c1", "b2", "", "loud"),
    ]
    path = document(
        tmp_path / "e.eaf",
        tier("loudness", parts[2], kind="part", parent="gesture"),
        tier("gesture", *parts[:2], kind="part", parent="unit"),
        tier("unit", ALIGNED.format("a1", "ts1", "ts2", "", "1")),
    )
    table = read_events(path)
    assert table.events == [Event("loud", 2.0, 3.0, recording="a.mp4")]
    assert sum("gives the times" in note for note in table.notes) == 2
    chosen = read_events(path, EventOptions(tier="gesture")).events
    assert [(e.label, e.start, e.end) for e in chosen] == [("clap", 2.0, 3.0), ("wave", 1.0, 2.0)]
    assert [e.label for e in read_events(path, EventOptions(tier="unit")).events] == ["1"]
    with pytest.raises(DataError, match="no such tier"):
        read_events(path, EventOptions(tier="units"))


def test_a_circle_of_references_has_no_times(tmp_path: Path) -> None:
    circle = [DEPENDENT.format("b1", "b2", "", "x"), DEPENDENT.format("b2", "b1", "", "y")]
    table = read_events(document(tmp_path / "e.eaf", tier("t", *circle, kind="part")))
    assert table.events == []
    assert len(table.skipped) == 2


def test_entries_of_a_vocabulary_are_resolved(tmp_path: Path) -> None:
    vocabulary = (
        '<CONTROLLED_VOCABULARY CV_ID="v"><CV_ENTRY_ML CVE_ID="cveid0"><CVE_VALUE LANG_REF="und">'
        "wave</CVE_VALUE></CV_ENTRY_ML></CONTROLLED_VOCABULARY>"
    )
    annotations = [
        ALIGNED.format(f"a{i}", "ts1", "ts2", f'CVE_REF="{entry}"', "")
        for i, entry in enumerate(("cveid0", "gone"))
    ]
    table = read_events(document(tmp_path / "e.eaf", tier("t", *annotations), more=vocabulary))
    assert [event.label for event in table.events] == ["wave"]
    assert "vocabulary" in table.skipped[0]


def test_two_raters_of_a_document_are_asked_for(tmp_path: Path) -> None:
    tiers = [
        tier(f"t{who}", ALIGNED.format(who, "ts1", "ts2", "", who), more=f'ANNOTATOR="{who}"')
        for who in "AB"
    ]
    path = document(tmp_path / "e.eaf", *tiers)
    with pytest.raises(DataError, match="several people"):
        read_events(path)
    assert [e.label for e in read_events(path, EventOptions(rater="B")).events] == ["B"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (SLOT.format("ts1", 1000), "two time slots"),
        ("<TIMING/>", "is not understood"),
    ],
)
def test_a_damaged_document_is_refused(tmp_path: Path, text: str, match: str) -> None:
    path = document(tmp_path / "e.eaf", tier("t", ALIGNED.format("a", "ts1", "ts2", "", "x")))
    place = "<TIME_ORDER>" if "SLOT" in text else "<ANNOTATION_DOCUMENT>"
    path.write_text(path.read_text().replace(place, place + text))
    with pytest.raises(DataError, match=match):
        read_events(path)


def test_times_of_400_digits_and_a_bad_address_are_no_errors_of_ours(tmp_path: Path) -> None:
    tiers = tier("t", ALIGNED.format("a", "ts1", "ts2", "", "x"))
    path = document(tmp_path / "e.eaf", tiers, slots=(1000, 10**399), url="file://[x/a.mp4")
    assert "not aligned" in read_events(path).skipped[0]
    assert read_events(document(path, tiers, url="file://[x/a.mp4")).events[0].label == "x"


def test_a_point_event_is_written_as_a_millisecond(tmp_path: Path) -> None:
    path = tmp_path / "e.eaf"
    path.write_text(events_text(path, [Event("nod", 2.0, 2.0, recording="a.mp4")]))
    assert read_events(path).events == [Event("nod", 2.0, 2.001, recording="a.mp4")]
