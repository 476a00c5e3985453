"""A model as one file, ``model.safetensors``, with its configuration in the header.

The metadata of the file have one text, JSON with the fields of ``ModelHeader``, the SHA-256 of all
tensors, and that of the JSON itself. The tensors are the nodes of the clips, the parameters of the
method, the summary of its state, the embedded class names, and the thumbnails as bytes of JPEG.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fewact.classifier.calibration import Calibration
from fewact.classifier.examples import Examples, stored
from fewact.classifier.fitted import Fitted
from fewact.classifier.names import Example, check_integers, check_label
from fewact.classifier.pictures import thumbnail
from fewact.classifier.pipeline import IMAGE_EMBEDDING, pose_name
from fewact.classifier.saved import SavedBackbone, SavedMethod, weights_of
from fewact.classifier.unknown import OpenSet, describe
from fewact.core.array_api import all_finite
from fewact.core.arrays import (
    copy_tensors,
    parse_tensors,
    read_metadata,
    save_tensors,
    sha256_of,
)
from fewact.core.atomic import write_bytes
from fewact.core.bounded import GIB, MIB, UPGRADE, FileType
from fewact.core.errors import (
    DamagedModelError,
    DataError,
    LostModelError,
    ModelError,
    NewerModelError,
)
from fewact.core.options import OFF
from fewact.core.paths import user_path
from fewact.core.version import __version__
from fewact.core.workers import on_one_core
from fewact.data.clips import BACKGROUND, VideoClip
from fewact.data.files import SAVED_MODEL, legible
from fewact.features.precomputed import Precomputed
from fewact.methods.base import Method
from fewact.networks.card import TextFacts
from fewact.video.source import TrimMode

if TYPE_CHECKING:
    from fewact.classifier.class_names import ClassNames

Tensors = dict[str, NDArray[Any]]

MODEL: Final = SAVED_MODEL
MODEL_README: Final = "README.md"

MODEL_FORMAT: Final = "fewact classifier"
MODEL_VERSION: Final = 31
"""A model of another version is refused: the method may compare clips otherwise now."""

CONFIG_KEY: Final = "fewact"
"""Name of the configuration in the metadata of the file."""

COPY_AGAIN = "Copy the file again, or teach again."
MODEL_FILE = FileType("saved classifier", DamagedModelError, 8 * GIB, hint=COPY_AGAIN)
HEADER_TEXT = FileType("saved classifier", DamagedModelError, 64 * MIB, hint=COPY_AGAIN)

MOST_PER_CLIP = 128 * MIB
"""Largest size of a clip's data in a model. The largest nodes are those of TA2N: 16 MiB with 8
frames of ResNet-50, 125 MiB with 64."""

LONGEST_CHANGE: Final = 1000
"""Number of characters to which the text of a change is shortened."""

NODES_PREFIX, METHOD_PREFIX, SUPPORT_PREFIX, CLASS_NAMES = (
    "nodes.",
    "method.",
    "support.",
    "class_names",
)
THUMBNAIL = re.compile(r"thumbnail\.([0-9]{1,9})", re.ASCII)
JPEG_BEGINNING = b"\xff\xd8\xff"


class SavedClassNames(BaseModel):
    """Use of class names as text prompts; their embeddings are a tensor, in natural order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["auto", "on"]
    facts: TextFacts


