"""Fuzzer of tables of events: each one is read right, or refused; rows in = rows out + rows named.

Events are drawn and written as people and programs write them: other names of columns, languages,
orders, units, clocks, timecodes, decimal commas, encodings, titles, second sheets, merged cells and
duplicates. A table that only has what the guide lists must be read.
"""

import csv
import io
import math
import os
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.report import Report, in_folder

NAMES = {
    "recording": (
        "video,recording,File,file name,Media file,clip,movie,Video file,vidéo,fichier,Datei,"
        "archivo,vídeo,filmato,arquivo,видео,视频,動画,source_video"
    ),
    "label": (
        "label,behavior,Behaviour,class,ACTION,event,comportement,Verhalten,comportamiento,"
        "comportamento,gedrag,поведение,行为,行動,étiquette"
    ),
    "start": (
        "start,begin,onset,from,start time,Start_Time,startTime,début,Beginn,Anfang,inicio,inizio,"
        "início,начало,开始,開始,start.time"
    ),
    "end": (
        "end,stop,offset,to,end time,End_Time,endTime,fin,Ende,final,fine,fim,конец,结束,終了,"
        "stop-time"
    ),
    "duration": "duration,Dauer,durée,duración,durata,длительность,Duration",
    "subject": "subject,animal,individual,Tier,sujet,person",
}
"""Names that must be known."""

STRANGE = (
    "moment,mark in,Kolonne 3,p1,q,Zeitmarke,T-zero,first,last,la_fin_du_clip,tps,clock in,val,"
    "начал,beg,strt,ende_alt,when,Δ,col"
)
"""Names of times that no table is known to have."""

UNITS = {"s": ("(s)", "[s]", "_s", " (sec)", "_seconds"), "ms": ("(ms)", "_ms", " [ms]", "Ms")}
BROKEN = ("soon", "1:75", "-3", "=A1+B1", "9" * 400, "12.5.3", "4 parsecs", "0x10")
HARMLESS = ("Comment", "Weight (g)", "notes", "Trial no", "Sex", "id")
SUSPICIOUS = ("Reaction time", "frame rate (Hz)", "end 2", "rater B", "startle start")
FIELD = re.compile(rb'="([^"]*)"|>([^<]+)<')
ELEMENT = re.compile(rb"<[^>]+/>|<c [^>]*>.*?</c>|<row.*?</row>")
VALUES = (
    "1e999,-1,99999999999999999999,,NaN,A0,XFD1,ZZZ9,inf,&#0;,é,s,b,e,d,inlineStr,0,1,C2:B1,"
    "A1:XFD1048576,3000000,-0.5,1_0,٣"
)
FIELDS = tuple(value.encode() for value in VALUES.split(","))
LABELS = ("rear", "groom", "Übung", "a, b", 'say "hi"', "ходьба", "x; y", "1", "می\u200cشود")
TITLES = ("Coding sheet 2026-03-02", "Lab of Ethology, rater A", "My study; day 1")


@dataclass
class Table:
    """A table that was drawn, and what must be read from it.

    Args:
        rows: Header and rows.
        expected: Recording, label, start and end of each row; None of a row that must be named.
        must_read: Whether it may not be refused.
        tags: What is special about it.
    """

    rows: list[list[str]]
    expected: list[tuple[str, str, float, float] | None]
    must_read: bool = True
    tags: list[str] = field(default_factory=list)
    above: list[list[str]] = field(default_factory=list)


def run(seed: int, seconds: float | None = None, count: int | None = None) -> Report:
    """Read tables."""
    return in_folder(attempt, seed, seconds, count)


def attempt(random: Random, folder: Path, name: str, report: Report) -> None:
    """Write a table, read it, and compare."""
    from fewact.core.errors import UserError
    from fewact.recordings.formats import read_events

    table = random.choice((draw, draw, draw, draw, draw_instants, draw_frames))(random)
    path = write(table, random, folder)
    is_damaged = "xlsx" in table.tags and random.random() < 0.5
    if is_damaged:
        damage(Path(str(path).split("#")[0]), random)
    try:
        read = read_events(path)
    except UserError as error:
        report.outcomes["refused"] += 1
        if table.must_read and not is_damaged:
            report.defects.append(f"{name} {table.tags}: {str(error)[:300]}")
        return
    except Exception as error:
        report.defects.append(f"{name} {table.tags}: {type(error).__name__}: {error}"[:400])
        return
    finally:
        os.unlink(str(path).split("#")[0])
    report.outcomes["read"] += 1
    fault = difference(table, read)
    if fault and not is_damaged:
        report.defects.append(f"{name} {table.tags}: {fault}")


