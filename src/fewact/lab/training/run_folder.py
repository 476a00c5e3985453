"""Folder of a run: recipe, metrics, README, state, chosen checkpoint, and the cause of a stop."""

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from fewact import methods
from fewact.core.atomic import (
    is_temporary,
    make_folder,
    output_errors,
    remove_leftovers,
    sync,
    write_text,
)
from fewact.core.bounded import KIB, MIB, FileType
from fewact.core.errors import EpisodeError, TrainingError
from fewact.core.locks import exclusive
from fewact.core.version import __version__
from fewact.data.videos import VideoList
from fewact.lab.charts import Line, Panel, line_chart
from fewact.lab.evaluation.checkpoint import BEST, RUN_RECIPE, RUN_STATE
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw, load, save
from fewact.lab.networks.text import known_texts
from fewact.lab.training.augment import flips
from fewact.lab.training.data import TrainingData
from fewact.lab.training.recipe import EpisodesStage, Recipe
from fewact.lab.training.state import Position
from fewact.methods import code_of
from fewact.report import svg

LISTS_NAME = "lists.json"
EPISODES_FILE = "validation-episodes.json"
METRICS = "metrics.jsonl"
README = "README.md"
CURVE = "curve.svg"
BOARD = "tensorboard"
LOCK = "lock"

RESERVED_NAMES = ("stage", "step", "gradient", "rate", "accuracy", "ci95")
"""Names in a line of metrics that are not losses."""

RESTORE = "Restore the file, or train into another folder."
RECIPE_OF_RUN = FileType("recipe of a run", TrainingError, 256 * KIB, hint=RESTORE)
LISTS_FILE = FileType("list of a run's classes", TrainingError, 64 * MIB, hint=RESTORE)
METRICS_FILE = FileType("file of a run's metrics", TrainingError, 256 * MIB, hint=RESTORE)