class ModelHeader(BaseModel):
    """Configuration of a saved model.

    Args:
        format: Format of the file.
        version: Version of the format.
        fewact: Version of the package that wrote the file.
        change: Change since the version before, in a few words.
        false_alarms: Limit of false alarms; None for the default.
        sets: Fraction of clips whose true class must be in the set of a prediction; None: no sets.
        pose: Name of the estimator of joints that the clips were taught with; ``off`` without one.
        integers: Whether the classes were given as integers.
        examples: Training clips and, with the label ``none``, clips of no class, in the order of
            the rows of their nodes.
        thumbnails: Whether the file has a small image of each clip.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["fewact classifier"] = MODEL_FORMAT
    version: Literal[31] = MODEL_VERSION
    fewact: str = __version__
    change: str = ""
    backbone: SavedBackbone
    method: SavedMethod
    calibration: Calibration
    class_names: SavedClassNames | None = None
    open_set: OpenSet
    false_alarms: Annotated[float, Field(gt=0, le=1)] | None = None
    trim: TrimMode = "off"
    sets: Annotated[float, Field(gt=0, lt=1)] | None = None
    pose: str = OFF
    integers: bool = False
    examples: tuple[Example, ...]
    thumbnails: bool = False
    tensors_sha256: str = ""

    @property
    def promises(self) -> tuple[str, ...]:
        """Promises about clips of untaught actions, see ``describe``."""
        none = [clip for clip in self.examples if clip.label == BACKGROUND]
        return tuple(map(str.strip, describe(self.open_set, self.false_alarms, none)))

    def changed(self, change: str) -> Self:
        """Return the header of a model that a change makes."""
        text = legible(change)
        if len(text) > LONGEST_CHANGE:
            text = f"{text[: LONGEST_CHANGE - 1]}…"
        return self.model_copy(update={"change": text})

    def is_of_same_model(self, header: Self) -> bool:
        """Return whether two models are equal but for how they were made."""
        return self == header.model_copy(update={"change": self.change})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        classes = sorted({example.label for example in self.examples} - {BACKGROUND})
        if len(classes) < 2:
            raise ValueError("fewer than two classes")
        try:
            check_integers(classes, integers=self.integers)
            if strange := [name for name in classes if check_label(name) != name]:
                raise ValueError(f"no class name: {strange[0][:60]!r}")
        except DataError as error:
            raise ValueError(str(error)[:300]) from None
        if strange := [clip.name for clip in self.examples if legible(clip.name) != clip.name]:
            raise ValueError(f"no name of a clip: {strange[0][:60]!r}")
        if len(self.open_set.inside) != len(classes):
            raise ValueError("open_set: another number of classes")
        if self.calibration.text_weight and self.class_names is None:
            raise ValueError("a weight of class names without class names")
        return self


@dataclass(frozen=True)
class SavedModel:
    """Content of a model's file; ``support`` is the summary of the method's state, or empty."""

    header: ModelHeader
    examples: Examples
    method: Method
    class_names: "ClassNames | None"
    support: Tensors


def model_file(path: str | Path) -> Path:
    """Return the file of a model, which may be named by its folder."""
    named = user_path(path, ModelError)
    file = named / MODEL if named.is_dir() else named
    if not file.is_file():
        raise ModelError(
            "not a saved classifier" if named.exists() else "no such folder",
            where=str(path),
            expected=f"a folder with {MODEL}, written by FewShotClassifier.save or `fewact teach`",
        )
    return file


def read_header(path: str | Path) -> ModelHeader:
    """Return the configuration of a model; its tensors are not read, but must not be cut off.

    Raises:
        DamagedModelError: The model was damaged or edited.
        LostModelError: An older version of fewact wrote the model.
        NewerModelError: A newer version of fewact wrote the model.
        ModelError: There is no model.
    """
    file = model_file(path)
    return parse_header(read_metadata(MODEL_FILE, file), str(file))


def load(path: str | Path) -> SavedModel:
    """Read and check a model, given its folder or file; errors are those of ``read_header``."""
    file = model_file(path)

    def read() -> SavedModel:
        limited = _limited(parse_header(read_metadata(MODEL_FILE, file), str(file)), str(file))
        return _model(*copy_tensors(limited, file), str(file))

    return on_one_core(read)


def copy_model(path: str | Path, target: Path) -> None:
    """Write a copy of the file of a model, which is checked before; replace what is there."""
    source = model_file(path)
    content = MODEL_FILE.content(source)
    parse(content, str(source))
    write_bytes(target, content)


def parse(content: bytes, where: str) -> SavedModel:
    """Read and check the content of the file of a model, see ``load``."""
    return on_one_core(lambda: _model(*parse_tensors(MODEL_FILE, content, where), where))


def encode(
    fitted: Fitted,
    *,
    thumbnails: bool,
    change: str,
    false_alarms: float | None = None,
    sets: float | None = None,
    trim: TrimMode = "auto",
) -> tuple[ModelHeader, bytes]:
    """Return the header and the content of the file of a classifier.

    ``change`` is what made this model of the one before, in a few words.
    """
    if thumbnails and isinstance(fitted.pipeline.backbone, Precomputed):
        raise ModelError("features have no thumbnails", hint="Save without thumbnails.")
    examples, method, class_names = fitted.everything, fitted.method, fitted.class_names
    tensors: Tensors = {
        NODES_PREFIX + name: value for name, value in stored(examples.nodes).items()
    }
    tensors |= {METHOD_PREFIX + name: value for name, value in weights_of(method).items()}
    tensors |= {SUPPORT_PREFIX + name: value for name, value in fitted.summary.items()}
    if class_names is not None:
        tensors[CLASS_NAMES] = class_names.text
    if thumbnails:
        tensors |= {
            f"thumbnail.{number:04}": np.frombuffer(image, np.uint8)
            for number, image in enumerate(map(_thumbnail, examples.clips, examples.origins), 1)
        }
    header = ModelHeader(
        backbone=SavedBackbone.of(fitted.pipeline),
        method=SavedMethod.of(method),
        calibration=fitted.calibration,
        class_names=None
        if class_names is None
        else SavedClassNames(mode=class_names.mode, facts=class_names.facts),
        open_set=fitted.open_set,
        false_alarms=false_alarms,
        trim=trim,
        sets=sets,
        pose=pose_name(fitted.pipeline),
        integers=fitted.integers,
        examples=examples.clips,
        thumbnails=thumbnails,
    ).changed(change)
    return with_tensors(header, tensors)


def with_tensors(
    header: ModelHeader, tensors: Mapping[str, NDArray[Any]]
) -> tuple[ModelHeader, bytes]:
    """Return the header and the content of a file, which can be read again.

    A model that cannot be loaded must not replace a model that can.
    """
    header = header.model_copy(update={"tensors_sha256": sha256_of(tensors)})
    content = save_tensors(tensors, {CONFIG_KEY: sealed(header.model_dump(mode="json"))})
    weights = _below(parse_tensors(_limited(header, MODEL), content, MODEL)[0], METHOD_PREFIX)
    header.method.create(weights, MODEL)
    return header, content


def with_change(content: bytes, change: str, where: str) -> tuple[ModelHeader, bytes]:
    """Return the header and the content of the same model as one that a change makes."""
    model = parse(content, where)
    tensors, _ = parse_tensors(MODEL_FILE, content, where)
    return with_tensors(model.header.changed(change), tensors)


def sealed(content: Mapping[str, Any]) -> str:
    """Return the text of a header with this content, and its hash."""
    return json.dumps({**content, "sha256": _sha256(content)}, ensure_ascii=False)


def parse_header(metadata: Mapping[str, str], where: str) -> ModelHeader:
    """Read and check the configuration in the metadata of a file."""
    content = HEADER_TEXT.parse(metadata.get(CONFIG_KEY, "null"), where)
    if not isinstance(content, dict) or content.get("format") != MODEL_FORMAT:
        HEADER_TEXT.refuse(where, "not a saved classifier")
    # Before the hash: another version may compute it in another way.
    _check_version(content, where)
    if content.pop("sha256", None) != _sha256(content):
        HEADER_TEXT.refuse(where, "the file was damaged or edited after it was saved")
    return HEADER_TEXT.validate(content, ModelHeader, where)


def is_model_file(file: Path) -> bool:
    """Return whether a file says that it is a model, of any version."""
    try:
        content = HEADER_TEXT.parse(
            read_metadata(MODEL_FILE, file).get(CONFIG_KEY, "null"), str(file)
        )
    except ModelError:
        return False
    return isinstance(content, dict) and content.get("format") == MODEL_FORMAT


def _limited(header: ModelHeader, where: str) -> FileType:
    """Return the type of a model's file: its method and its clips say how large it can be."""
    limit = header.method.weight_bytes(where) + len(header.examples) * MOST_PER_CLIP
    return replace(MODEL_FILE, ceiling=min(MODEL_FILE.ceiling, limit))