def difference(table: Table, read: Any) -> str:
    """Return what is wrong about the events of a table; empty if nothing is."""
    good = [row for row in table.expected if row is not None]
    if len(read.rows) + len(read.skipped) != len(table.expected):
        return f"{len(table.expected)} rows: {len(read.rows)} events, {len(read.skipped)} named"
    if len(read.rows) != len(good):
        return f"{len(good)} good rows, {len(read.rows)} events; {read.skipped[:1]}"
    found = sorted(read.events, key=lambda e: (e.recording, e.label, e.start, e.end))
    for (recording, label, start, end), event in zip(sorted(good), found, strict=True):
        got = event.recording, event.label, event.start, event.end
        near = all(
            math.isclose(a, b, abs_tol=0.0006)
            for a, b in ((start, event.start), (end, event.end))
            if math.isfinite(a) or math.isfinite(b)
        )
        if (recording, label) != got[:2] or not near:
            return f"{(recording, label, start, end)} became {got}"
    return ""


def draw(random: Random) -> Table:
    """Draw events, and how they are written."""
    names = {column: random.choice(known.split(",")) for column, known in NAMES.items()}
    kind = random.choice(("s", "s", "ms", "clock", "long clock", "frames", "timecode", "unit"))
    fps = random.choice((10, 24, 25, 30, 50))
    events = [_event(random, kind, fps) for _ in range(random.randint(2, 12))]
    ends = random.choice(("end", "end", "duration")) if kind in ("s", "ms", "unit") else "end"
    tags = [kind, ends]
    columns: list[tuple[str, list[str]]] = [
        (names["recording"], [event[0] for event in events]),
        (names["label"], [event[1] for event in events]),
    ]
    comma = kind in ("s", "clock") and random.random() < 0.3
    times = [
        (event[2], event[3] - event[2] if ends == "duration" else event[3]) for event in events
    ]
    unit = random.choice(UNITS["ms" if kind == "ms" else "s"]) if kind in ("s", "ms") else ""
    if kind == "s" and random.random() < 0.5:
        unit = ""
    if kind == "frames":
        unit = random.choice((" [frame]", "_frame", " (frames)"))
    for position, name in enumerate(("start", ends)):
        cells = [_cell(random, kind, pair[position], fps, comma=comma) for pair in times]
        columns.append((names[name] + unit, cells))
    table = Table([], list(events), tags=tags)
    if comma:
        tags.append("comma")
        cells = [cell for _, listed in columns[2:4] for cell in listed]
        if all(_may_be_thousands(cell) for cell in cells if "," in cell):
            table.must_read = False
    if kind in ("frames", "timecode"):
        columns.append((random.choice(("fps", "frame rate", "FPS")), [str(fps)] * len(events)))
    if random.random() < 0.3:
        columns.append((names["subject"], [random.choice(("m1", "m2", "")) for _ in events]))
    _spoil(random, table, columns)
    random.shuffle(columns)
    table.rows = [[name for name, _ in columns]]
    table.rows += [list(cells) for cells in zip(*(listed for _, listed in columns), strict=True)]
    if random.random() < 0.2:
        table.above = [[random.choice(TITLES)] for _ in range(random.randint(1, 3))]
        tags.append("titles")
    return table


def draw_instants(random: Random) -> Table:
    """Draw rows with one time: a START and a STOP of each event, or point events."""
    are_states = random.random() < 0.6
    start, stop = random.choice(
        (("START", "STOP"), ("State start", "State stop"), ("begin", "end"))
    )
    rows, expected = [], list[Any]()
    for number in range(random.randint(2, 8)):
        recording, _, first, last = _event(random, "s", 10)
        label = f"class {number}"
        rows.append((first, [recording, label, f"{first:.3f}", start]))
        if not are_states:
            expected.append((recording, label, first, first))
        elif random.random() < 0.1:  # a START without a STOP
            expected.append(None)
        else:
            rows.append((last, [recording, label, f"{last:.3f}", stop]))
            expected.append((recording, label, first, last))
    if random.random() < 0.5:
        rows.sort(key=lambda row: row[0])
    if are_states and random.random() < 0.2:
        rows.append((0.0, ["x.mp4", "another", "1", random.choice(("pause", "", "STOP"))]))
        expected.append(None)
    names = [random.choice(NAMES[name].split(",")) for name in ("recording", "label")]
    header = [*names, random.choice(("time", "Time (s)", "timestamp", "Zeit", "temps"))]
    header += [random.choice(("status", "Event_Type", "behavior type"))] * are_states
    listed = [row[: len(header)] for _, row in rows]
    tags = ["instants", "states" if are_states else "points"]
    return Table([header, *listed], expected, tags=tags)


