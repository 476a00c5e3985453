"""What an evaluation found, and all it takes to trust it."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    model_validator,
)

from fewact import __version__
from fewact.encoding import FeatureFacts, MethodFacts
from fewact.episodes import Protocol
from fewact.errors import ResultError
from fewact.io.atomic import write_text
from fewact.text import TextFacts

FORMAT: Final = "fewact result"
HINT = "Evaluate again, or restore the file."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EpisodeFacts(_Part):
    """The episodes that were scored."""

    protocol: Protocol
    sha256: str


class ListFacts(_Part):
    """The list that the episodes were drawn from.

    Args:
        name: Of the data set and its variant.
        sha256: Of the list.
        split: Of its videos; None where there are no splits, or several.
        classes: How many.
        videos: How many.
        missing: For each class how many of the listed videos were not there.
        availability: SHA-256 of what of a published list was there; empty where nothing was looked
            for.
    """

    name: str
    sha256: str
    split: Literal["train", "val", "test"] | None
    classes: int
    videos: int
    missing: dict[str, int]
    availability: str = ""


class NamedTexts(TextFacts):
    """What the method read of the classes: the facts of the embeddings, and the classes' names.

    Args:
        names: In the order of the list, as they stood in the prompts; none where embeddings were
            handed in.
    """

    names: tuple[str, ...]


class ClassFacts(_Part):
    """Accuracy over the queries of a class, in per cent, and how many these are."""

    accuracy: float
    queries: int


class Asked(_Part):
    """What an evaluation is of: two results that agree in it answer the same question.

    Args:
        method: What was evaluated.
        episodes: On which episodes.
        videos: Of which list.
        features: From which features.
        query_features: From which the queries, where these are others.
        text: What it read of class names; None where it reads none.
        versions: Of what computed it.
    """

    method: MethodFacts
    episodes: EpisodeFacts
    videos: ListFacts
    features: FeatureFacts
    query_features: FeatureFacts | None = None
    text: NamedTexts | None = None
    versions: dict[str, str]


class Result(_Part):
    """What an evaluation found; accuracies in per cent.

    Args:
        format: Tells that the file is one of this kind.
        version: Of this layout.
        accuracy: Mean over the episodes.
        ci95: Half the 95 % interval over episodes, 1.96·s/√N.
        class_interval: The 95 % interval of a bootstrap over classes; None where there is none.
        class_interval_why: Why two intervals.
        final: On test classes: nothing may be chosen by it any more.
        flags: What every table must say beside the accuracy.
        asked: What was evaluated, and on what.
        per_class: By class name.
        command: That made it.
        per_episode: Accuracy of each.
        episode_classes: Which classes each has, by their place in the list.
    """

    format: Literal["fewact result"] = FORMAT
    version: Literal[1] = 1
    accuracy: float
    ci95: float
    class_interval: tuple[float, float] | None
    class_interval_why: str
    final: bool
    flags: tuple[str, ...]
    asked: Asked
    per_class: dict[str, ClassFacts]
    command: str
    per_episode: tuple[float, ...] = Field(min_length=1)
    episode_classes: tuple[tuple[NonNegativeInt, ...], ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        protocol = self.asked.episodes.protocol
        if not len(self.per_episode) == len(self.episode_classes) == protocol.count:
            raise ValueError("not as many accuracies as episodes")
        if any(len(set(classes)) != protocol.ways for classes in self.episode_classes):
            raise ValueError("not as many classes in an episode as it has ways")
        return self


def to_text(result: Result) -> str:
    """The file's text, with its own SHA-256; what it says of each episode on one line each."""
    content = result.model_dump(mode="json")
    content["sha256"] = _digest(content)
    rows = {key: json.dumps(content.pop(key)) for key in ("per_episode", "episode_classes")}
    head = json.dumps(content, indent=2, ensure_ascii=False)
    return "".join((head[:-2], *(f',\n  "{key}": {row}' for key, row in rows.items()), "\n}\n"))


def save(result: Result, path: str | Path) -> Path:
    """Write a result, as a whole or not at all; a file that is there is replaced.

    Raises:
        OSError: It cannot be written.
    """
    return write_text(Path(path), to_text(result))


def load(path: str | Path) -> Result:
    """Read a result and check it against its own hash.

    Raises:
        ResultError: The file is missing, is nothing of this kind, or was edited.
    """
    where = str(path)
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError("cannot be read", where=where, got=str(error.strerror)) from None
    except (ValueError, RecursionError):
        raise ResultError("this is no result", where=where, hint=HINT) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ResultError(
            "this is no result", where=where, expected="a file that `fewact evaluate` has written"
        )
    if content.pop("sha256", None) != _digest(content):
        raise ResultError("the file was edited or damaged", where=where, hint=HINT)
    try:
        return Result.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise ResultError(
            "its content is not that of a result",
            where=where,
            got=f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": "),
            hint=f"It may be of another version than {__version__}. {HINT}",
        ) from None


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
