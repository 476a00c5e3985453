"""``fewact index``, ``find``, ``suggest``, ``discover``: recordings read once, searched often."""

import time as clock
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import (
    Backbone,
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
def find(
    folder: Index,
    query: Query,
    backbone: Backbone,
    output: EventsOutput = None,
    page: PageFile = None,
    overwrite: Overwrite = False,
    top: Top = 20,
    marks: Marks = None,
    again: Again = READ_AGAIN,
) -> None:
    """Find an action in indexed recordings by one clip, several, or a model.

    All indexed recordings are ranked by small vectors; the best segments are read again where the
    files are there. Mark what is right or wrong in the column mark of -o or on the page, and pass
    the file to --marks, for a better answer.
    """
    check_output_files(output, page, overwrite=overwrite, inputs=[*query, marks])
    from fewact.recordings.search import open_search, print_segments, write_page, write_segments

    search, begun = open_search(folder, query, backbone, marks), clock.monotonic()
    segments = search.found(max(top, again), again)[:top]
    print_segments(segments)
    _say_time(len(search.archive.entries), begun)
    write_segments(segments, output)
    write_page(page, f"Found by {_names(query)}", {"Segments, the nearest first": segments})


@with_specs
def suggest(
    folder: Index,
    query: Query,
    backbone: Backbone,
    output: EventsOutput = None,
    page: PageFile = None,
    overwrite: Overwrite = False,
    top: Top = 5,
    marks: Marks = None,
    again: Again = READ_AGAIN,
) -> None:
    """Name the segments whose marks would help most: uncertain, and unlike each other.

    Mark them in the table of -o or on the page, and pass the file to --marks of `fewact find`; or
    add them to a model with `fewact add`.
    """
    check_output_files(output, page, overwrite=overwrite, inputs=[*query, marks])
    from fewact.recordings.find import to_mark
    from fewact.recordings.search import open_search, print_segments, write_page, write_segments

    search, begun = open_search(folder, query, backbone, marks), clock.monotonic()
    segments = to_mark(search.archive, search.found(again, again), top)
    print_segments(segments)
    _say_time(len(search.archive.entries), begun)
    write_segments(segments, output)
    write_page(page, f"To mark, for {_names(query)}", {"The most useful first": segments})


def _names(query: Sequence[str]) -> str:
    return ", ".join(Path(clip).name for clip in query)


def _say_time(minutes: int, begun: float) -> None:
    say(f"Searched {minutes} minutes in {clock.monotonic() - begun:.1f} s.")


@with_specs
def discover(
    folder: Index,
    backbone: Backbone,
    recording: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Indexed recording; can be repeated (default: all)."),
    ] = None,
    output: EventsOutput = None,
    page: PageFile = None,
    overwrite: Overwrite = False,
    length: Annotated[
        float, typer.Option(min=0.5, metavar="SECONDS", help="Duration of a movement.")
    ] = 2.5,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Largest number of groups.")] = 20,
) -> None:
    """Group the recurring movements of indexed recordings, without any label.

    Name the groups in the table of -o, delete the others, and teach a model: fewact teach TABLE.
    """
    check_output_files(output, page, overwrite=overwrite)
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
    write_segments([segment for group in groups for segment in group], output)
    by_name = {str(group[0].label): group for group in groups}
    text = "Name the groups in the table of -o."
    write_page(page, "Recurring movements", by_name, text, to_mark=False)
