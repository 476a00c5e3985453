"""Options and arguments that several commands share, with checks before packages are loaded.

Most checks are callbacks of Typer: one returns the value or raises the error that the work would
raise.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewact.cli.command import SpecOptions
from fewact.cli.run import say
from fewact.core.atomic import REPLACE, check_output_file
from fewact.core.errors import (
    DataError,
    ModelError,
    OptionError,
    OutputError,
    UnknownNameError,
    UserError,
    did_you_mean,
)
from fewact.core.extras import check_extra, check_extra_of
from fewact.core.options import OFF
from fewact.core.paths import file_and_sheet, similar_name, user_path
from fewact.data.files import SAVED_MODEL, is_saved_model
from fewact.networks import BackboneSpec

if TYPE_CHECKING:
    from fewact.classifier.few_shot import FewShotClassifier
    from fewact.data import AnyClip
    from fewact.data.event_options import EventOptions

FORMER_VERSIONS = "history/*.safetensors"
"""Pattern of the former versions of a model in its folder."""

METHOD = "Method: a name of `fewact methods`, or a folder written by `fewact train`."
TRIM = "Still ends of clips, before and after the action: auto leaves them out where they are long"
TRAINING_CLIPS = (
    "a folder with one subfolder of clips per class, a CSV table, or an .npz file of features"
)


def check_method(name: str) -> str:
    """Check the name of a method; a path that exists is a trained method."""
    from fewact import methods

    names = methods.names()
    if name != "auto" and not Path(name).exists() and name not in names:
        raise UnknownNameError(
            "unknown method",
            got=repr(name),
            expected=", ".join((*names, "or the folder of a training run")),
            hint=did_you_mean(name, names) or "A method of your own needs --import FILE.py.",
        )
    return name


def check_training_clips(path: Path) -> Path:
    """Check that there are training clips: a folder, a table or a file of features."""
    folder, _ = file_and_sheet(user_path(path, DataError))
    if not folder.exists():
        what, hint = "no such folder or table", similar_name(folder)
    elif is_saved_model(folder):
        what, hint = "this is a saved model", "To predict, run: fewact predict MODEL VIDEO..."
    else:
        return path
    raise DataError(what, where=str(path), expected=TRAINING_CLIPS, hint=hint)


def check_model(context: typer.Context, path: Path) -> Path:
    """Check that there is a saved model, which comes before the videos."""
    folder = user_path(path, ModelError)
    if is_saved_model(folder) or (folder.is_file() and folder.suffix == ".safetensors"):
        return path
    if next(folder.glob(FORMER_VERSIONS), None):  # of a model whose file is gone
        if context.info_name == "undo":
            return path
        raise ModelError(
            f"the model has no {SAVED_MODEL}",
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


def check_model_folder(path: Path, *, overwrite: bool) -> None:
    """Check that a command may make a model in a folder: it has none, or it will be replaced."""
    if not overwrite and is_saved_model(user_path(path, ModelError)):
        raise ModelError(
            "the folder already has a model",
            where=str(path),
            hint="Replace it with --overwrite, or choose another folder.",
        )


def named_clips(
    arguments: Sequence[str], dataset: str | None = None, subject: str | None = None
) -> Sequence["AnyClip"]:
    """Return the clips, or the rows of features, that the arguments name.

    Args:
        arguments: Video files, folders and patterns, or one file of features.
        dataset: Dataset of the rows; None for all.
        subject: Body in files of poses; None for the one that moves most.
    """
    from fewact.data.clips import Clip
    from fewact.data.files import VIDEO_SUFFIXES, expand_paths

    if subject is None and all(Path(n).suffix.lower() in VIDEO_SUFFIXES for n in arguments):
        check_dataset(dataset, features=False)
        return [Clip(path) for path in expand_paths(arguments)]
    from fewact.data import is_features, read_features
    from fewact.data.poses import is_poses, read_poses

    if any(map(is_poses, arguments)):
        check_dataset(dataset, features=False)
        return read_poses(map(Path, arguments), subject)
    if subject is not None:
        raise OptionError("needs files of poses", where="--subject", got=", ".join(arguments)[:80])
    files = [name for name in arguments if is_features(name)]
    if files and len(arguments) > 1:
        raise OptionError("only one file of features at a time", got=", ".join(arguments))
    if files:
        return read_features(files[0], dataset=dataset)
    check_dataset(dataset, features=False)
    return [Clip(path) for path in expand_paths(arguments)]


def check_dataset(dataset: str | None, *, features: bool) -> None:
    """Refuse a data set of other data than features."""
    if dataset is not None and not features:
        raise OptionError("needs a file of features", where="--dataset", got=dataset)


def missing_file(path: Path, refusal: type[UserError], writer: str) -> UserError:
    """Return the error that there is no file, which a command would have written."""
    expected = f"a file written by `{writer}`"
    hint = similar_name(path)
    return refusal("there is no such file", where=str(path), expected=expected, hint=hint)


def check_file(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
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


Regions = Annotated[
    bool,
    typer.Option(
        "--regions",
        help="Answer for each of several subjects in view: what moves is followed, and the picture "
        "around it is a clip of its own.",
        rich_help_panel="Subjects",
    ),
]
Boxes = Annotated[
    Path | None,
    typer.Option(
        "--boxes",
        metavar="PATH",
        help="Subjects instead of all that moves: auto for the people that a pose estimator finds "
        "in it, or the boxes in the only video: a table frame,id,x,y,w,h in pixels, or MOT.",
        rich_help_panel="Subjects",
        callback=check_file,
    ),
]


POSES_HELP = (
    "Joints of the body in the clips, compared beside the picture: a folder with a file of poses "
    "for each clip, of the same stem; or an .npz file and its .tsv with the column clip. "
    "off: none. Default: the file of poses beside each clip, if there is one."
)
Poses = Annotated[
    str | None, typer.Option("--poses", metavar="PATH", help=POSES_HELP, rich_help_panel="Joints")
]
"""Files of the joints of clips, see ``fewact.data.poses.beside``."""


def pose_option(default: str) -> Any:
    """Return the option ``--pose`` of a command with its own default, as a sentence."""
    return typer.Option(
        "--pose",
        metavar="NAME",
        help="Estimator of the joints of clips that have none: mediapipe, mediapipe:FILE, "
        f"module:function, auto for the first that is installed, or off. Default: {default}",
        rich_help_panel="Joints",
    )


WITH_JOINTS = "Teach it from clips with joints: fewact teach --poses, or --pose."

PoseAsTaught = Annotated[str | None, pose_option("as in teaching.")]


@dataclass(frozen=True, kw_only=True)
class Bodies:
    """Who is in view, and where the joints of a body are."""

    regions: Regions = False
    boxes: Boxes = None
    poses: Poses = None
    pose: PoseAsTaught = None


def loaded(model: Path, load: Mapping[str, Any], pose: str | None) -> "FewShotClassifier":
    """Return the classifier of a model, which estimates joints by a named estimator.

    ``pose`` is None for the estimator of the model.

    Raises:
        UserError: The model cannot be loaded; the estimator is unknown or not installed, or the
            model compares no joints.
    """
    from fewact.classifier.few_shot import FewShotClassifier

    if pose is not None:
        from fewact.classifier.pipeline import find_estimator

        estimator = find_estimator(pose)
    classifier = FewShotClassifier.load(model, **{**load, "pose": pose})
    if pose is not None and estimator is not None and not classifier.fitted_.pipeline.joints:
        what = "the model compares no joints"
        raise OptionError(what, where="--pose", got=pose, hint=WITH_JOINTS)
    return classifier


def clips_with_joints(
    classifier: "FewShotClassifier", clips: "Sequence[AnyClip]", poses: str | None
) -> "Sequence[AnyClip]":
    """Return clips with their joints, where a model compares joints; say how many have some.

    Raises:
        OptionError: Joints are named, and the model compares none.
        DataError: The joints cannot be read, or are of no clip.
    """
    layout = classifier.fitted_.pipeline.joints
    if not layout:
        if poses not in (None, OFF):
            raise OptionError(
                "the model compares no joints",
                where="--poses",
                got=str(poses),
                hint=WITH_JOINTS,
            )
        return clips
    from fewact.data.poses.beside import with_file_beside, with_joints

    found = with_joints([*map(with_file_beside, clips)], poses)
    number = sum(getattr(clip, "joints", None) is not None for clip in found)
    if number or poses not in (None, OFF):
        say(f"Joints of {number} of {len(found)} clips ({layout})")
    return found


def output_option(metavar: str, help: str, what: str = "", *extensions: str) -> Any:
    """Return the option ``--output`` of a command.

    Args:
        metavar: FOLDER, FILE or PATH.
        help: Text of the help page.
        what: Content of the file, if only some formats are possible.
        extensions: Extensions of these formats.
    """

    def check(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
        file = path if metavar == "FOLDER" else check_file(parameter, path)
        if file is not None and extensions and file.suffix.lower() not in extensions:
            raise OptionError(
                f"unknown format of {what}",
                where=str(path),
                got=repr(file.suffix),
                expected=", ".join(extensions),
            )
        return file

    return typer.Option("--output", "-o", metavar=metavar, help=help, callback=check)


EventsOutput = Annotated[
    Path | None,
    output_option(
        "FILE",
        "File for the events: .csv, .json, .jsonl, .boris (BORIS), .eaf (ELAN), .xml (Sportscode), "
        ".nwb (NWB), or .vtt or .srt for subtitles; .via.csv, .createml.csv, .createml.json, "
        ".activitynet.json or .labelstudio.json for these programs.",
        "events",
        *(".csv", ".json", ".jsonl", ".boris", ".eaf", ".xml", ".nwb", ".vtt", ".srt"),
    ),
]


def check_output_files(
    *paths: Path | None, overwrite: bool, inputs: Iterable[str | Path | None] = ()
) -> None:
    """Check that a command can write its files, and may: none exists, or it will be replaced.

    Each command calls it first: an output is not known to be an input while options are read.

    Args:
        paths: Files that will be written; None where none is requested.
        overwrite: Whether existing files will be replaced.
        inputs: What the command reads, which is never replaced; None, folders and addresses do
            not count.
    """
    requested = [path for path in paths if path is not None]
    read = [Path(source) for source in inputs if source is not None]
    for number, path in enumerate(requested):
        check_output_file(path, inputs=read)
        check_extra_of(path)
        if path.resolve() in [output.resolve() for output in requested[:number]]:
            raise OutputError(
                "another output has this name, too", where=str(path), hint="Choose another name."
            )
        if path.exists() and not overwrite:
            raise OutputError("the file exists already", where=str(path), hint=REPLACE)


def parse_options(texts: Sequence[str], *, flag: str = "--option") -> dict[str, Any]:
    """Read KEY=VALUE texts. A value is read as JSON, as a list without brackets, or as text.

    Args:
        texts: Texts of the command line.
        flag: Option of the command line that has them, for error messages.

    Raises:
        OptionError: A text has no "=", or a key appears twice.

    >>> parse_options(["frames=8", "lengths=1,2", "preset=paper"])
    {'frames': 8, 'lengths': [1, 2], 'preset': 'paper'}
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise OptionError("invalid option", where=flag, got=text, expected="KEY=VALUE")
        if key in options:
            raise OptionError(f'"{key}" appears twice', where=flag, got=text)
        options[key] = _value(value.strip())
    return options


