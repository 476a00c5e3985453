"""``fewact index``, ``find``, ``suggest``, ``discover``: recordings read once, searched often."""

import time as clock
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    is_model,
    output_option,
)
from fewact.cli.output import print_table, progress
from fewact.cli.run import exit_skipped, say
from fewact.core.atomic import check_output_folder, write_text
from fewact.core.errors import DataError, OptionError
from fewact.core.paths import from_here
from fewact.core.text_table import printable
from fewact.recordings.commands.outputs import (
    UNREADABLE,
    is_of_one_recording,
    one_recording_error,
    recording_name,
)

if TYPE_CHECKING:
    from fewact.networks import BackboneSpec
    from fewact.recordings.find import Question, Segment
    from fewact.recordings.formats import Event
    from fewact.recordings.index import Archive

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

    paths = expand_paths(sources)
    work, begun = (
        IndexRecording(output.absolute(), backbone.with_absolute_weights),
        clock.monotonic(),
    )
    archive, new, skipped = work.archive, 0, 0
    for outcome in _outcomes(work, paths, ray, quiet=quiet):
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


@dataclass
class IndexRecording:
    """Indexes a recording, here or on a worker; the network is loaded once.

    Args:
        folder: Folder of the index.
        backbone: The network.
    """

    folder: Path
    backbone: "BackboneSpec"

    @cached_property
    def _network(self) -> Any:
        return self.backbone.create()

    @cached_property
    def archive(self) -> "Archive":
        """The index."""
        from fewact.features.store import Store
        from fewact.recordings.index import Archive

        return Archive(Store.create(self.folder), self._network.card, create=True)

    def __call__(
        self, path: str, shown: Callable[[float], None] = lambda time: None
    ) -> dict[str, Any]:
        """Return what came of a recording, for JSON."""
        outcome: dict[str, Any] = {"path": path}
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("default", UserWarning)
            try:
                outcome["new"] = self.archive.add(Path(path), self._network, shown)
            except UNREADABLE as error:
                outcome["error"] = str(error)
        return outcome | {"warnings": [str(one.message) for one in warned]}


def _outcomes(
    work: IndexRecording, paths: Sequence[Path], ray: str | None, *, quiet: bool
) -> Iterator[dict[str, Any]]:
    if ray is not None:
        from fewact.core.cluster import map_on_ray

        remote = IndexRecording(work.folder, work.backbone)
        yield from map_on_ray(remote, [str(path.absolute()) for path in paths], address=ray)
        return
    with progress("Indexing", quiet=quiet) as show:
        for number, path in enumerate(paths):

            def shown(time: float, done: int = number, name: str = path.name) -> None:
                show(done, len(paths), f"{printable(name)} {time:.0f} s")

            yield work(str(path), shown)


Answer = Callable[["Archive", "Question", int, int], "list[Segment]"]
"""Returns segments of an index, given their largest number, and how many are read again."""


def _search(title: str, heading: str, shown: int) -> Callable[[Answer], Callable[..., None]]:
    """Return a decorator that makes a command of an answer, and of the options that all have."""

    def command_of(answer: Answer) -> Callable[..., None]:
        def command(
            folder: Index,
            query: Query,
            backbone: Backbone,
            output: EventsOutput = None,
            page: PageFile = None,
            overwrite: Overwrite = False,
            top: Annotated[
                int, typer.Option(min=1, metavar="N", help="Number of segments shown.")
            ] = shown,
            marks: Marks = None,
            again: Again = READ_AGAIN,
        ) -> None:
            check_output_files(output, page, overwrite=overwrite, inputs=[*query, marks])
            archive, question = _question(folder, query, backbone, marks)
            begun = clock.monotonic()
            found = answer(archive, question, top, again)
            _show(found)
            say(f"Searched {len(archive.entries)} minutes in {clock.monotonic() - begun:.1f} s.")
            _write(found, output)
            if page is not None:
                names = ", ".join(Path(clip).name for clip in query)
                text = "Mark segments, save the marks, and pass them to --marks of fewact find."
                _write_page(page, f"{title} {names}", {heading: found}, text, to_mark=True)

        command.__name__, command.__doc__ = answer.__name__, answer.__doc__
        return with_specs(command)

    return command_of


@_search("Found by", "Segments, the nearest first", 20)
def find(archive: "Archive", question: "Question", top: int, again: int) -> "list[Segment]":
    """Find an action in indexed recordings by one clip, several, or a model.

    All indexed recordings are ranked by small vectors; the best segments are read again where the
    files are there. Mark what is right or wrong in the column mark of -o or on the page, and pass
    the file to --marks, for a better answer.
    """
    return _found(archive, question, max(top, again), again)[:top]