class _Metrics(BaseModel):
    """Line of metrics: its stage, counted from 0, its step, and a number for each name."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, float] = Field(init=False)

    stage: NonNegativeInt
    step: NonNegativeInt


class RunFolder:
    """Folder that a run writes to: new, empty, or of the same run.

    The validation episodes are drawn once and saved. One process of a run has ``lock``, which keeps
    other runs out until ``close``.

    Attributes:
        episodes: Validation episodes.

    Raises:
        TrainingError: The folder holds something else, a run with another recipe, other lists,
            other features or other code of a custom method, or a run that is in progress.
        EpisodeError: The episodes cannot be drawn from the validation list, or belong to another
            list.
    """

    def __init__(
        self,
        path: Path,
        recipe: Recipe,
        data: TrainingData,
        protocol: Protocol,
        *,
        lock: bool = True,
    ) -> None:
        self.path = path
        self._board: Any = None
        self._lock: int | None = None
        if not (path / RUN_RECIPE).exists():
            if path.exists() and not (path.is_dir() and _is_new(path)):
                raise TrainingError(
                    "not the folder of a training run",
                    where=str(path),
                    expected="a new or empty folder, or the folder of the same run",
                )
            drawn = _draw(data.val, protocol)  # A refused protocol leaves no folder.
        if lock:
            self._acquire()
        try:
            if not (path / RUN_RECIPE).exists():
                self._begin(recipe, data, drawn)
            self._check(recipe, data)
            self.episodes = self._episodes(data.val, protocol)
        except BaseException:
            self.close()
            raise

    def _acquire(self) -> None:
        path = self.path / LOCK
        with output_errors(path):
            make_folder(self.path)
            self._lock = exclusive(path)
        if self._lock is None:
            raise TrainingError(
                "a run is in progress in this folder",
                where=str(self.path),
                hint="Wait for its end, or train into another folder.",
            )

    def _begin(self, recipe: Recipe, data: TrainingData, episodes: EpisodeSet) -> None:
        lists = json.dumps(_lists(recipe, data), indent=2, ensure_ascii=False)
        write_text(self.path / LISTS_NAME, f"{lists}\n")
        write_text(self.path / RUN_RECIPE, recipe.model_dump_json(indent=2) + "\n")
        save(episodes, self.path / EPISODES_FILE)

    def _check(self, recipe: Recipe, data: TrainingData) -> None:
        previous = RECIPE_OF_RUN.model(self.path / RUN_RECIPE, Recipe)
        if changed := [
            n for n in Recipe.model_fields if getattr(previous, n) != getattr(recipe, n)
        ]:
            raise self._other("with another recipe", f"one that differs in {', '.join(changed)}")
        lists, recorded = _lists(recipe, data), LISTS_FILE.json(self.path / LISTS_NAME)
        added = {name: lists[name] for name in ("features", "method")}
        if not isinstance(recorded, dict) or recorded | added != lists:
            raise self._other("with other videos or class names")
        recorded = added | recorded
        if recorded["features"] != lists["features"]:
            raise self._other("on other features")
        if recorded["method"] != lists["method"]:
            raise self._other("of a method whose file has changed")

    def _other(self, what: str, got: str = "") -> TrainingError:
        return TrainingError(
            f"the folder holds a run {what}",
            where=str(self.path),
            got=got,
            hint="Train into another folder.",
        )

    @property
    def state(self) -> Path:
        """Path of the state."""
        return self.path / RUN_STATE

    def _episodes(self, videos: VideoList, protocol: Protocol) -> EpisodeSet:
        file = self.path / EPISODES_FILE
        if not file.exists():
            save(_draw(videos, protocol), file)
        episodes = load(file)
        episodes.check_list(videos)
        return episodes

    def resume(self, position: Position | None) -> None:
        """Remove metrics after a position, all if it is None, and files of an interrupted run."""
        remove_leftovers(self.path)
        lines = [
            line
            for line in read_metrics(self.path)
            if position and (line["stage"], line["step"]) <= (position.stage, position.step)
        ]
        write_text(self.path / METRICS, "".join(f"{json.dumps(line)}\n" for line in lines))

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
        """Sync the metrics to disk, so that a state never has more steps than the metrics.

        Raises:
            OutputError: They cannot be written.
        """
        path = self.path / METRICS
        with output_errors(path):
            sync(path)

    def close(self) -> None:
        """Close TensorBoard's file and release the lock."""
        if self._board:
            self._board.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def check_best(self) -> None:
        """Check that the selected checkpoint exists; later validations are compared with it.

        Raises:
            TrainingError: It is missing.
        """
        if not (self.path / BEST).is_file():
            raise TrainingError(
                "the selected checkpoint of the run is missing",
                where=str(self.path / BEST),
                expected=f"the checkpoint that belongs to {RUN_STATE}",
                hint=RESTORE,
            )


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the metrics of a run, line by line; an incomplete last line is left out.

    Raises:
        TrainingError: The file cannot be read, or a line is damaged.
    """
    file = folder / METRICS
    if not file.exists():
        return []
    # A power loss can leave zeros at the end. Text after the last line break is incomplete.
    content = METRICS_FILE.content(file).rstrip(b"\0")
    lines = METRICS_FILE.decode(content, str(file)).split("\n")[:-1]
    records = [METRICS_FILE.parse(line, f"{file}, line {i}") for i, line in enumerate(lines, 1)]
    for number, line in enumerate(records, 1):
        METRICS_FILE.validate(line, _Metrics, f"{file}, line {number}")
    return records


def _is_new(path: Path) -> bool:
    """Return whether a folder is empty, or has only files of a run that was killed at its start."""
    return all(
        child.name in (LISTS_NAME, LOCK) or is_temporary(child.name) for child in path.iterdir()
    )


def _lists(recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    """Return the facts of the lists, of their features, text embeddings, and a custom method."""
    sources = (data.train_source, data.val_source)
    name = methods.DEFAULT_METHOD if recipe.method.name == "auto" else recipe.method.name
    method: Any = methods.REGISTRY.get(name)
    return {
        "method": code_of(method),
        "train": _facts(data.train),
        "val": _facts(data.val),
        "features": [None if source is None else source.digest for source in sources],
        **_texts(data),
    }


def _texts(data: TrainingData) -> dict[str, Any]:
    """Return the facts of the text embeddings; empty without text."""
    if data.train_text is None:
        return {}
    texts = known_texts(data.train_text)
    return {"text": {**texts.facts.model_dump(mode="json"), "names": list(texts.names)}}


def _facts(videos: VideoList) -> dict[str, Any]:
    return {
        "name": videos.name,
        "sha256": videos.digest,
        "videos": len(videos.videos),
        "classes": list(videos.classes),
        "flags": list(videos.flags),
    }


def _draw(videos: VideoList, protocol: Protocol) -> EpisodeSet:
    """Draw the validation episodes."""
    try:
        return draw(videos, protocol)
    except EpisodeError as error:
        raise EpisodeError(
            error.what,
            where=f"validation classes of {error.where}",
            got=error.got,
            expected=error.expected,
            hint=f"{error.hint} --set validation.ways=N changes the recipe.".strip(),
        ) from None


POINTS = 200
"""Largest number of points of a curve; neighbours are averaged if there are more."""

Curve = Sequence[tuple[float, float]]


def write_card(folder: RunFolder, recipe: Recipe, data: TrainingData, position: Position) -> None:
    """Write README.md and its figure of the run so far."""
    losses, validations = _curves(recipe, read_metrics(folder.path))
    write_text(folder.path / CURVE, _figure(losses, validations))
    write_text(folder.path / README, _text(recipe, data, position, validations))


def _text(recipe: Recipe, data: TrainingData, position: Position, validations: Curve) -> str:
    best = position.best
    selection = (
        f"{best.accuracy:.2f} % on the validation episodes, stage {best.stage + 1} after step "
        f"{best.step}; the best of {len(validations)} validations. Test classes were not used."
        if best
        else "nothing yet"
    )
    validation, source = recipe.validation, data.train_source
    episodes = f"{validation.count} episodes, {validation.ways} ways, {validation.shots} shots"
    part = recipe.backbone
    network = f"`{part.name}`, initial weights {part.weights}"
    features = network if source is None else f"stored features, {source.name}"
    stages = "\n".join(
        f"{number}. {stage.kind}, from {stage.inputs}: {stage.steps} steps of "
        f"{stage.batch} × {stage.accumulate} "
        f"{'episodes' if isinstance(stage, EpisodesStage) else 'videos'} a device, "
        f"{stage.optimiser}, rate {stage.lr:g}"
        for number, stage in enumerate(recipe.stages, 1)
    )
    flipped = "yes" if flips(recipe.augment.flip, data.train.name) else "no"
    named = ""
    if data.train_text is not None:
        facts = known_texts(data.train_text).facts
        named = f"| class names | by `{facts.encoder}`, {len(facts.templates)} prompts each |\n"
    changed = "".join(
        f"- **{videos.name}, {name}**: {flag}\n"
        for name, videos in (("train", data.train), ("val", data.val))
        for flag in videos.flags
    )
    return f"""# {recipe.name}

