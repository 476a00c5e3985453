"""config.json of a saved model: its fields, its hash and its version."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from fewact.backbones.text import TextFacts
from fewact.classifier.calibration import Calibration
from fewact.classifier.example import Example
from fewact.classifier.open_set import OpenSet, describe
from fewact.classifier.saved.errors import (
    HINT,
    DamagedModelError,
    LostModelError,
    NewerModelError,
)
from fewact.core.bounded import MIB, UPGRADE, FileType
from fewact.core.errors import ModelError
from fewact.core.version import __version__
from fewact.data import BACKGROUND
from fewact.data.files import legible
from fewact.video.steps import TrimMode

FORMAT: Final = "fewact classifier"
VERSION: Final = 24
"""A model of another version is refused: the method may compare clips otherwise now."""

CONFIG, STATE, README = "config.json", "state.safetensors", "README.md"
THUMBNAIL = re.compile(r"thumbnail-\d{4,}\.jpg", re.ASCII)


CONFIG_FILE = FileType("saved classifier", DamagedModelError, 64 * MIB, hint=HINT)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SavedBackbone(_Part):
    """Backbone that computed the features.

    Args:
        name: Registry name; ``precomputed`` if the examples are precomputed features.
        weights: Location of its weights; ``~`` is the home folder.
        precision: Precision of the network.
        card: Fields of its card that the features depend on; for precomputed features also their
            number of ``frames``.
    """

    name: str
    weights: str
    precision: str
    card: dict[str, JsonValue]


class SavedMethod(_Part):
    """Few-shot method with its options.

    Args:
        name: Registry name.
        package: Package of a method that is not fewact's own, and the SHA-256 of its file.
        options: All options.
        trained: False if learnable parts have random initial weights.
    """

    name: str
    package: str = ""
    options: dict[str, JsonValue]
    trained: bool = True


class SavedClassNames(_Part):
    """Use of class names as text prompts; their embeddings are in the state, in natural order.

    Args:
        mode: ``auto`` or ``on``.
        facts: Text encoder and prompts of the embeddings.
    """

    mode: Literal["auto", "on"]
    facts: TextFacts


class Config(_Part):
    """Content of config.json without its hash.

    Args:
        format: Format of the folder.
        version: Version of the format.
        fewact: Version of the package that wrote the file.
        backbone: Backbone that computes the features.
        method: Method that computes the scores.
        calibration: Conversion of scores into probabilities.
        class_names: Use of class names; None if they are not used.
        open_set: Scores that decide between known and unknown.
        false_alarms: Limit of false alarms; None for the default.
        trim: Whether still ends of videos are left out.
        sets: Fraction of clips whose true class must be in the set of a prediction; None: no sets.
        integers: Whether the classes were given as integers.
        examples: Training clips and, with the label ``none``, clips of no class, in the order of
            the rows of their nodes.
        equal_nodes: Names of nodes that are not stored because they equal another one, and its
            name.
        files: SHA-256 of each other file of the model.
    """

    format: Literal["fewact classifier"] = FORMAT
    version: Literal[24] = VERSION
    fewact: str = __version__
    backbone: SavedBackbone
    method: SavedMethod
    calibration: Calibration
    class_names: SavedClassNames | None = None
    open_set: OpenSet
    false_alarms: Annotated[float, Field(gt=0, le=1)] | None = None
    trim: TrimMode = "off"
    sets: Annotated[float, Field(gt=0, lt=1)] | None = None
    integers: bool = False
    examples: tuple[Example, ...]
    equal_nodes: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(min_length=1)

    @property
    def promises(self) -> tuple[str, ...]:
        """What is promised about clips of untaught actions, see ``describe``."""
        none = [clip for clip in self.examples if clip.label == BACKGROUND]
        return tuple(map(str.strip, describe(self.open_set, self.false_alarms, none)))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        classes = {example.label for example in self.examples} - {BACKGROUND}
        if len(classes) < 2:
            raise ValueError("fewer than two classes")
        if strange := [name for name in classes if not name.strip() or not name.isprintable()]:
            raise ValueError(f"no class name: {strange[0][:60]!r}")
        if strange := [one.name for one in self.examples if legible(one.name) != one.name]:
            raise ValueError(f"no name of a clip: {strange[0][:60]!r}")
        if len(self.open_set.inside) != len(classes):
            raise ValueError("open_set: another number of classes")
        if self.calibration.text_weight and self.class_names is None:
            raise ValueError("a weight of class names without class names")
        if STATE not in self.files:
            raise ValueError(f"no hash of {STATE}")
        if strange := [n for n in self.files if n != STATE and not THUMBNAIL.fullmatch(n)]:
            raise ValueError(f"unknown files: {', '.join(strange)}")
        return self


def owns(name: str) -> bool:
    """Return whether a name is of a model's own files; others in its folder are the user's."""
    return name in (CONFIG, STATE, README) or THUMBNAIL.fullmatch(name) is not None


def to_text(config: Config) -> str:
    """Return the text of the file, with its hash."""
    return with_hash(config.model_dump(mode="json"))


def with_hash(content: Mapping[str, Any]) -> str:
    """Return the text of the file with this content, and its hash."""
    return json.dumps({**content, "sha256": _digest(content)}, indent=2, ensure_ascii=False) + "\n"


def from_text(text: str, where: str) -> Config:
    """Read and check the text of the file.

    Raises:
        DamagedModelError: The file was damaged or edited.
        LostModelError: An older version of fewact wrote the file.
        NewerModelError: A newer version of fewact wrote the file.
        ModelError: The file has no version.
    """
    content = CONFIG_FILE.parse(text, where)
    if not _is_ours(content):
        CONFIG_FILE.refuse(where, "not a saved classifier")
    # Before the hash: another version may compute it in another way.
    _check_version(content, where)
    if content.pop("sha256", None) != _digest(content):
        raise DamagedModelError(
            "the file was damaged or edited after it was saved", where=where, hint=HINT
        )
    return CONFIG_FILE.validate(content, Config, where)


def is_config(path: Path) -> bool:
    """Return whether a file says that it is the config.json of a saved model, of any version."""
    try:
        return _is_ours(CONFIG_FILE.json(path))
    except ModelError:
        return False


def _is_ours(content: Any) -> bool:
    return isinstance(content, dict) and content.get("format") == FORMAT


def _check_version(content: Mapping[str, Any], where: str) -> None:
    version = content.get("version")
    if type(version) is int and version == VERSION:
        return
    refusal, what, hint = ModelError, "has an unsupported version", "Teach again from the clips."
    if type(version) is int and version < VERSION:
        refusal, what = LostModelError, "was written by an older version of fewact"
    if type(version) is int and version > VERSION:
        refusal, hint = NewerModelError, UPGRADE
        what = "was written by a newer version of fewact"
    found, package = (str(content.get(name))[:40] for name in ("version", "fewact"))
    raise refusal(
        f"the model {what}",
        where=where,
        got=f"version {found} of the format, written by fewact {package}",
        expected=f"version {VERSION} of the format, which fewact {__version__} reads",
        hint=hint,
    )


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
