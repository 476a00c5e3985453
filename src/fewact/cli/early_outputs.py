"""Checks of what a command will write, before torch is imported; see ``early`` for its inputs."""

from collections.abc import Iterable
from pathlib import Path

import typer

from fewact.cli import early
from fewact.core.atomic import REPLACE, check_output_file
from fewact.core.errors import ModelError, OptionError, OutputError
from fewact.core.paths import user_path


def file_of_option(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Check that an option has its file: the next option is taken for it where it is left out."""
    if path is None:
        return None
    if str(path).startswith("-"):
        option = parameter.opts[0]
        raise OptionError(
            "the name of a file is missing",
            where=option,
            got=f"{str(path)!r}",
            expected=f"{option} FILE",
            hint=f"For a file of this name: {option} ./{path}",
        )
    return user_path(path, OutputError)


def report_file(parameter: typer.CallbackParam, path: Path) -> Path | None:
    """Check that a report will be HTML, Markdown or PDF, and that the latter can be made."""
    found = _of_format(parameter, path, "a report", ".html", ".md", ".pdf")
    if path.suffix.lower() == ".pdf":
        early.extra("a PDF", "pdf", "weasyprint")
    return found


def page_file(parameter: typer.CallbackParam, path: Path) -> Path | None:
    """Check that a page will be HTML."""
    return _of_format(parameter, path, "a page", ".html", ".htm")


def chart_file(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Check that a chart will be SVG."""
    return _of_format(parameter, path, "a chart", ".svg")


def events_file(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Check that there is a format of events with the extension of the file."""
    return _of_format(parameter, path, "events", ".csv", ".json", ".vtt", ".srt")


def annotated_video(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Check that a video can be encoded in the format of its extension."""
    found = file_of_option(parameter, path)
    if found is not None:
        from fewact.video.writing import check_timed_video

        check_timed_video(found)
    return found


def output_files(
    *paths: Path | None, overwrite: bool, inputs: Iterable[str | Path | None] = ()
) -> None:
    """Check that a command can write its files, and may: none exists, or it will be replaced.

    Each command calls it first: an output is not known to be an input while options are read.

    Args:
        paths: Files that will be written; None where none is requested.
        overwrite: Whether existing files will be replaced.
        inputs: What the command reads, which is never replaced; None, folders and addresses do
            not count.

    Raises:
        OutputError: A file exists, cannot be written, or is an input or another output.
    """
    requested = [path for path in paths if path is not None]
    read = [Path(one) for one in inputs if one is not None]
    for number, path in enumerate(requested):
        check_output_file(path, inputs=read)
        if path.resolve() in [one.resolve() for one in requested[:number]]:
            raise OutputError(
                "another output has this name, too", where=str(path), hint="Choose another name."
            )
        if path.exists() and not overwrite:
            raise OutputError("the file exists already", where=str(path), hint=REPLACE)


def model_folder(path: Path, *, overwrite: bool) -> None:
    """Check that a command may make a model in a folder: it has none, or it will be replaced.

    Raises:
        ModelError: The folder has a model.
    """
    if not overwrite and early.is_model(user_path(path, ModelError)):
        raise ModelError(
            "the folder already has a model",
            where=str(path),
            hint="Replace it with --overwrite, or choose another folder.",
        )


def _of_format(
    parameter: typer.CallbackParam, path: Path | None, what: str, *extensions: str
) -> Path | None:
    """Check that an option has its file, and that the extension is one of these."""
    found = file_of_option(parameter, path)
    if found is not None and found.suffix.lower() not in extensions:
        raise OptionError(
            f"unknown format of {what}",
            where=str(path),
            got=repr(found.suffix),
            expected=", ".join(extensions),
        )
    return found
