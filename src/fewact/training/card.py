"""README of a run: method, training data, selection of the checkpoint, and curves."""

from collections.abc import Sequence
from typing import Any

from fewact import svg
from fewact.data.videos import VideoList
from fewact.io.atomic import write_text
from fewact.text import known_texts
from fewact.training.augment import flips
from fewact.training.data import TrainingData
from fewact.training.recipe import EpisodesStage, Recipe
from fewact.training.run_folder import CURVE, README, RECIPE, RunFolder
from fewact.training.state import Position
from fewact.version import __version__

WIDTH, HEIGHT, MARGIN = 640, 240, 40
POINTS = 200
"""Largest number of points of a curve; neighbours are averaged if there are more."""

Curve = Sequence[tuple[float, float]]


def write_card(folder: RunFolder, recipe: Recipe, data: TrainingData, position: Position) -> None:
    """Write README.md and its figure of the run so far."""
    losses, validations = _curves(recipe, folder.metrics())
    write_text(folder.path / CURVE, _figure(losses, validations))
    write_text(folder.path / README, _text(recipe, data, position, validations))


def _text(recipe: Recipe, data: TrainingData, position: Position, validations: Curve) -> str:
    best = position.best
    chosen = (
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
| chosen | {chosen} |
| precision, seed | {recipe.precision}, {recipe.seed} |
| horizontal flip | {flipped} |
| fewact | {__version__} |

{stages}

{changed}
![Loss and validation accuracy over the steps]({CURVE})

`{RECIPE}` is the recipe as it was run, `metrics.jsonl` has every step. Use it:

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
            parts = ("stage", "step", "gradient", "rate")
            losses.append((step, sum(v for name, v in line.items() if name not in parts)))
    return losses, validations


def _figure(losses: Curve, validations: Curve) -> str:
    """Return an SVG of both curves over the same steps, each on its own scale."""
    last = max((step for step, _ in (*losses, *validations)), default=0.0) or 1.0
    parts = [
        *_line(_thinned(losses), last, svg.GREY, "loss", MARGIN + 14),
        *_line(_thinned(validations), last, svg.COLOURS[0], "validation accuracy", MARGIN),
        svg.text(WIDTH - MARGIN, HEIGHT - 12, f"{last:.0f} steps", anchor="end"),
    ]
    return svg.document(WIDTH, HEIGHT, parts, title="Loss and validation accuracy")


def _line(curve: Curve, last: float, colour: str, name: str, at: int) -> list[str]:
    """Return a curve and its legend at a height."""
    if not curve:
        return []
    low, high = min(y for _, y in curve), max(y for _, y in curve)
    across, up = WIDTH - 2 * MARGIN, HEIGHT - 3 * MARGIN
    points = [
        (MARGIN + across * x / last, HEIGHT - MARGIN - up * (y - low) / ((high - low) or 1))
        for x, y in curve
    ]
    legend = f"{name}: {low:.3g} to {high:.3g}, last {curve[-1][1]:.3g}"
    return [svg.polyline(points, colour), svg.text(MARGIN, at - 16, legend, colour=colour)]


def _thinned(curve: Curve) -> Curve:
    size = -(-len(curve) // POINTS) or 1
    parts = [curve[i : i + size] for i in range(0, len(curve), size)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]
