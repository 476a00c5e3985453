"""A search of an index for commands: its question, and what is found as rows, a file and a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from fewact import methods
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.pipeline import Pipeline
from fewact.cli.output import print_table
from fewact.core.atomic import write_text
from fewact.core.errors import OptionError
from fewact.core.paths import from_here
from fewact.data import Clip, expand_paths
from fewact.data.event_options import EventOptions
from fewact.data.files import is_saved_model
from fewact.features.store import Store
from fewact.networks import BackboneSpec
from fewact.recordings.event_tables import read_table
from fewact.recordings.event_text import clock_time, write_events
from fewact.recordings.find import proposals, read_again
from fewact.recordings.formats import find_recording
from fewact.recordings.found_page import found_page
from fewact.recordings.index import Archive
from fewact.recordings.outputs import is_of_one_recording, one_recording_error, recording_name
from fewact.recordings.question import (
    FOUND_CLASS,
    Question,
    question_of_clips,
    question_of_model,
    with_marks,
)
from fewact.recordings.segments import Segment, events_of

PROBABILITY_TEXT = (
    "A player starts at its segment. Probabilities are those that it shows the action."
)
MARKS_TEXT = "Mark segments, save the marks, and pass them to --marks of fewact find."


@dataclass(frozen=True)
class Search:
    """A search of an index.

    Args:
        archive: Index.
        question: What is to be found in it.
    """

    archive: Archive
    question: Question

    def found(self, count: int, again: int) -> list[Segment]:
        """Return the best segments. Some are read again and compared in full.

        Args:
            count: Largest number of segments.
            again: Number of segments that are read again.
        """
        segments = proposals(self.archive, self.question, count)
        return read_again(segments[:again], self.question) + segments[again:]


def open_search(
    folder: Path,
    query: Sequence[str],
    backbone: BackboneSpec,
    marks: Path | None,
    options: EventOptions | None = None,
) -> Search:
    """Return a search of an index by clips, or by a model.

    Args:
        folder: Folder of the index.
        query: Clips of one action, or the folder of a model.
        backbone: Network of the index.
        marks: File of segments that are marked right or wrong; None for none.
        options: Choices where that file has several answers, or none.

    Raises:
        OptionError: There are marks for a model, or choices without marks.
    """
    if marks is None and options not in (None, EventOptions()):
        raise OptionError(
            "these options are about a file of marks",
            where="--rater, --tier, --video, --fps",
            expected="--marks FILE",
        )
    if len(query) == 1 and is_saved_model(Path(query[0])):
        classifier = FewShotClassifier.load(query[0], backbone.device, engine=backbone.engine)
        question = question_of_model(classifier.fitted_)
        archive = Archive(Store(folder), question.pipeline.backbone.card)
        if marks is not None:
            raise OptionError(
                "marks are of clips",
                where="--marks",
                got="a model",
                hint="Add the segments to the model: fewact add MODEL CLASS TABLE",
            )
        return Search(archive, question)
    network = backbone.create()
    archive = Archive(Store(folder), network.card)
    clips = [Clip(path, FOUND_CLASS) for path in expand_paths(query)]
    question = question_of_clips(clips, Pipeline(network, methods.create("fusion")))
    return Search(archive, question if marks is None else _marked(question, marks, options))


def _marked(question: Question, marks: Path, options: EventOptions | None) -> Question:
    table = read_table(marks, options)
    events = [
        replace(event, recording=str(find_recording(marks.parent, event.recording)))
        for event in table.events
    ]
    return with_marks(question, events)


def print_segments(segments: Sequence[Segment]) -> None:
    """Print a row for each segment."""
    rows = [
        (
            *place_of(segment),
            str(segment.label),
            "" if segment.similarity is None else f"{segment.similarity:.3f}",
            "" if segment.probability is None else f"{segment.probability:.2f}",
        )
        for segment in segments
    ]
    print_table(("recording", "start", "end", "label", "similarity", "probability"), rows)


def place_of(segment: Segment) -> tuple[str, str, str]:
    """Return recording, start and end of a segment, as texts."""
    return from_here(segment.recorded.path), clock_time(segment.start), clock_time(segment.end)


def write_segments(segments: Sequence[Segment], output: Path | None) -> None:
    """Write segments as events, the nearest first; subtitles in the order of time.

    Args:
        segments: Segments.
        output: File; None for none.

    Raises:
        OptionError: The segments are of several recordings, and the format is of one.
    """
    if output is None:
        return
    events = [
        replace(event, recording=recording_name(event.recording, output), mark="?")
        for event in events_of(segments)
    ]
    if is_of_one_recording(output):
        if len({event.recording for event in events}) > 1:
            raise one_recording_error(output)
        events.sort(key=attrgetter("start"))
    write_events(output, events, {})


def write_page(
    page: Path | None,
    title: str,
    groups: Mapping[str, Sequence[Segment]],
    text: str = MARKS_TEXT,
    *,
    to_mark: bool = True,
) -> None:
    """Write the page of segments.

    Args:
        page: File; None for none.
        title: Title.
        groups: Segments by heading.
        text: Sentence on what a reader can do with the segments.
        to_mark: Whether they can be marked right or wrong.
    """
    if page is not None:
        shown = found_page(title, (PROBABILITY_TEXT, text), groups, to_mark=to_mark)
        write_text(page, shown.html())
