"""config.json of a saved model: what it says, its hash, and its older versions."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from fewact import __version__
from fewact.classifier.calibration import Calibration
from fewact.classifier.examples import Example
from fewact.errors import ModelError
from fewact.text import TextFacts

FORMAT: Final = "fewact classifier"
VERSION: Final = 3
STATE = "state.safetensors"
THUMBNAIL = re.compile(r"thumbnail-\d{4,}\.jpg", re.ASCII)

HINT = "Restore the folder from where it was copied, or teach again."


def _from_1(content: dict[str, Any]) -> dict[str, Any]:
    """``fusion`` had other nodes, from other frames; nothing else has changed."""
    method = content.get("method")
    if isinstance(method, dict) and method.get("name") == "fusion":
        raise ModelError(
            "its clips were taught to an earlier form of fusion, which looked at other frames",
            got=f"version 1, written by fewact {content.get('fewact')}",
            hint="Teach again from the clips.",
        )
    return {**content, "version": 2}


def _from_2(content: dict[str, Any]) -> dict[str, Any]:
    """``fusion`` did not ask the cameras of its clips: it goes on as of cameras that moved."""
    method = content.get("method")
    if isinstance(method, dict) and method.get("name") == "fusion":
        options = dict(method.get("options", {}))
        shift = options.pop("still_shift", 0.0)
        if options.get("cameras") == "still":
            shift = min(shift, options["motion_weight"])
            options["trend"] = "mean"
            options["motion_weight"] -= shift
            options["whole_weight"] += shift
        content = {**content, "method": {**method, "options": {**options, "cameras": "moving"}}}
    return {**content, "version": 3}


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1, 2: _from_2}
"""For each older version, what makes of its content that of the next one."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SavedBackbone(_Part):
    """The backbone that made the features.

    Args:
        name: Registry name; ``given`` where features were taught.
        weights: Where its weights were; below the home folder with ``~``.
        precision: What it computed in.
        card: Its card, as far as features depend on it; and how many ``frames`` given ones have.
    """

    name: str
    weights: str
    precision: str
    card: dict[str, JsonValue]


class SavedMethod(_Part):
    """The method and its options.

    Args:
        name: Registry name.
        options: All options.
        trained: False where learnable parts have random initial weights.
    """

    name: str
    options: dict[str, JsonValue]
    trained: bool = True


class SavedNames(_Part):
    """That class names may count: the embeddings are in the state, in natural order.

    Args:
        mode: ``auto`` or ``on``.
        facts: What decides the embeddings besides the names.
    """

    mode: Literal["auto", "on"]
    facts: TextFacts


class Config(_Part):
    """All of config.json but its own hash.

    Args:
        format: Tells that the folder holds a model of this kind.
        version: Of this layout.
        fewact: Version of the package that wrote it.
        backbone: For the features.
        method: For the scores.
        calibration: For the probabilities.
        names: Of the classes; None where they don't count.
        clips: What is remembered of each taught clip, in the order of the nodes' rows.
        files: SHA-256 of each other file that loading reads.
    """

    format: Literal["fewact classifier"] = FORMAT
    version: Literal[3] = VERSION
    fewact: str = __version__
    backbone: SavedBackbone
    method: SavedMethod
    calibration: Calibration
    names: SavedNames | None = None
    clips: tuple[Example, ...]
    files: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({clip.label for clip in self.clips}) < 2:
            raise ValueError("fewer than two classes")
        if self.calibration.text_weight and self.names is None:
            raise ValueError("a share of class names and none of them")
        if STATE not in self.files:
            raise ValueError(f"no hash of {STATE}")
        if strange := [n for n in self.files if n != STATE and not THUMBNAIL.fullmatch(n)]:
            raise ValueError(f"files that no model has: {', '.join(strange)}")
        return self


def to_text(config: Config) -> str:
    """The file's text, with its hash."""
    content = config.model_dump(mode="json")
    return json.dumps({**content, "sha256": _digest(content)}, indent=2, ensure_ascii=False) + "\n"


def from_text(text: str, where: str) -> Config:
    """Check and read the file's text; older versions are brought up to date.

    Raises:
        ModelError: It is damaged, was edited, or is of a version that is not known.
    """
    content = parse(text)
    if content is None:
        raise ModelError("this is no saved classifier", where=where, hint=HINT)
    if content.pop("sha256", None) != _digest(content):
        raise ModelError(
            "the file was damaged or edited after it was saved", where=where, hint=HINT
        )
    try:
        return Config.model_validate(_up_to_date(content, where))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelError(
            "its content is not that of a saved classifier",
            where=where,
            got=f"{place}: {first['msg']}" if place else first["msg"],
            hint=HINT,
        ) from None


def parse(text: str) -> dict[str, Any] | None:
    """The file's content, unchecked; None where it is nothing of this kind."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    ours = isinstance(content, dict) and content.get("format") == FORMAT
    return content if ours else None


def _up_to_date(content: dict[str, Any], where: str) -> dict[str, Any]:
    version = content.get("version")
    while isinstance(version, int) and version in MIGRATIONS:
        content = MIGRATIONS[version](content)
        version = content["version"]
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        raise ModelError(
            "the model is of a newer version" if newer else "the model's version is not known",
            where=where,
            got=f"{version}, written by fewact {content.get('fewact')}",
            expected=f"up to {VERSION}, by fewact {__version__}",
            hint="Update fewact." if newer else HINT,
        )
    return content


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
