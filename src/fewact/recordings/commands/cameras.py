"""Options of ``fewact watch`` for cameras: folders that fill, and programs that get the events."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.options import loaded
from fewact.cli.run import say
from fewact.core.errors import OptionError

if TYPE_CHECKING:
    from fewact.recordings.notices import Notify


JSON_LINES_SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Cameras:
    """What is done with cameras beside watching them."""

    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Watch folders to which cameras write: segments are read as they come, until "
            "Ctrl-C. Events are written as JSON lines, also to FILE.jsonl of -o, with which the "
            "same command later goes on where it was.",
            rich_help_panel="Cameras",
        ),
    ] = False
    webhook: Annotated[
        str | None,
        typer.Option(
            "--webhook",
            metavar="URL",
            help="Address to which each event is posted as JSON.",
            rich_help_panel="Cameras",
        ),
    ] = None
    mqtt: Annotated[
        str | None,
        typer.Option(
            "--mqtt",
            metavar="URL",
            envvar="FEWACT_MQTT",
            help="Broker of MQTT to which each event is sent, and described to Home Assistant: "
            "mqtt://user:password@host:1883/prefix, or mqtts://…",
            rich_help_panel="Cameras",
        ),
    ] = None

    def check(self) -> None:
        """Refuse addresses that cannot be used, before anything is watched."""
        if self.webhook is not None or self.mqtt is not None:
            from fewact.recordings.notices import check_notices

            check_notices(self.webhook, self.mqtt)

    def notices(self, classes: Sequence[Any]) -> "AbstractContextManager[list[Notify]]":
        """Return functions that send events, see ``notices.notices``."""
        from fewact.recordings.notices import notices

        return notices(self.webhook, self.mqtt, [*map(str, classes)])


def check_followed(
    folders: Sequence[str], output: Path | None, others: Mapping[str, object]
) -> None:
    """Refuse what cannot be followed.

    Args:
        folders: Folders.
        output: File of the events; None for none.
        others: Options that cannot be used with ``--follow``, by name.

    Raises:
        OptionError: There is no folder, or one is none; the output is no file of JSON lines; or
            another option was requested.
    """
    for folder in folders or [""]:
        if not Path(folder).is_dir() or not folder:
            raise OptionError(
                "a folder is followed", where="--follow", got=folder, expected="a folder"
            )
    if output is not None and output.suffix.lower() != JSON_LINES_SUFFIX:
        raise OptionError(
            "events are appended to a file of JSON lines",
            where="--follow, -o",
            got=str(output),
            expected=f"a name that ends with {JSON_LINES_SUFFIX}",
        )
    if used := [f"--{name}" for name, value in others.items() if value]:
        raise OptionError(f"cannot be used with {', '.join(used)}", where="--follow")


def follow_folders(
    model: Path,
    load: Mapping[str, Any],
    folders: Sequence[str],
    cameras: Cameras,
    output: Path | None,
    options: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Watch folders until Ctrl-C, and write the events as they are found.

    Args:
        model: Saved model.
        load: Arguments of ``FewShotClassifier.load``.
        folders: Folders.
        cameras: Options for cameras.
        output: File of the events, one JSON object a line; None for none.
        options: Options of ``Stream``.
        overwrite: Whether to begin from scratch.
    """
    from fewact.recordings.follow import Follower
    from fewact.recordings.interruption import stopped_by_ctrl_c
    from fewact.recordings.many import job_of
    from fewact.recordings.outputs import event_writer
    from fewact.recordings.stream import Stream

    job = job_of(model, {**options, **load})
    classifier = loaded(model, load, load.get("pose"))
    rate = options["false_alarms"]
    rate = classifier.false_alarms if rate is None else rate
    begin = partial(Stream, classifier.fitted_, **{**options, "false_alarms": rate})
    classes = classifier.classes_.tolist()
    with cameras.notices(classes) as senders, stopped_by_ctrl_c() as stop:
        write = to_all([event_writer("jsonl", classes), *senders])
        follower = Follower([*map(Path, folders)], begin, write, output, job, overwrite)
        say("Following; Ctrl-C ends.")
        follower.follow(stop)
    say(f"Found {follower.found} events of {len(follower.cameras)} cameras.")


def to_all(writers: Sequence[Callable[[Any], None]]) -> Callable[[Any], None]:
    """Return a function that gives each event to all functions."""

    def write(event: Any) -> None:
        for each in writers:
            each(event)

    return write