def _value(text: str) -> Any:
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return text


def _execute(files: list[Path] | None) -> list[Path] | None:
    """Execute Python files, so that their methods can be named."""
    for file in files or ():
        from fewact.methods.files import import_methods

        import_methods(file)
    return files


def false_alarms(default: str, panel: str | None = None) -> Any:
    """Return the option ``--false-alarms`` of a command with its own default, as a sentence."""
    return typer.Option(
        metavar="RATE",
        help="Highest fraction of clips of untaught actions that get a class; the others are "
        f"answered (none). 1: every clip gets a class. Default: {default}",
        rich_help_panel=panel,
    )


AutoMode = Literal["auto", "off"]
"""Whether something is done where it is needed."""

Imports = Annotated[
    list[Path] | None,
    typer.Option(
        "--import",
        metavar="FILE.py",
        help="Python file that is executed first; its methods can be named. Can be repeated.",
        is_eager=True,
        callback=_execute,
        rich_help_panel="Method",
    ),
]


@dataclass(frozen=True)
class EventChoices:
    """Choices where a file of events has several answers, or none."""

    rater: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Person whose events are read, if several scored the same recording.",
            rich_help_panel="Events",
        ),
    ] = None
    tier: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Tier of ELAN or Praat, or column of Datavyu, that is read (default: all).",
            rich_help_panel="Events",
        ),
    ] = None
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Recording of a file of events that names none, or whose recording was moved "
            "(default: the video of the same name beside it).",
            rich_help_panel="Events",
            callback=check_file,
        ),
    ] = None
    fps: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Frames per second at which a file of events numbers frames, if it does not say.",
            min=0.01,
            rich_help_panel="Events",
        ),
    ] = None

    def options(self) -> "EventOptions":
        """Return the choices as options of a reader."""
        from fewact.data.event_options import EventOptions

        return EventOptions(**{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True)
class TeachingChoices(EventChoices):
    """Choices where clips are taught from a file of events."""

    only: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Class of scored events to teach against the rest, for actions that are "
            "performed at the same time: a model for each (default: all classes in one).",
        ),
    ] = None
    window: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time around each point event that is taught: half before it, half after it "
            "(default: point events are skipped).",
            min=0.1,
            rich_help_panel="Events",
        ),
    ] = None


