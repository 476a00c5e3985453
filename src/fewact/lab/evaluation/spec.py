"""Specs of an evaluation and of its parts. Importing this module loads no torch."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, field_validator

from fewact.core.errors import EpisodeError, OptionError
from fewact.core.options import Flag, Spec, words_of
from fewact.core.paths import from_here, similar_name
from fewact.lab.evaluation.episodes import Protocol
from fewact.networks import BackboneSpec, TextSpec


class DataSpec(Spec):
    """Labelled videos or precomputed features.

    Args:
        source: Name of a benchmark, ``motions`` or ``motions:PRESET``, folder with one subfolder of
            clips per class, CSV table with the columns ``path,label[,split][,group]``, or .npz file
            of features.
        split: Split whose classes are used. The default is ``test``, and ``val`` in a sweep, if the
            data have splits.
        groups: Groups (recordings or persons) that support and query must not share, see
            ``Protocol``; ``auto`` takes the groups that the data define.
        dataset: Data set to read from a features file that holds several.
        root: Folder with the videos of a benchmark.
        splits: Published list, or folder with such lists (default: the path that ``FEWACT_SPLITS``
            names).
        availability: File written by `fewact data check`; videos it reports as unreadable are
            left out.
        allow_missing: Continue although videos are missing; the result says so.
        store: Feature store written by `fewact embed`; no video is read.
        poses: Joints of the body in the videos, compared beside the picture: a folder with a file
            of poses for each video, of the same stem; or an .npz file and its .tsv with the column
            clip.
    """

    source: Annotated[str, Flag("data", "DATA")]
    split: Annotated[Literal["train", "val", "test", "all"] | None, Flag()] = None
    groups: Annotated[Literal["auto", "none", "within-class", "shared"], Flag()] = "auto"
    dataset: Annotated[str | None, Flag(metavar="NAME")] = None
    root: Annotated[Path | None, Flag(metavar="FOLDER")] = None
    splits: Annotated[Path | None, Flag(metavar="PATH")] = None
    availability: Annotated[Path | None, Flag(metavar="FILE")] = None
    allow_missing: Annotated[bool, Flag()] = False
    store: Annotated[Path | None, Flag(metavar="FOLDER")] = None
    poses: Annotated[Path | None, Flag(metavar="PATH")] = None


class EpisodeFile(Spec):
    """Episodes that were drawn before.

    Args:
        file: File of episodes written by `fewact episodes`, in place of their number and size.
    """

    file: Annotated[Path, Flag("episodes", "FILE")]

    @field_validator("file")
    @classmethod
    def _check_file(cls, file: Path) -> Path:
        writer = "a file written by `fewact episodes -o FILE`"
        if str(file).isdecimal() and not file.is_file():
            raise OptionError(
                "this is a number",
                where="--episodes",
                got=str(file),
                expected=writer,
                hint=f"For {file} episodes: --count {file}",
            )
        if not file.is_file():
            hint = similar_name(file)
            raise EpisodeError("there is no such file", where=str(file), expected=writer, hint=hint)
        return file


class CameraSpec(Spec):
    """Simulated camera that records the videos.

    Args:
        name: Simulated camera that records the videos: hand, pan, shake ..., see
            ``fewact.lab.synthetic.simulated_cameras.CAMERAS``.
        on: Videos that the simulated camera records: all videos, or only the queries.
    """

    name: Annotated[str, Flag("camera", "NAME")]
    on: Annotated[Literal["all", "query"], Flag("camera-on")] = "all"


class ConditionSpec(Spec):
    """Condition of the videos.

    Args:
        name: Condition of the videos: dark, grain, small, loose ..., of severity 1 to 3, such as
            ``dark:2``, see ``fewact.lab.synthetic.conditions.CONDITIONS``.
        on: Videos in the condition: all videos, or only the queries.
    """

    name: Annotated[str, Flag("condition", "NAME[:SEVERITY]")]
    on: Annotated[Literal["all", "query"], Flag("condition-on")] = "all"


class ReadingSpec(Spec):
    """Reading of the videos. The defaults read them as they are; ``teach`` and ``predict`` do both.

    Args:
        trim: Long still ends: ``auto`` leaves them out, see ``fewact.video.source``.
        correct: Black bars, flicker, blur, grain, too much or too little light, and little
            contrast: ``auto`` corrects them, see ``fewact.video.cleaning.correction``.
    """

    trim: Annotated[Literal["auto", "off"], Flag(metavar="MODE")] = "off"
    correct: Annotated[Literal["auto", "off"], Flag(metavar="MODE")] = "off"


class EvaluationSpec(Spec):
    """Evaluation: its method, data, episodes, and everything else that decides the result.

    Args:
        method: Name of a method, or folder of a trained method.
        options: Options of the method; they replace the options of a trained method.
        data: Videos or features.
        modalities: Further sources of the same clips, such as colour beside depth or a skeleton
            beside video: folder, table or .npz file with the same clip names. The method is applied
            to each source, and the similarities are added.
        modality_weights: Weights of the sources: ``support``, decided by leave-one-out
            classification of the support videos, or ``equal``.
        episodes: Episodes to draw, or a file of episodes.
        backbone: Backbone that computes the features. A trained method decides what is not set.
        text: Text encoder and prompts, for methods that use class names. A trained method decides
            what is not set.
        camera: Simulated camera; None for the videos as they are.
        condition: Condition of the videos, after the camera; None for the videos as they are.
        reading: Reading of the videos.
        allow_leak: Allow training videos or classes of a trained method in the test; the result
            says so.
        threads: Number of threads for scoring (default: all).
        output: File for the result, see ``RunOptions``; folder for the results of a sweep.
        overwrite: Replace existing results.
    """

    method: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    data: DataSpec
    modalities: Annotated[tuple[str, ...], Flag("with", "DATA")] = ()
    modality_weights: Annotated[Literal["support", "equal"], Flag("with-weights", "RULE")] = (
        "support"
    )
    episodes: Protocol | EpisodeFile = Protocol()
    backbone: BackboneSpec = BackboneSpec()
    text: TextSpec = TextSpec()
    camera: CameraSpec | None = None
    condition: ConditionSpec | None = None
    reading: ReadingSpec = ReadingSpec()
    allow_leak: Annotated[bool, Flag()] = False
    threads: Annotated[int | None, Field(ge=1), Flag(metavar="N")] = None
    output: Path | None = None
    overwrite: bool = False

    @field_validator("episodes")
    @classmethod
    def _check_episodes(cls, episodes: Protocol | EpisodeFile) -> Protocol | EpisodeFile:
        if "groups" in episodes.model_fields_set:
            raise OptionError(
                "the groups are those of the data",
                where="episodes, groups",
                hint="Separate them by DataSpec(groups=…).",
            )
        return episodes


def command_of(spec: EvaluationSpec, imported: Path | None = None) -> str:
    """Return the command line for an evaluation; empty if the command line has no such option.

    Options that do not change the result (output, threads) and defaults are left out.

    Args:
        spec: Evaluation.
        imported: Python file that defines the method; None for a registered method.

    >>> data = DataSpec(source="clips", groups="none")
    >>> command_of(EvaluationSpec(method="a2m2", data=data, options={"lengths": [1, 2]}))
    'fewact evaluate a2m2 --data clips --groups none --option lengths=1,2'
    """
    if spec.backbone.options or isinstance(spec.text.prompts, tuple):
        return ""
    words = ["fewact", "evaluate", spec.method]
    words += [] if imported is None else ["--import", from_here(imported)]
    words += words_of(spec.data)
    words += [word for source in spec.modalities for word in ("--with", source)]
    if spec.modality_weights != "support":
        words += ["--with-weights", spec.modality_weights]
    words += words_of(spec.episodes)
    for name, value in spec.options.items():
        words += ["--option", f"{name}={option_text(value)}"]
    words += ["--allow-leak"] if spec.allow_leak else []
    for part in (spec.backbone, spec.text, spec.camera, spec.condition, spec.reading):
        words += [] if part is None else words_of(part)
    return shlex.join(words)


def option_text(value: Any) -> str:
    """Return the text of an option's value, which the command line reads as the same value.

    >>> option_text([1, 2]), option_text("paper"), option_text("2"), option_text(True)
    ('1,2', 'paper', '"2"', 'true')
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if _is_json(value) else value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text[1:-1] if isinstance(value, list | tuple) and len(value) > 1 else text


def _is_json(text: str) -> bool:
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            json.loads(candidate)
        except ValueError:
            continue
        return True
    return False
