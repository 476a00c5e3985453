"""``fewact index``, ``find``, ``suggest``, ``discover``: recordings read once, searched often."""

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import (
    Backbone,
    EventChoices,
    EventsOutput,
    Overwrite,
    Quiet,
    Ray,
    check_file,
    check_output_files,
    output_option,
)
from fewact.cli.output import print_table
from fewact.cli.run import exit_skipped, say
from fewact.core.atomic import check_output_folder
from fewact.core.errors import DataError
from fewact.core.text_table import printable

if TYPE_CHECKING:
    from fewact.recordings.search import Search
    from fewact.recordings.segments import Segment

READ_AGAIN = 40
"""Number of segments that are read again by default: among them are 94 % of the right ones or more
of development recordings."""

Index = Annotated[Path, typer.Argument(help="Folder written by `fewact index`.")]
Query = Annotated[
    list[str],
    typer.Argument(
        metavar="CLIP...|MODEL",
        help="Clips of one action: files, folders or patterns; or the folder of a model.",
    ),
]
Marks = Annotated[
    Path | None,
    typer.Option(
        "--marks",
        metavar="FILE",
        help="Marks saved from the page of `fewact find`, or its table with right or wrong in "
        "column mark.",
        callback=check_file,
    ),
]
PageFile = Annotated[
    Path | None,
    typer.Option(
        "--page",
        metavar="FILE",
        help="HTML page with a thumbnail and a player of each segment.",
        callback=check_file,
    ),
]
Again = Annotated[
    int,
    typer.Option(
        "--again",
        min=0,
        metavar="N",
        help="Number of segments that are read again, to be compared in full.",
    ),
]
Top = Annotated[int, typer.Option(min=1, metavar="N", help="Number of segments shown.")]


@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """An action to find in an index."""

    folder: Index
    query: Query
    backbone: Backbone
    choices: EventChoices
    marks: Marks = None
    again: Again = READ_AGAIN


@dataclass(frozen=True, kw_only=True)
class SegmentFiles:
    """Files of the segments that are found: events, and a page."""

    output: EventsOutput = None
    page: PageFile = None
    overwrite: Overwrite = False

    def check(self, *inputs: str | Path | None) -> None:
        """Refuse files that exist, or that are inputs."""
        check_output_files(self.output, self.page, overwrite=self.overwrite, inputs=inputs)


@with_specs
def index(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="ARCHIVE...", help="Video files, folders, or patterns."),
    ],
    output: Annotated[
        Path, output_option("FOLDER", "Folder of the index; created if it does not exist.")
    ],
    backbone: Backbone,
    ray: Ray = None,
    quiet: Quiet = False,
) -> None:
    """Read recordings once, so that any action can be found in them later.

    Only what is new is read; a recording that was moved is known by its content. An interrupted
    command continues where it stopped when it is run again. Recordings that cannot be read are
    listed and skipped; the exit code is then 3.
    """
    check_output_folder(output)
    from fewact.data.files import expand_paths
    from fewact.recordings.indexing import IndexRecording, index_each

    paths, begun = expand_paths(sources), clock.monotonic()
    work = IndexRecording(output.absolute(), backbone.with_absolute_weights)
    archive, new, skipped = work.archive, 0, 0
    for outcome in index_each(work, paths, ray, quiet=quiet):
        for text in outcome["warnings"]:
            say(f"Warning: {printable(text)}")
        if "error" in outcome:
            say(f"Skipped: {printable(outcome['error'])}")
            skipped += 1
        else:
            new += outcome["new"]
    minutes, size = len(archive.entries), archive.entries.bytes_a_video
    print(
        f"Indexed: {new} new, {len(paths) - new - skipped} known, {skipped} skipped, in "
        f"{clock.monotonic() - begun:.0f} s. The index has {len(archive.recordings())} recordings, "
        f"{minutes} minutes, {minutes * size / 1e6:.1f} MB."
    )
    print(f"Next: fewact find {output} CLIP")
    exit_skipped(skipped)


@with_specs
def find(question: QuestionOptions, files: SegmentFiles, top: Top = 20) -> None:
    """Find an action in indexed recordings by one clip, several, or a model.

    All indexed recordings are ranked by small vectors; the best segments are read again where the
    files are there. Mark what is right or wrong in the column mark of -o or on the page, and pass
    the file to --marks, for a better answer.
    """

    def nearest(search: "Search") -> "list[Segment]":
        return search.found(max(top, question.again), question.again)[:top]

    _answer(question, files, nearest, "Found by", "Segments, the nearest first")


@with_specs
def suggest(question: QuestionOptions, files: SegmentFiles, top: Top = 5) -> None:
    """Name the segments whose marks would help most: uncertain, and unlike each other.

    Mark them in the table of -o or on the page, and pass the file to --marks of `fewact find`; or
    add them to a model with `fewact add`.
    """

    def most_useful(search: "Search") -> "list[Segment]":
        from fewact.recordings.find import to_mark

        return to_mark(search.archive, search.found(question.again, question.again), top)

    _answer(question, files, most_useful, "To mark, for", "The most useful first")


def _answer(
    question: QuestionOptions,
    files: SegmentFiles,
    choose: "Callable[[Search], list[Segment]]",
    title: str,
    heading: str,
) -> None:
    """Search an index, and show, save and draw the chosen segments."""
    files.check(*question.query, question.marks)
    from fewact.recordings.search import open_search, print_segments, write_page, write_segments

    begun = clock.monotonic()
    search = open_search(
        question.folder,
        question.query,
        question.backbone,
        question.marks,
        question.choices.options(),
    )
    segments = choose(search)
    print_segments(segments)
    _say_time(len(search.archive.entries), begun)
    write_segments(segments, files.output)
    names = ", ".join(Path(clip).name for clip in question.query)
    write_page(files.page, f"{title} {names}", {heading: segments})


def _say_time(minutes: int, begun: float) -> None:
    say(f"Searched {minutes} minutes in {clock.monotonic() - begun:.1f} s.")


@with_specs
def discover(
    folder: Index,
    backbone: Backbone,
    files: SegmentFiles,
    recording: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Indexed recording; can be repeated (default: all)."),
    ] = None,
    length: Annotated[
        float, typer.Option(min=0.5, metavar="SECONDS", help="Duration of a movement.")
    ] = 2.5,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Largest number of groups.")] = 20,
) -> None:
    """Group the recurring movements of indexed recordings, without any label.

    Name the groups in the table of -o, delete the others, and teach a model: fewact teach TABLE.
    """
    files.check()
    from fewact.features.store import Store
    from fewact.recordings import discover as discovering
    from fewact.recordings.index import Archive
    from fewact.recordings.search import place_of, write_page, write_segments

    archive = Archive(Store(folder), backbone.create().card)
    paths = {str(Path(name).absolute()) for name in recording or ()}
    recordings = [
        recorded for recorded in archive.recordings() if not paths or str(recorded.path) in paths
    ]
    if not recordings:
        raise DataError(
            "the index has no such recording",
            where="--recording",
            got=", ".join(sorted(paths)) or "none at all",
            hint="Add it: fewact index FILE -o INDEX",
        )
    groups = discovering.discover(archive, recordings, length=length, most=top)
    rows = [(str(group[0].label), str(len(group)), *place_of(group[0])) for group in groups]
    print_table(("group", "segments", "clearest in", "start", "end"), rows)
    write_segments([segment for group in groups for segment in group], files.output)
    by_name = {str(group[0].label): group for group in groups}
    text = "Name the groups in the table of -o."
    write_page(files.page, "Recurring movements", by_name, text, to_mark=False)