def draw_frames(random: Random) -> Table:
    """Draw a table with a row for each frame and a column for each class."""
    fps, frames = random.choice((10, 25, 30)), random.randint(5, 120)
    classes = random.sample(("rear", "groom", "Übung", "walk, fast"), random.randint(1, 3))
    shown = {label: [int(random.random() < 0.5)] for label in classes}
    for listed in shown.values():
        while len(listed) < frames:
            listed.append(listed[-1] if random.random() < 0.8 else 1 - listed[-1])
    expected: list[Any] = []
    for label, listed in shown.items():
        edges = [i for i in range(frames) if listed[i] and not (i and listed[i - 1])]
        for first in edges:
            last = next((i for i in range(first, frames) if not listed[i]), frames)
            expected.append(("m.mp4", label, first / fps, last / fps))
    header = ["video", "frame", random.choice(("time", "Time (s)")), *classes]
    rows = [
        ["m.mp4", str(i), f"{i / fps:.6f}", *(str(shown[label][i]) for label in classes)]
        for i in range(frames)
    ]
    tags = ["frames of classes"]
    if random.random() < 0.3:
        header.append("confidence")
        for row in rows:
            row.append(f"{random.random():.3f}")
    return Table([header, *rows], expected, tags=tags)


def _event(random: Random, kind: str, fps: int) -> tuple[str, str, float, float]:
    recording = f"{random.choice(('day 1', 'Übung 2', 'c,d', 'x'))}.{random.choice(('mp4', 'avi'))}"
    start, long = random.randint(0, 4_000_000), random.randint(1, 90_000)
    if kind in ("frames", "timecode"):
        first, last = start * fps // 1000, (start + long) * fps // 1000 + 1
        return recording, random.choice(LABELS), first / fps, last / fps
    return recording, random.choice(LABELS), start / 1000, (start + long) / 1000


def _cell(random: Random, kind: str, time: float, fps: int, *, comma: bool) -> str:
    """Return a time as text."""
    whole = round(time * 1000)
    if kind == "frames":
        return str(round(time * fps))
    if kind == "ms":
        return str(whole)
    if kind == "unit":
        return f"{whole} ms" if random.random() < 0.5 else f"{whole / 1000:.3f}s"
    if kind == "timecode":
        frame = round(time * fps)
        second, rest = divmod(frame, fps)
        return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}:{rest:02}"
    minutes, second = divmod(whole / 1000, 60)
    text = {
        "s": f"{whole / 1000:.{random.choice((3, 3, 4))}f}",
        "clock": f"{int(minutes)}:{second:06.3f}",
        "long clock": f"{int(minutes // 60)}:{int(minutes % 60):02}:{second:06.3f}",
    }[kind]
    return text.replace(".", ",") if comma else text


def _may_be_thousands(cell: str) -> bool:
    before, _, after = cell.partition(",")
    return len(after) == 3 and before.isdigit() and before[0] != "0" and len(before) < 4