Subject = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|N",
        help="Body in files of poses: its name there, or its number from 1 (default: the one that "
        "moves most).",
        rich_help_panel="Subjects",
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Data set to read from a features file that holds several."),
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Option of the method; can be repeated.",
        rich_help_panel="Method",
    ),
]
Model = Annotated[
    Path, typer.Argument(help="Folder of a model saved by `fewact teach`.", callback=check_model)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
"""Option of each command that writes a file; see ``check_output_files``."""

OverwriteModel = Annotated[
    bool, typer.Option("--overwrite", help="Replace a model that is already in the folder.")
]
"""Option of each command that makes a model; see ``check_model_folder``."""

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Hide the progress bar.")]

Backbone = Annotated[BackboneSpec, SpecOptions("Backbone")]
"""Network that computes the features."""

NEW_WEIGHTS = "New location of the backbone's weights."
NewWeights = Annotated[str | None, typer.Option("--weights", metavar="WEIGHTS", help=NEW_WEIGHTS)]
Load = Annotated[
    dict[str, Any],
    SpecOptions(
        "Loading",
        BackboneSpec,
        only=("weights", "engine", "device"),
        texts={"weights": NEW_WEIGHTS},
    ),
]
"""How the backbone of a saved model is built: arguments of ``FewShotClassifier.load``."""


def _check_ray(address: str | None) -> str | None:
    if address is not None:
        check_extra("--ray", "ray", "ray")
    return address


Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Ray cluster that computes; local starts one on this machine.",
        callback=_check_ray,
        rich_help_panel="Several machines",
    ),
]
