"""README of a run: method, training data, selection of the checkpoint, and curves."""

from collections.abc import Sequence
from typing import Any

from fewact.backbones.text import known_texts
from fewact.core import svg
from fewact.core.atomic import write_text
from fewact.core.chart import Line, Panel, line_chart
from fewact.core.version import __version__
from fewact.data.videos import VideoList
from fewact.evaluation.checkpoint import RECIPE
from fewact.training.augment import flips
from fewact.training.data import TrainingData
from fewact.training.recipe import EpisodesStage, Recipe
from fewact.training.run_folder import CURVE, README, RESERVED, RunFolder
from fewact.training.state import Position

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
            losses.append((step, sum(v for name, v in line.items() if name not in RESERVED)))
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
