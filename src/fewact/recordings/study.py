"""A study of totals in a folder: events that a model found, and windows that a person checks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from fewact.classifier.few_shot import FewShotClassifier
from fewact.cli.output import progress
from fewact.cli.run import say
from fewact.core.atomic import write_text
from fewact.core.errors import DataError, OptionError
from fewact.core.text_table import printable
from fewact.data.event_options import EventOptions
from fewact.recordings.check import PLAN_TYPE, CheckPlan, ScoredWindows, blank_table, draw, totals
from fewact.recordings.event_tables import are_apart, read_table, say_choices
from fewact.recordings.formats import (
    Event,
    find_recording,
    is_event_file,
    read_events,
    timeline_or_none,
)
from fewact.recordings.many import Recordings, finished_file, job_of, watch_many
from fewact.recordings.outputs import recording_name
from fewact.recordings.totals import Total

FOUND_EVENTS = "events.csv"
PLAN_FILE = "plan.json"
CHECK_VIDEO = "check.mp4"
CHECK_TABLE = "check.csv"


@dataclass(frozen=True)
class Study:
    """Files of a study.

    Args:
        folder: Folder.
        paths: Recordings.
        draw: Options of the draw, see ``check.draw``.
        choices: Choices where a file of found events has several answers, or none.
    """

    folder: Path
    paths: Sequence[Path]
    draw: Mapping[str, Any]
    choices: EventOptions = field(default_factory=EventOptions)

    @property
    def options(self) -> dict[str, Any]:
        """Options of the draw, and choices that were made: each decides what is counted."""
        made = {name: value for name, value in asdict(self.choices).items() if value is not None}
        if self.choices.video is not None:
            made["video"] = str(self.choices.video.resolve())
        return {**self.draw, **made}

    @property
    def is_prepared(self) -> bool:
        """Whether windows are drawn."""
        return (self.folder / PLAN_FILE).exists()

    @property
    def plan(self) -> CheckPlan:
        """The plan of the study; recordings that it does not have are named.

        Raises:
            OptionError: It was drawn with other options.
        """
        plan = PLAN_TYPE.model(self.folder / PLAN_FILE, CheckPlan)
        if plan.options != self.options:
            raise OptionError(
                "the windows were drawn with other options",
                where=str(self.folder),
                got=_flags(self.options),
                expected=_flags(plan.options),
                hint="Choose another folder with -o to draw again.",
            )
        names = {part.name for part in plan.recordings}
        for path in self.paths:
            if self._name(path) not in names:
                new = printable(str(path))
                say(f"Warning: not among the recordings that were drawn from: {new}")
        return plan

    def find(
        self, model: Path, load: Mapping[str, Any], *, quiet: bool
    ) -> tuple[Path, list[str], int]:
        """Find the events of all recordings.

        Args:
            model: Saved model; or a file of events, which is taken as it is.
            load: Arguments of ``FewShotClassifier.load``.
            quiet: Whether no progress is shown.

        Returns:
            File of the events, the classes, and the number of recordings that are skipped.
        """
        if is_event_file(model):
            table = read_table(model, self.choices)
            return model, sorted({str(event.label) for event in table.events}), len(table.skipped)
        classifier, file = FewShotClassifier.load(model, **load), self.folder / FOUND_EVENTS
        skipped = 0
        if not file.exists() or finished_file(file).exists():
            recordings = Recordings(self.paths, file, job_of(model, load), lambda event: None)
            watch_many(recordings, classifier, {}, quiet=quiet)
            skipped = recordings.skipped
        return file, list(map(str, classifier.classes_)), skipped

    def prepare(self, events: Path, classes: list[str], *, quiet: bool) -> CheckPlan:
        """Draw windows; write their video, the table to fill in, and what was drawn.

        Args:
            events: File of the events of all recordings.
            classes: Classes of the model.
            quiet: Whether no progress is shown.

        Raises:
            DataError: No recording can be read.
            OptionError: Too few or too many windows are requested.
        """
        from fewact.recordings.check_video import Excerpt, starts, write_check_video

        timelines = {path: timeline for path in self.paths if (timeline := timeline_or_none(path))}
        if not timelines:
            raise DataError("no recording can be read", got=", ".join(map(str, self.paths))[:200])
        durations = {self._name(path): timeline.end for path, timeline in timelines.items()}
        plan = draw(durations, self.draw["check"], self.draw["window"], self.draw["seed"])
        spans = [*map(plan.span, plan.checked)]
        shown = starts([end - start for start, end in spans])
        plan = plan.model_copy(
            update={
                "options": self.options,
                "classes": classes,
                "shown": shown,
                "events": self._name(events),
            }
        )
        files = [list(timelines)[window.recording] for window in plan.checked]
        excerpts = [
            Excerpt(file, *span, at) for file, span, at in zip(files, spans, shown, strict=True)
        ]
        with progress("Writing", quiet=quiet) as show:
            write_check_video(self.folder / CHECK_VIDEO, excerpts, show)
        apart = any(event.subject for event in read_events(events, self.choices).events)
        write_text(self.folder / CHECK_TABLE, blank_table(plan, CHECK_VIDEO, apart=apart))
        write_text(self.folder / PLAN_FILE, plan.model_dump_json())
        return plan

    def totals(
        self, plan: CheckPlan, scored: Path | None, options: EventOptions | None = None
    ) -> tuple[ScoredWindows, list[tuple[str, str, Total]]]:
        """Return what a person scored, and class, measure and total; say which rows are skipped.

        Args:
            plan: Plan of the study.
            scored: Events that a person scored in the complete video; None for the table.
            options: Choices where that file has several answers, or none.
        """
        table = read_events(scored or self.folder / CHECK_TABLE, options)
        if scored is not None:
            say_choices(table)
        person = ScoredWindows(plan, table, self.folder / CHECK_VIDEO, complete=scored is not None)
        for row in person.skipped:
            say(f"Warning: skipped: {row}")
        found = self._found(plan)
        sides = ([*chain(*side.values())] for side in (found, person.events))
        return person, totals(plan, found, person, apart=are_apart(*sides))

    def _found(self, plan: CheckPlan) -> dict[int, list[Event]]:
        """Return the events that were found in each recording of a plan."""
        number = {
            find_recording(self.folder, part.name).resolve(): i
            for i, part in enumerate(plan.recordings)
        }
        found: dict[int, list[Event]] = {}
        file = find_recording(self.folder, plan.events)
        for event in read_events(file, self.choices).events:
            position = number.get(find_recording(file.parent, event.recording).resolve())
            if position is not None:
                found.setdefault(position, []).append(event)
        return found

    def _name(self, path: Path) -> str:
        return recording_name(path, self.folder / FOUND_EVENTS)


def _flags(options: Mapping[str, Any]) -> str:
    return " ".join(f"--{name} {value}" for name, value in options.items())
