"""Folder of a run: recipe, metrics, state, chosen checkpoint, and the cause of a stop."""

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from fewact.checkpoint import BEST
from fewact.data.videos import VideoList
from fewact.episodes import EpisodeSet, Protocol, draw, load, save
from fewact.errors import TrainingError
from fewact.io.atomic import output_errors, sync, write_text
from fewact.io.bounded import KIB, MIB, FileType
from fewact.io.folders import recover, replace_folder
from fewact.io.temporary import is_temporary, remove_leftovers
from fewact.text import known_texts
from fewact.training.data import TrainingData
from fewact.training.recipe import Recipe
from fewact.training.state import Position

RECIPE, LISTS, STATE = "recipe.json", "lists.json", "state.safetensors"
EPISODES, METRICS, README = "validation-episodes.json", "metrics.jsonl", "README.md"
CURVE, BOARD = "curve.svg", "tensorboard"

HINT = "Restore the file, or train into another folder."
RECIPE_FILE = FileType("recipe of a run", TrainingError, 256 * KIB, hint=HINT)
LISTS_FILE = FileType("list of a run's classes", TrainingError, 64 * MIB, hint=HINT)
METRICS_FILE = FileType("file of a run's metrics", TrainingError, 256 * MIB, hint=HINT)


class _Metrics(BaseModel):
    """Line of metrics: its step, and a number for each name."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, float] = Field(init=False)

    stage: NonNegativeInt
    step: NonNegativeInt


class RunFolder:
    """Folder that a run writes to.

    Args:
        path: Folder: new, empty, or of the same run.
        recipe: Recipe of the run.
        data: Training data of the run.

    Raises:
        TrainingError: The folder holds something else, or a run with another recipe or other lists.
    """

    def __init__(self, path: Path, recipe: Recipe, data: TrainingData) -> None:
        self.path = path
        self._board: Any = None
        lists = {"train": _facts(data.train), "val": _facts(data.val), **_texts(data)}
        if not (path / RECIPE).exists():
            if path.exists() and not (path.is_dir() and _is_new(path)):
                raise TrainingError(
                    "not the folder of a training run",
                    where=str(path),
                    expected="a new or empty folder, or the folder of the same run",
                )
            write_text(path / LISTS, json.dumps(lists, indent=2, ensure_ascii=False) + "\n")
            write_text(path / RECIPE, recipe.model_dump_json(indent=2) + "\n")
            return
        if RECIPE_FILE.model(path / RECIPE, Recipe) != recipe:
            raise self._other("with another recipe")
        if LISTS_FILE.json(path / LISTS) != lists:
            raise self._other("with other videos or class names")

    def _other(self, what: str) -> TrainingError:
        return TrainingError(
            f"the folder holds a run {what}",
            where=str(self.path),
            hint="Train into another folder.",
        )

    @property
    def state(self) -> Path:
        """Path of the state."""
        return self.path / STATE

    def episodes(self, videos: VideoList, protocol: Protocol) -> EpisodeSet:
        """Return the validation episodes: drawn once and saved.

        Raises:
            EpisodeError: They cannot be drawn from this list, or belong to another one.
        """
        file = self.path / EPISODES
        if not file.exists():
            save(draw(videos, protocol), file)
        found = load(file)
        found.check_list(videos)
        return found

    def metrics(self) -> list[dict[str, Any]]:
        """Return all complete lines of metrics."""
        return read_metrics(self.path)

    def resume(self, position: Position | None) -> None:
        """Remove metrics after a position and incomplete files of an interrupted run.

        Args:
            position: Position from which the run continues; None from the start.
        """
        remove_leftovers(self.path)
        recover(self._best, lambda name: True)
        kept = [
            line
            for line in self.metrics()
            if position and (line["stage"], line["step"]) <= (position.stage, position.step)
        ]
        write_text(self.path / METRICS, "".join(f"{json.dumps(line)}\n" for line in kept))

    def log(self, stage: int, step: int, values: Mapping[str, float]) -> None:
        """Append a line of metrics, also to TensorBoard if it is installed."""
        line = json.dumps({"stage": stage, "step": step, **values})
        path = self.path / METRICS
        with output_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        board = self._tensorboard()
        if board is not None:
            for name, value in values.items():
                board.add_scalar(f"stage{stage + 1}/{name}", value, step)

    def _tensorboard(self) -> Any:
        if self._board is None:
            try:
                writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter
            except ImportError:
                self._board = False
            else:
                self._board = writer(str(self.path / BOARD))
        return self._board or None

    def sync(self) -> None:
        """Sync the metrics to disk, so that a state never has more steps than they have.

        Raises:
            OutputError: They cannot be written.
        """
        path = self.path / METRICS
        with output_errors(path):
            sync(path)

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self._board:
            self._board.close()

    def put_best(self, files: Mapping[str, bytes]) -> None:
        """Replace the chosen checkpoint by these files, all of them or none.

        Raises:
            OutputError: They cannot be written.
        """

        def fill(folder: Path) -> None:
            for name, content in files.items():
                (folder / name).write_bytes(content)

        replace_folder(self._best, fill, lambda name: True)

    @property
    def _best(self) -> Path:
        return self.path.resolve() / BEST

    def put_json(self, name: str, content: Any) -> Path:
        """Write a JSON file in the folder atomically and return its path."""
        return write_text(
            self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        )


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the metrics of a run, line by line; an incomplete last line is left out.

    Raises:
        TrainingError: The file cannot be read, or a line is damaged.
    """
    file = folder / METRICS
    if not file.exists():
        return []
    # A power loss can leave zeros at the end. What follows the last line break is incomplete.
    content = METRICS_FILE.content(file).rstrip(b"\0")
    lines = METRICS_FILE.decode(content, str(file)).split("\n")[:-1]
    found = [METRICS_FILE.parse(line, f"{file}, line {i}") for i, line in enumerate(lines, 1)]
    for number, line in enumerate(found, 1):
        METRICS_FILE.validate(line, _Metrics, f"{file}, line {number}")
    return found


def _is_new(path: Path) -> bool:
    """Return whether a folder is empty, or has what a run wrote that was killed at its start."""
    return all(one.name == LISTS or is_temporary(one.name) for one in path.iterdir())


def _texts(data: TrainingData) -> dict[str, Any]:
    """Return the facts of the text embeddings; empty without text."""
    if data.train_text is None:
        return {}
    texts = known_texts(data.train_text)
    return {"text": {**texts.facts.model_dump(mode="json"), "names": list(texts.names)}}


def _facts(videos: VideoList) -> dict[str, Any]:
    classes: Sequence[str] = videos.classes
    return {
        "name": videos.name,
        "sha256": videos.digest,
        "videos": len(videos.videos),
        "classes": list(classes),
        "flags": list(videos.flags),
    }