def _spoil(random: Random, table: Table, columns: list[tuple[str, list[str]]]) -> None:
    """Change what may not be read, or only in part."""
    start_name, starts = columns[2]
    what = random.random()
    if what < 0.12:  # a name that is not known
        at = random.choice((2, 3))
        columns[at] = random.choice(STRANGE.split(",")), columns[at][1]
        table.must_read = False
        table.tags.append(f"name {columns[at][0]}")
    elif what < 0.17:
        columns[2] = random.choice(STRANGE.split(",")), columns[2][1]
        columns[3] = f"{random.choice(STRANGE.split(','))} b", columns[3][1]
        table.must_read = False
        table.tags.append("names")
    elif what < 0.24:
        other = random.choice(("start", "begin", "onset", start_name))
        columns.append((other, [random.choice((cell, "7")) for cell in starts]))
        table.must_read = False
        table.tags.append("twice")
    elif what < 0.34:
        columns.append((random.choice(SUSPICIOUS), [str(random.randint(1, 99)) for _ in starts]))
        table.must_read = False
        table.tags.append("suspicious")
    elif what < 0.55:
        name = random.choice(HARMLESS)
        columns.append((name, [random.choice(("12", "x", "")) for _ in starts]))
    elif what < 0.7:
        for row in random.sample(range(len(starts)), random.randint(1, len(starts) // 2)):
            at = random.choice((2, 3)) if random.random() < 0.8 else 1
            cell = random.choice(BROKEN) if at > 1 else ""
            columns[at][1][row] = cell
            table.expected[row] = None
        table.tags.append("broken rows")
        table.must_read = "comma" not in table.tags


def write(table: Table, random: Random, folder: Path) -> Path:
    """Write a table as text or as a workbook; return what names it."""
    if random.random() < 0.25:
        return _workbook(table, random, folder)
    delimiter = random.choice(",;\t")
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=random.choice(("\n", "\r\n")))
    for row in (*table.above, *table.rows):
        writer.writerow(row)
        if random.random() < 0.05:
            writer.writerow([])
    content = text.getvalue()
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
    encoding = random.choice(encodings)
    if random.random() < 0.3 and _is_western(content):
        encoding = "cp1252"
    table.tags += [repr(delimiter), encoding]
    path = folder / f"t{random.choice(('.csv', '.tsv', '.txt'))}"
    path.write_bytes(content.encode(encoding))
    return path


def _is_western(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeError:
        return False
    return True


def _workbook(table: Table, random: Random, folder: Path) -> Path:
    """Write a workbook: numbers as numbers or text, merged recordings, and a second sheet."""
    from openpyxl import Workbook

    table.tags.append("xlsx")
    book = Workbook()
    sheet = book.active
    sheet.title = "Scores 1"
    as_numbers = random.random() < 0.5 and "comma" not in table.tags
    for row in (*table.above, *table.rows):
        sheet.append(
            [_value(cell) if as_numbers and row is not table.rows[0] else cell for cell in row]
        )
    header, first = table.rows[0], len(table.above) + 2
    if random.random() < 0.3:
        at = next(i for i, name in enumerate(header) if name in NAMES["recording"].split(","))
        name = table.rows[1][at]
        last = first + len(table.rows) - 2
        sheet.merge_cells(start_row=first, end_row=last, start_column=at + 1, end_column=at + 1)
        table.expected = [row and (name, *row[1:]) for row in table.expected]
        table.tags.append("merged")
    path = folder / f"t{random.choice(('.xlsx', '.xlsx', '.csv'))}"
    named = path
    if random.random() < 0.4:
        other = book.create_sheet("Notes", random.choice((0, 1)))
        table.tags.append("sheets")
        if random.random() < 0.5:
            for row in table.rows[:2]:
                other.append(row)
            if path.suffix == ".xlsx" and random.random() < 0.5:
                named = Path(f"{path}#Scores 1")
            else:
                table.must_read = False
        else:
            other.append(["Remember the", "second cage"])
    book.save(path)
    return named


def damage(path: Path, random: Random) -> None:
    """Change fields of a workbook: attributes, texts and elements; its parts stay XML mostly."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(random.randint(1, 4)):
        name = random.choice(sorted(parts))
        content = parts.pop(name)
        if random.random() < 0.05:
            continue
        spans = [match.span(1) for match in FIELD.finditer(content)]
        spans += [match.span(2) for match in FIELD.finditer(content) if match[2]]
        first, last = random.choice([span for span in spans if span[0] >= 0] or [(0, 0)])
        if random.random() < 0.7:
            parts[name] = content[:first] + random.choice(FIELDS) + content[last:]
        elif elements := [match.span() for match in ELEMENT.finditer(content)]:
            first, last = random.choice(elements)
            repeated = content[first:last] * random.choice((0, 2, 30))
            parts[name] = content[:first] + repeated + content[last:]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def _value(cell: str) -> Any:
    try:
        value = float(cell)
    except ValueError:
        return cell
    return cell if not math.isfinite(value) or len(cell) > 15 else value