@_search("To mark, for", "The most useful first", 5)
def suggest(archive: "Archive", question: "Question", top: int, again: int) -> "list[Segment]":
    """Name the segments whose marks would help most: uncertain, and unlike each other.

    Mark them in the table of -o or on the page, and pass the file to --marks of `fewact find`; or
    add them to a model with `fewact add`.
    """
    from fewact.recordings.find import to_mark

    return to_mark(archive, _found(archive, question, again, again), top)


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
    from fewact.recordings import discover as discovering

    archive = _archive(folder, backbone)
    wanted = {str(Path(name).absolute()) for name in recording or ()}
    recordings = [one for one in archive.recordings() if not wanted or str(one.path) in wanted]
    if not recordings:
        raise DataError(
            "the index has no such recording",
            where="--recording",
            got=", ".join(sorted(wanted)) or "none at all",
            hint="Add it: fewact index FILE -o INDEX",
        )
    groups = discovering.discover(archive, recordings, length=length, most=top)
    rows = [(str(group[0].label), str(len(group)), *_place(group[0])) for group in groups]
    print_table(("group", "segments", "clearest in", "start", "end"), rows)
    _write([segment for group in groups for segment in group], output)
    if page is not None:
        by_name = {str(group[0].label): group for group in groups}
        _write_page(page, "Recurring movements", by_name, "Name the groups in the table of -o.")


def _archive(folder: Path, backbone: "BackboneSpec", network: Any = None) -> "Archive":
    from fewact.features.store import Store
    from fewact.recordings.index import Archive

    return Archive(Store(folder), (network or backbone.create()).card)


def _question(
    folder: Path, query: Sequence[str], backbone: "BackboneSpec", marks: Path | None
) -> "tuple[Archive, Question]":
    """Return the index, and what is to be found in it."""
    from fewact import methods
    from fewact.classifier.few_shot import fitted_of
    from fewact.classifier.pipeline import Pipeline
    from fewact.data import Clip, expand_paths
    from fewact.recordings import find as finding
    from fewact.recordings.formats import find_recording, read_events

    if len(query) == 1 and is_model(Path(query[0])):
        from fewact import FewShotClassifier

        classifier = FewShotClassifier.load(query[0], backbone.device, engine=backbone.engine)
        question = finding.question_of_model(fitted_of(classifier))
        archive = _archive(folder, backbone, question.pipeline.backbone)
        if marks is not None:
            raise OptionError(
                "marks are of clips",
                where="--marks",
                got="a model",
                hint="Add the segments to the model: fewact add MODEL CLASS TABLE",
            )
        return archive, question
    network = backbone.create()
    archive = _archive(folder, backbone, network)
    method = methods.create("fusion").to(network.device).eval()
    clips = [Clip(path, finding.FOUND) for path in expand_paths(query)]
    question = finding.question_of_clips(clips, Pipeline(network, method))
    if marks is not None:
        table = read_events(marks)
        for text in table.skipped:
            say(f"Skipped: {printable(text)}")
        events = [
            replace(event, recording=str(find_recording(marks.parent, event.recording)))
            for event in table.events
        ]
        question = finding.with_marks(question, events)
    return archive, question


def _found(archive: "Archive", question: "Question", count: int, again: int) -> "list[Segment]":
    from fewact.recordings.find import proposals, read_again

    segments = proposals(archive, question, count)
    return read_again(segments[:again], question) + segments[again:]


def _place(segment: "Segment") -> tuple[str, str, str]:
    from fewact.recordings.pages import clock_time

    return from_here(segment.recorded.path), clock_time(segment.start), clock_time(segment.end)


def _show(segments: "Sequence[Segment]") -> None:
    rows = [
        (
            *_place(segment),
            str(segment.label),
            "" if segment.similarity is None else f"{segment.similarity:.3f}",
            "" if segment.probability is None else f"{segment.probability:.2f}",
        )
        for segment in segments
    ]
    print_table(("recording", "start", "end", "label", "similarity", "probability"), rows)


def _write(segments: "Sequence[Segment]", output: Path | None) -> None:
    """Write segments as events, the nearest first; subtitles in the order of time."""
    if output is None:
        return
    from fewact.recordings.find import events_of
    from fewact.recordings.pages import events_text

    events: list[Event] = [
        replace(event, recording=recording_name(event.recording, output), mark="?")
        for event in events_of(segments)
    ]
    if is_of_one_recording(output):
        if len({event.recording for event in events}) > 1:
            raise one_recording_error(output)
        events.sort(key=attrgetter("start"))
    write_text(output, events_text(output, events, {}))


def _write_page(
    path: Path,
    title: str,
    groups: "Mapping[str, Sequence[Segment]]",
    text: str,
    *,
    to_mark: bool = False,
) -> None:
    from fewact.recordings.found_page import found_page

    first = "A player starts at its segment. Probabilities are those that it shows the action."
    write_text(path, found_page(title, (first, text), groups, to_mark=to_mark).html())
