"""Options of the command line that several commands share, alone and in groups."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import typer

from fewact.backbones import BackboneSpec, TextSpec
from fewact.cli import arguments
from fewact.cli.option_groups import OptionGroup, SpecOptions
from fewact.core.errors import OptionError
from fewact.core.options import option_descriptions
from fewact.evaluation.spec import DataSpec

T = TypeVar("T")

METHOD = "Method: a name of `fewact methods`, or a folder written by `fewact train`."

Engine = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Inference engine of the backbone: auto, torch or onnx.",
        callback=arguments.engine,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Device to run on: auto, cpu, cuda or mps.", callback=arguments.device
    ),
]


def false_alarms(default: str) -> Any:
    """Return the option ``--false-alarms`` of a command with its own default, as a sentence."""
    return typer.Option(
        metavar="RATE",
        help="Highest fraction of clips of untaught actions that get a class; the others are "
        f"answered (none). 1: every clip gets a class. Default: {default}",
    )


FalseAlarms = Annotated[float | None, false_alarms("as in teaching.")]
FalseAlarmsOfTeaching = Annotated[
    float | None,
    false_alarms("0.1 with clips of no class; without them, every clip gets a class."),
]
FalseAlarmsOfRecording = Annotated[
    float | None, false_alarms("a threshold that adapts to the recording.")
]


AutoMode = Literal["auto", "off"]
"""Whether something is done where it is needed."""

TRIM = "Still ends of clips, before and after the action: auto leaves them out where they are long"

Imports = Annotated[
    list[Path] | None,
    typer.Option(
        "--import",
        metavar="FILE.py",
        help="Python file that is executed first; its methods can be named. Can be repeated.",
        is_eager=True,
        callback=arguments.imports,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Data set to read from a features file that holds several."),
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Option of the method; can be repeated."),
]
Model = Annotated[
    Path,
    typer.Argument(help="Folder of a model saved by `fewact teach`.", callback=arguments.model),
]
Results = Annotated[
    list[Path],
    typer.Argument(
        metavar="RESULT...",
        help="Result files written by `fewact evaluate`.",
        callback=arguments.results,
    ),
]
Page = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="HTML file to write.",
        callback=arguments.page_file,
    ),
]

Chart = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="SVG file to write: a chart.",
        callback=arguments.chart_file,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
"""Option of each command that writes a file; see ``arguments.output_files``."""
OverwriteModel = Annotated[
    bool, typer.Option("--overwrite", help="Replace a model that is already in the folder.")
]
"""Option of each command that makes a model; see ``arguments.model_folder``."""

NewWeights = Annotated[
    str | None, typer.Option(metavar="WEIGHTS", help="New location of the backbone's weights.")
]
Splits = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help=option_descriptions(DataSpec)["splits"].replace('"', "")),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Hide the progress bar.")]


Backbone = Annotated[BackboneSpec, SpecOptions("Backbone")]
"""Network that computes the features, as options."""

Text = Annotated[TextSpec, SpecOptions("Class names (for methods that use text)")]
"""Text encoder and prompts, as options."""


@dataclass(frozen=True, kw_only=True)
class LoadOptions(OptionGroup):
    """Options that say how the backbone and the method of a saved model are built."""

    heading: ClassVar[str] = "Loading"

    engine: Engine = "auto"
    device: Device = "auto"
    weights: NewWeights = None
    imports: Imports = None

    @property
    def backbone(self) -> dict[str, Any]:
        """Engine, device and weights."""
        return {"engine": self.engine, "device": self.device, "weights": self.weights}


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


QualityChoice = Literal["fast", "normal", "best"]
"""How much time the default method spends for accuracy."""

Quality = Annotated[
    QualityChoice,
    typer.Option(
        metavar="NAME",
        help="Time that the default method spends for accuracy: fast (sets --size 160 and "
        "--option frames=5), normal, or best (sets --backbone efficientnet-lite0-lite1, "
        "--size 192 and --option motion_frames=48).",
    ),
]


def check_quality(quality: QualityChoice, method: str, *, features: bool) -> None:
    """Refuse a quality that does not apply.

    Args:
        quality: Quality.
        method: Name of the method.
        features: Whether the data are features instead of videos.

    Raises:
        OptionError: The method has no qualities, or features have none.
    """
    if quality == "normal":
        return
    from fewact.methods import quality_of

    if features:
        raise OptionError("features have no quality", where="--quality", got=quality)
    quality_of(quality, method)


def method_options(
    requested: list[str] | None, quality: QualityChoice, method: str
) -> dict[str, Any]:
    """Return the options of a method: those of the quality, and those that were requested.

    Args:
        requested: Values of ``--option``.
        quality: Quality.
        method: Name of the method.

    Raises:
        OptionError: The quality does not apply, or an option is no NAME=VALUE.
    """
    options = parse_options(requested or ())
    if quality == "normal":
        return options
    from fewact.methods import quality_of

    return {**quality_of(quality, method).options, **options}


def backbone_of(requested: BackboneSpec, quality: QualityChoice, method: str) -> BackboneSpec:
    """Return a backbone with the network and the size of a quality.

    A size that was requested stays.

    Args:
        requested: Backbone of the command line.
        quality: Quality.
        method: Name of the method.

    Raises:
        OptionError: The quality does not apply, or it needs another backbone than the requested
            one.
    """
    if quality == "normal":
        return requested
    from fewact import backbones
    from fewact.methods import quality_of

    preset = quality_of(quality, method)
    if preset.backbone != "auto":
        named = preset.backbone if requested.name == "auto" else requested.name
        weights = (named, requested.weights)
        if weights != (preset.backbone, "default"):
            raise OptionError(
                "this quality has a backbone of its own",
                where="--quality",
                got=f"{quality}, backbone {weights[0]}, weights {weights[1]}",
                expected=f"the backbone {preset.backbone} with its default weights",
                hint="With another backbone, --option motion_frames=48 compares more frames of "
                "motion.",
            )
        requested = requested.model_copy(update={"name": preset.backbone})
    size = 0 if "size" in requested.model_fields_set else preset.size
    reads_it = backbones.describe(requested.name).any_size
    return requested.model_copy(update={"size": size}) if size and reads_it else requested