def _check_version(content: Mapping[str, Any], where: str) -> None:
    version = content.get("version")
    if type(version) is int and version == MODEL_VERSION:
        return
    refusal, what, hint = ModelError, "has an unsupported version", "Teach again from the clips."
    if type(version) is int and version < MODEL_VERSION:
        refusal, what = LostModelError, "was written by an older version of fewact"
    if type(version) is int and version > MODEL_VERSION:
        refusal, hint = NewerModelError, UPGRADE
        what = "was written by a newer version of fewact"
    written, package = (str(content.get(name))[:40] for name in ("version", "fewact"))
    raise refusal(
        f"the model {what}",
        where=where,
        got=f"version {written} of the format, written by fewact {package}",
        expected=f"version {MODEL_VERSION} of the format, which fewact {__version__} reads",
        hint=hint,
    )


def _sha256(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _model(tensors: Tensors, metadata: Mapping[str, str], where: str) -> SavedModel:
    header = parse_header(metadata, where)
    if sha256_of(tensors) != header.tensors_sha256:
        MODEL_FILE.refuse(where, "the file was damaged or edited after it was saved")
    images = _pop_thumbnails(tensors, header, where)
    _check_names(tensors, header, where)
    _check_numbers(tensors, where)
    # Of each node only one of both types of numbers is in memory.
    names = [name for name in tensors if name.startswith(NODES_PREFIX)]
    nodes = {
        name.removeprefix(NODES_PREFIX): tensors.pop(name).astype(np.float32, copy=False)
        for name in names
    }
    if not nodes or any(value.shape[:1] != (len(header.examples),) for value in nodes.values()):
        MODEL_FILE.refuse(where, "the rows do not match the examples of the header")
    method = header.method.create(_below(tensors, METHOD_PREFIX), where)
    examples = Examples(header.examples, nodes, images)
    class_names = _class_names(header, examples, tensors, where)
    return SavedModel(header, examples, method, class_names, _below(tensors, SUPPORT_PREFIX))


def _pop_thumbnails(tensors: Tensors, header: ModelHeader, where: str) -> tuple[bytes | None, ...]:
    """Remove the thumbnails from the tensors; return each clip's thumbnail."""
    count = len(header.examples)
    names = {int(match[1]): name for name in tensors if (match := THUMBNAIL.fullmatch(name))}
    if sorted(names) != list(range(1, count + 1) if header.thumbnails else ()):
        MODEL_FILE.refuse(where, "the thumbnails do not match the examples of the header")
    images = {number: tensors.pop(name) for number, name in names.items()}
    files = {number: image.tobytes() for number, image in images.items()}
    if any(images[n].dtype != np.uint8 or files[n][:3] != JPEG_BEGINNING for n in files):
        MODEL_FILE.refuse(where, "a thumbnail that is no image")
    return tuple(files.get(number) for number in range(1, count + 1))


def _check_names(tensors: Mapping[str, NDArray[Any]], header: ModelHeader, where: str) -> None:
    """Refuse tensors that no part of a model has: saving the model again would lose them."""
    for name in tensors:
        is_class_names = name == CLASS_NAMES and header.class_names is not None
        if not (is_class_names or name.startswith((NODES_PREFIX, METHOD_PREFIX, SUPPORT_PREFIX))):
            MODEL_FILE.refuse(where, "a tensor that no model has", repr(name[:80]))


def _check_numbers(tensors: Mapping[str, NDArray[Any]], where: str) -> None:
    """Refuse tensors beside the method's parameters that are not finite floating-point numbers."""
    for name, value in tensors.items():
        if name.startswith(METHOD_PREFIX):
            continue
        if value.dtype.kind != "f" or not all_finite(value):
            MODEL_FILE.refuse(
                f"{where}, {name}", "not finite floating-point numbers", str(value.dtype)
            )


def _class_names(
    header: ModelHeader, examples: Examples, tensors: Mapping[str, NDArray[Any]], where: str
) -> "ClassNames | None":
    if header.class_names is None:
        return None
    from fewact.classifier.class_names import ClassNames

    text, mean = tensors.get(CLASS_NAMES), examples.nodes.get(IMAGE_EMBEDDING)
    if text is None or mean is None or text.shape != (len(examples.classes), mean.shape[-1]):
        MODEL_FILE.refuse(where, "the class names do not match those of the header")
    return ClassNames(
        examples.classes, text.astype(np.float32), header.class_names.facts, header.class_names.mode
    )


def _below(tensors: Mapping[str, NDArray[Any]], prefix: str) -> Tensors:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _thumbnail(example: Example, origin: VideoClip | bytes | None) -> bytes:
    if origin is None:
        raise ModelError(
            "the loaded model has no thumbnails to save",
            got=example.title,
            hint="Save without thumbnails, or teach again from the clips.",
        )
    return origin if isinstance(origin, bytes) else thumbnail(origin)