{recipe.summary}

| | |
|---|---|
| method | `{recipe.method.name}` |
| backbone | {features} |
{named}| trained on | {_size(data.train)} |
| chosen by | {_size(data.val)}; {episodes} |
| chosen | {selection} |
| precision, seed | {recipe.precision}, {recipe.seed} |
| horizontal flip | {flipped} |
| fewact | {__version__} |

{stages}

{changed}
![Loss and validation accuracy over the steps]({CURVE})

`{RUN_RECIPE}` is the recipe as it was run, `metrics.jsonl` has every step. Use it:

```
fewact evaluate THIS-FOLDER --data DATA
fewact teach CLIPS -o MODEL --method THIS-FOLDER
```
"""


def _size(videos: VideoList) -> str:
    return f"{videos.name}: {len(videos.videos)} videos, {len(videos.classes)} classes"


def _curves(recipe: Recipe, metrics: Sequence[dict[str, Any]]) -> tuple[Curve, Curve]:
    """Return loss and accuracy over the steps of all stages."""
    starts = [0]
    for stage in recipe.stages:
        starts.append(starts[-1] + stage.steps)
    losses, validations = [], []
    for line in metrics:
        step = float(starts[line["stage"]] + line["step"])
        if "accuracy" in line:
            validations.append((step, float(line["accuracy"])))
        else:
            losses.append((step, sum(v for name, v in line.items() if name not in RESERVED_NAMES)))
    return losses, validations


def _figure(losses: Curve, validations: Curve) -> str:
    """Return an SVG of both curves over the same steps, each with its own axes."""
    panels = [
        Panel(name.capitalize(), [_line(name, curve)], "step", unit)
        for name, curve, unit in (
            ("loss", _thinned(losses), "loss"),
            ("validation accuracy", validations, "accuracy, %"),
        )
        if curve
    ]
    if not panels:
        return svg.document(640, 40, [svg.text(16, 24, "no step yet")], title="Loss and accuracy")
    return line_chart(*panels)


def _line(name: str, curve: Curve) -> Line:
    """Return a line whose legend has its best and its last value."""
    values = [y for _, y in curve]
    best = f"lowest {min(values):.3g}" if name == "loss" else f"highest {max(values):.2f}"
    last = f"last {values[-1]:.3g}" if name == "loss" else f"last {values[-1]:.2f}"
    return Line(f"{name}: {best}, {last}", [x for x, _ in curve], values)


def _thinned(curve: Curve) -> Curve:
    size = -(-len(curve) // POINTS) or 1
    parts = [curve[i : i + size] for i in range(0, len(curve), size)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]
