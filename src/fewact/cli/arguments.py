"""Arguments of several commands: checks of inputs and outputs, before torch is imported.

Most are callbacks of Typer: one returns the value or raises the error that the work would raise.
"""

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fewact.core.atomic import REPLACE, check_output_file
from fewact.core.errors import (
    DataError,
    ModelError,
    OptionError,
    OutputError,
    ResultError,
    UnknownNameError,
    UserError,
    did_you_mean,
)
from fewact.core.paths import similar_name, user_path

if TYPE_CHECKING:
    from fewact.classifier import Example


MODEL_FILE, FORMER_VERSIONS = "model.safetensors", "history/*.safetensors"
PREDICT = "fewact predict MODEL VIDEO..."


def extra(what: str, name: str, *modules: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Args:
        what: What needs them, as in "training".
        name: Name of the extra.
        modules: Top-level modules of its packages.

    Raises:
        OptionError: One is not installed.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise OptionError(
            f"{what} needs {', '.join(missing)}", hint=f"Run: pip install 'fewact[{name}]'"
        )


def ray(address: str | None) -> str | None:
    """Check that Ray is installed, if a cluster is requested."""
    if address is not None:
        extra("--ray", "ray", "ray")
    return address


def device(name: str) -> str:
    """Check the name of a device."""
    from fewact.backbones.spec import check_device_name

    return check_device_name(name)


def engine(name: str) -> str:
    """Check the name of an inference engine."""
    from fewact.backbones.spec import ENGINES, check_name

    return check_name("engine", name, ENGINES)


def method(name: str) -> str:
    """Check the name of a method; a path that exists is a trained method."""
    from fewact import methods

    if name != "auto" and not Path(name).exists():
        further = ("or the folder of a training run",)
        hint = "A method of your own needs --import FILE.py."
        _known("method", name, methods.names(), further, hint=hint)
    return name


def imports(files: list[Path] | None) -> list[Path] | None:
    """Execute Python files, so that their methods can be named."""
    for file in files or ():
        from fewact.methods.files import import_methods

        import_methods(file)
    return files


def data(name: str | None) -> str | None:
    """Check that there is the folder or file, or the benchmark, that names data."""
    if name is None:
        return None
    path = user_path(name, DataError)
    if path.exists():
        return name
    if "/" in name or os.sep in name or path.suffix.lower() in (".npz", ".csv", ".tsv"):
        raise DataError("no such folder or file", where=name, hint=similar_name(path))
    if name.partition(":")[0] == "motions":
        from fewact import synthetic

        synthetic.named(name)
    else:
        from fewact.data.benchmarks import benchmark_of_data

        benchmark_of_data(name)
    return name


def modalities(names: list[str] | None) -> list[str] | None:
    """Check that there are the folders and files of further modalities."""
    for name in names or ():
        data(name)
    return names


def training_clips(path: Path) -> Path:
    """Check that there are training clips: a folder, a table or a file of features."""
    expected = (
        "a folder with one subfolder of clips per class, a CSV table, or an .npz file of features"
    )
    folder = user_path(path, DataError)
    if not folder.exists():
        raise DataError(
            "no such folder or table", where=str(path), expected=expected, hint=similar_name(folder)
        )
    if is_model(folder):
        raise DataError(
            "this is a saved model",
            where=str(path),
            expected=expected,
            hint=f"To predict, run: {PREDICT}",
        )
    return path


def folder(path: Path | None) -> Path | None:
    """Check that there is the folder, if one is named."""
    if path is not None and not path.is_dir():
        raise DataError("no such folder", where=str(path), hint=similar_name(path))
    return path


def model(context: typer.Context, path: Path) -> Path:
    """Check that there is a saved model, which comes before the videos."""
    folder = user_path(path, ModelError)
    if is_model(folder) or (folder.is_file() and folder.suffix == ".safetensors"):
        return path
    if next(folder.glob(FORMER_VERSIONS), None):  # of a model whose file is gone
        if context.info_name == "undo":
            return path
        raise ModelError(
            f"the model has no {MODEL_FILE}",
            where=str(path),
            hint="`fewact undo MODEL` brings its former version back.",
        )
    what, hint = "not a saved classifier", ""
    if not folder.exists():
        what, hint = "no such folder", similar_name(folder)
        if str(path).startswith("hf-hub:"):
            hint = "In Python, FewShotClassifier.from_pretrained(...).save(FOLDER) makes one."
    else:
        what = "this is a file" if folder.is_file() else what
        arguments = context.command.collect_usage_pieces(context)[1:]
        if len(arguments) > 1:
            hint = f"The model comes first: {context.command_path} {' '.join(arguments)}"
    raise ModelError(
        what, where=str(path), expected="a folder written by `fewact teach`", hint=hint
    )


def training_clips_of(model: Path) -> "tuple[tuple[Example, ...], bool]":
    """Return the training clips of a saved model, and whether its classes are integers.

    No clips if the file is damaged or of another version: loading the model says so.
    """
    from pydantic import BaseModel

    from fewact.classifier.names import Example
    from fewact.core.bounded import GIB, MIB, FileType
    from fewact.core.tensors import read_metadata

    class Listed(BaseModel):
        examples: tuple[Example, ...]
        integers: bool = False

    path = user_path(model, ModelError)
    file = path / MODEL_FILE if path.is_dir() else path
    try:
        metadata = read_metadata(FileType("saved classifier", ModelError, 8 * GIB), file)
        text = FileType("saved classifier", ModelError, 64 * MIB)
        content = text.parse(metadata.get("fewact", ""), str(file))
        listed = text.validate(content, Listed, str(file))
    except ModelError:
        return (), False
    return listed.examples, listed.integers


def recording(source: str) -> str:
    """Check that there is the file or the camera to watch."""
    from fewact.video.recording import check_recording, find_camera

    if find_camera(source) is None:
        _not_several_clips(user_path(source, DataError))
    check_recording(source)
    return source


def one_clip(path: Path) -> Path:
    """Check that there is a clip, and that it is not a folder of several clips."""
    from fewact.video.opening import check_readable

    _not_several_clips(path)
    check_readable(path)
    return path


def results(paths: list[Path] | None) -> list[Path]:
    """Check that there are the files of results; no argument is an empty list."""
    for path in paths or ():
        if not path.exists():
            raise _missing(path, ResultError, "fewact evaluate -o FILE")
    return paths or []


def model_or_results(context: typer.Context, paths: list[Path]) -> list[Path]:
    """Check that there is one saved model, or the files of results."""
    if len(paths) == 1 and not paths[0].is_file() and paths[0].suffix.lower() != ".json":
        return [model(context, paths[0])]
    if folder := next((path for path in paths if path.is_dir()), None):
        raise ModelError(
            "a model gets a report of its own",
            where=str(folder),
            expected="one model, or files of results",
        )
    return results(paths)


def exported_model(path: Path) -> Path:
    """Check that there is the file of a model."""
    if not path.is_file():
        raise _missing(path, ModelError, "fewact export MODEL --file FILE")
    return path


def is_model(path: Path) -> bool:
    """Return whether a path looks like a saved model."""
    return (path / MODEL_FILE).is_file()


def _not_several_clips(path: Path) -> None:
    from fewact.data.files import check_one_clip

    check_one_clip(path)


def _known(
    what: str, name: str, names: tuple[str, ...], further: tuple[str, ...] = (), *, hint: str = ""
) -> None:
    """Refuse a name that is none of these; ``hint`` is for one that resembles none of them."""
    if name not in names:
        raise UnknownNameError(
            f"unknown {what}",
            got=repr(name),
            expected=", ".join((*names, *further)),
            hint=did_you_mean(name, names) or hint,
        )


def _missing(path: Path, refusal: type[UserError], writer: str) -> UserError:
    """Return the error that there is no file, which a command would have written."""
    expected = f"a file written by `{writer}`"
    hint = similar_name(path)
    return refusal("there is no such file", where=str(path), expected=expected, hint=hint)


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
    report = _of_format(parameter, path, "a report", ".html", ".md", ".pdf")
    if path.suffix.lower() == ".pdf":
        extra("a PDF", "pdf", "weasyprint")
    return report


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
    file = file_of_option(parameter, path)
    if file is not None:
        from fewact.video.writing import check_timed_video

        check_timed_video(file)
    return file


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
    read = [Path(source) for source in inputs if source is not None]
    for number, path in enumerate(requested):
        check_output_file(path, inputs=read)
        if path.resolve() in [output.resolve() for output in requested[:number]]:
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
    if not overwrite and is_model(user_path(path, ModelError)):
        raise ModelError(
            "the folder already has a model",
            where=str(path),
            hint="Replace it with --overwrite, or choose another folder.",
        )


def _of_format(
    parameter: typer.CallbackParam, path: Path | None, what: str, *extensions: str
) -> Path | None:
    """Check that an option has its file, and that the extension is one of these."""
    file = file_of_option(parameter, path)
    if file is not None and file.suffix.lower() not in extensions:
        raise OptionError(
            f"unknown format of {what}",
            where=str(path),
            got=repr(file.suffix),
            expected=", ".join(extensions),
        )
    return file
