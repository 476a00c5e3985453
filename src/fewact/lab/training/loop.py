"""The training loop, top to bottom."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from lightning_fabric import Fabric
from torch import Tensor

from fewact.core.atomic import check_output_folder
from fewact.core.errors import OutputError, RecipeError, TrainingError, did_you_mean, warn
from fewact.core.paths import user_path
from fewact.core.random import RandomStream
from fewact.data.videos import GroupScope, VideoList
from fewact.lab.evaluation import FeatureSource
from fewact.lab.evaluation.episodes import Protocol
from fewact.lab.training import state as states
from fewact.lab.training.batches import (
    Batch,
    Drawing,
    FeatureBatches,
    FrameBatches,
    drawing,
    load,
)
from fewact.lab.training.data import TrainingData, with_texts
from fewact.lab.training.fabric import end_group_at_exit, make_fabric, reproducible
from fewact.lab.training.learner import Learner, losses_of_zeros, make_learner
from fewact.lab.training.optimising import (
    Average,
    StepStatistics,
    freeze,
    make_optimiser,
    set_rates,
)
from fewact.lab.training.recipe import EpisodesStage, Recipe, TrainingStage
from fewact.lab.training.run_folder import METRICS, RESERVED_NAMES, RunFolder, write_card
from fewact.lab.training.state import Best, Position, State
from fewact.lab.training.validation import (
    network_features,
    save_best,
    save_stopped,
    snapshot,
    validate,
)
from fewact.video import VideoWarning

STOPPED = "stopped/state.safetensors"

Progress = Callable[[int, int], None]
"""Called with the number of finished steps and their total."""


@dataclass(frozen=True)
class Trained:
    """Finished training run: its folder, and the validation that chose the checkpoint in it."""

    folder: Path
    best: Best


def train(
    recipe: Recipe,
    data: TrainingData,
    folder: str | Path,
    *,
    device: str = "auto",
    workers: int = 0,
    progress: Progress | None = None,
) -> Trained:
    """Train a method by a recipe.

    Every draw depends on the recipe's seed and the step number alone. An interrupted run continues
    from its last state when the same call is repeated; on the same device and number of processes
    it ends with the same bytes. Under ``torchrun`` or ``srun`` it uses all their processes.

    Args:
        recipe: Recipe of the run.
        data: Training and validation classes.
        folder: Folder of the run: new, empty, or of the same run.
        device: Device, as in ``make_fabric``.
        workers: Number of processes that decode videos, per device; results do not depend on it.
        progress: Function called after each step.

    Raises:
        TrainingError: The folder holds something else, or a run whose checkpoint is missing. A
            video cannot be read. A loss has a reserved name. A loss is NaN or too large: the step's
            videos and the state before it are saved.
        RecipeError: A pattern of the recipe matches no parameter, no parameter is trained, or the
            method has no loss of a name in ``loss_weights``.
        UserError: A name, an option, weights or episodes are invalid.
    """
    folder = user_path(folder, OutputError)
    check_output_folder(folder)
    fabric = make_fabric(device)
    fabric.launch()
    with reproducible(fabric.device):
        data = with_texts(recipe, data, device=str(fabric.device))
        learner = make_learner(recipe, data, fabric.device)
        _check_stages(recipe, data, learner)
        with fabric.rank_zero_first():
            protocol = _protocol(recipe, data)
            run_folder = RunFolder(folder, recipe, data, protocol, lock=fabric.is_global_zero)
        with closing(run_folder):
            run = _Run(fabric, run_folder, recipe, data, learner, workers, progress)
            position = _train_stages(run)
    end_group_at_exit()  # not if it failed: the others may wait for this process
    if position.best is None:
        raise RuntimeError("a run that has never been validated")
    return Trained(run_folder.path, position.best)


@dataclass(frozen=True)
class _Run:
    """Objects that all stages share."""

    fabric: Fabric
    folder: RunFolder
    recipe: Recipe
    data: TrainingData
    learner: Learner
    workers: int
    progress: Progress | None


def _train_stages(run: _Run) -> Position:
    """Train all stages from the state of the folder on."""
    fabric, recipe, learner = run.fabric, run.recipe, run.learner
    state = states.read(run.folder.state)
    position = Position() if state is None else state.position
    if state is not None:
        state.check([stage.steps for stage in recipe.stages])
        run.folder.check_best()
        state.restore(learner)
    fabric.barrier()
    if fabric.is_global_zero:
        run.folder.resume(None if state is None else position)
    for number in range(position.stage, len(recipe.stages)):
        position = _train_stage(run, number, position, state)
        state = None
    return position


def _check_stages(recipe: Recipe, data: TrainingData, learner: Learner) -> None:
    """Find errors of all stages before anything is computed or written."""
    for number, stage in enumerate(recipe.stages):
        freeze(learner, stage)
        make_optimiser(learner, stage)
        _drawing(recipe, data, number)
        if isinstance(stage, EpisodesStage) and stage.loss_weights.keys() - {"base_class"}:
            weighted(losses_of_zeros(learner, stage), stage)
    stored = any(stage.inputs == "stored" for stage in recipe.stages)
    if stored and data.train_source is not None:
        next(data.train_source.features([0], learner.requests))


def _train_stage(run: _Run, number: int, position: Position, state: State | None) -> Position:
    """Train a stage from its current step to its end."""
    fabric, learner, recipe, stage = run.fabric, run.learner, run.recipe, run.recipe.stages[number]
    freeze(learner, stage)
    optimiser = make_optimiser(learner, stage)
    average = None if stage.ema is None else Average(learner, stage.ema)
    if state is not None and position.step:
        state.restore(learner, optimiser, average)
    learner.train()
    statistics = StepStatistics(learner, fabric)
    inputs, val_source = _inputs(run, number)
    model, tuner = fabric.setup(learner, optimiser)
    draw = _drawing(recipe, run.data, number)
    steps = range(position.step, stage.steps)
    drawn = (draw(batch) for step in steps for batch in _batches_of(stage, step, fabric))
    batches = load(inputs, drawn, workers=run.workers, device=fabric.device)
    if position == Position():
        # If training never improves on the initial weights, these are the checkpoint.
        position = _validate(run, position, average, val_source)

    for step in steps:
        factor = set_rates(optimiser, stage, step)
        statistics.begin()
        losses_of_batches = []
        for index in range(stage.accumulate):
            batch = next(batches)
            _check_read(batch)
            # Dropout and other draws of a method depend on the batch alone too.
            torch.manual_seed(_seed(recipe.seed, number, batch.drawn.number))
            accumulating = index + 1 < stage.accumulate
            with statistics.batch(), fabric.no_backward_sync(model, enabled=accumulating):
                losses_of_batches.append(_backward(fabric, model(batch), recipe, stage))
        gathered = _gather(fabric, losses_of_batches)  # by name (world · accumulate)
        norm = torch.nn.utils.clip_grad_norm_(learner.parameters(), stage.clip_norm or math.inf)
        total = torch.stack(list(gathered.values())).sum(0)  # (accumulate · world)
        if reason := _fault(total, norm, recipe.largest_loss):
            statistics.undo()
            if fabric.is_global_zero:
                states.write(run.folder.path / STOPPED, position, learner, optimiser, average)
            _stop(run, number, step, total, reason, draw)
        statistics.end(stage.accumulate)
        tuner.step()
        tuner.zero_grad()
        if average is not None:
            average.update(learner)
        position = Position(stage=number, step=step + 1, best=position.best)
        if fabric.is_global_zero:
            means = {name: float(values.mean()) for name, values in gathered.items()}
            run.folder.log(number, step + 1, {**means, "gradient": float(norm), "rate": factor})
        last = step + 1 == stage.steps
        if last or (step + 1) % recipe.validation.every == 0:
            position = _validate(run, position, average, val_source)
        if fabric.is_global_zero and not last and (step + 1) % recipe.keep_every == 0:
            run.folder.sync()
            states.write(run.folder.state, position, learner, optimiser, average)
        _report_progress(run, position)

    if average is not None:
        learner.load_state_dict(average.tensors)
    return _end_stage(run, Position(stage=number + 1, best=position.best))


def _backward(
    fabric: Fabric, losses: dict[str, Tensor], recipe: Recipe, stage: TrainingStage
) -> dict[str, Tensor]:
    """Add the gradients of a batch; return its weighted losses."""
    losses = weighted(_checked(losses, recipe), stage)
    fabric.backward(torch.stack(list(losses.values())).sum() / stage.accumulate)
    return {name: loss.detach() for name, loss in losses.items()}


def _end_stage(run: _Run, position: Position) -> Position:
    """Save the state after a stage."""
    run.learner.zero_grad()
    if run.fabric.is_global_zero:
        run.folder.sync()
        states.write(run.folder.state, position, run.learner)
        write_card(run.folder, run.recipe, run.data, position)
    run.fabric.barrier()
    return position


def _validate(
    run: _Run, position: Position, average: Average | None, source: FeatureSource | None
) -> Position:
    """Score the validation episodes, and save the checkpoint if it is the best so far."""
    best = position.best
    if run.fabric.is_global_zero:
        copied = snapshot(run.learner, average)
        result = validate(copied, run.data, run.folder.episodes, source)
        interval = {} if result.ci95 is None else {"ci95": result.ci95}
        values = {"accuracy": result.accuracy, **interval}
        run.folder.log(position.stage, position.step, values)
        if best is None or result.accuracy > best.accuracy:
            best = Best(accuracy=result.accuracy, stage=position.stage, step=position.step)
            save_best(run.folder, copied, run.recipe, run.data, best, run.folder.episodes.digest)
        write_card(run.folder, run.recipe, run.data, Position(best=best))
    return position.model_copy(update={"best": run.fabric.broadcast(best)})


def _inputs(run: _Run, number: int) -> tuple[FrameBatches | FeatureBatches, FeatureSource | None]:
    """Return the batches of a stage, and the stored features that it is validated on, if any."""
    recipe, data, learner, stage = run.recipe, run.data, run.learner, run.recipe.stages[number]
    if stage.inputs == "frames":
        batches = FrameBatches(
            data.train,
            learner.card,
            learner.counts,
            recipe.augment,
            seed=recipe.seed,
            stage=number,
        )
        return batches, None
    train, val = data.train_source, data.val_source
    network_trained = any(before.inputs == "frames" for before in recipe.stages[:number])
    if network_trained or train is None or val is None:
        # The network is frozen in this stage.
        copied = snapshot(learner, None)
        train = network_features(copied, data.train, keep=True)
        val = network_features(copied, data.val, keep=True)
    return FeatureBatches(data.train, train, learner.requests), val


def _checked(losses: dict[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """Return the losses; refuse one with the name of another number in the metrics."""
    if taken := [name for name in losses if name in RESERVED_NAMES]:
        raise TrainingError(
            f"a loss has the name of another number in {METRICS}",
            where=f"losses of method {recipe.method.name}",
            got=", ".join(taken),
            expected=f"other names than {', '.join(RESERVED_NAMES)}",
            hint="Rename the loss in the method's losses.",
        )
    return losses


def weighted(losses: dict[str, Tensor], stage: TrainingStage) -> dict[str, Tensor]:
    """Multiply losses by the recipe's weights.

    Raises:
        RecipeError: There is a weight of a loss that the method does not have.
    """
    if not isinstance(stage, EpisodesStage):
        return losses
    names = {*losses, "base_class"}
    for name in stage.loss_weights:
        if name not in names:
            raise RecipeError(
                "the method has no such loss",
                where="loss_weights",
                got=name,
                expected=", ".join(sorted(names)),
                hint=did_you_mean(name, names),
            )
    queries = stage.ways * stage.queries if stage.query_loss == "sum" else 1
    return {name: queries * stage.loss_weights.get(name, 1.0) * x for name, x in losses.items()}


def _batches_of(stage: TrainingStage, step: int, fabric: Fabric) -> Iterator[int]:
    """Yield the numbers of a step's batches on this device.

    A step has the same batches on one device that accumulates as on several that do not.
    """
    for part in range(stage.accumulate):
        yield (step * stage.accumulate + part) * fabric.world_size + fabric.global_rank


def _gather(fabric: Fabric, losses_of_batches: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Gather the losses of a step's batches from all devices: by name (accumulate · world)."""
    local = torch.stack(
        [torch.stack(list(losses.values())) for losses in losses_of_batches]
    )  # (a names)
    gathered = fabric.all_gather(local)
    if not isinstance(gathered, Tensor):
        raise TypeError("a tensor is gathered to a tensor")
    rows = gathered.view(-1, *local.shape).transpose(0, 1).flatten(0, 1).cpu()  # (a · world names)
    return dict(zip(losses_of_batches[0], rows.unbind(1), strict=True))


def _fault(losses: Tensor, norm: Tensor, largest: float) -> str:
    """Return the fault of a step; empty if there is none."""
    if not losses.isfinite().all():
        return "the loss is not finite"
    if losses.max() > largest:
        return f"the loss is above {largest:g}"
    return "" if norm.isfinite() else "the gradient is not finite"


def _stop(
    run: _Run, number: int, step: int, losses: Tensor, reason: str, draw: Drawing
) -> NoReturn:
    """Save the step's videos and end the run; the state before the step is saved already."""
    first = step * len(losses)
    drawn = [draw(first + i) for i in range(len(losses))]
    saved = str(run.folder.path / STOPPED)
    if run.fabric.is_global_zero:
        saved = save_stopped(
            run.folder, run.data, drawn, losses.tolist(), stage=number, step=step, reason=reason
        )
    raise TrainingError(
        reason,
        where=f"{run.recipe.name}, stage {number + 1}, step {step + 1}",
        got=f"losses {', '.join(f'{loss:g}' for loss in losses.tolist())}",
        hint=f"The videos of the step and the state before it are in {saved}.",
    )


def _check_read(batch: Batch) -> None:
    """Issue the warnings of a batch; refuse one with unreadable videos."""
    for text in batch.warned:
        warn(text, VideoWarning)
    if batch.unreadable:
        raise TrainingError(
            "videos cannot be read",
            got="; ".join(batch.unreadable),
            hint="Repair or remove them: `fewact data check --deep` finds all of them.",
        )


def _drawing(recipe: Recipe, data: TrainingData, number: int) -> Drawing:
    """Return the function that draws the batches of a stage."""
    groups = _groups(recipe, data.train)
    stage = recipe.stages[number]
    return drawing(data.train, stage, seed=recipe.seed, number=number, groups=groups)


def _groups(recipe: Recipe, videos: VideoList) -> GroupScope:
    return videos.groups if recipe.groups == "auto" else recipe.groups


def _protocol(recipe: Recipe, data: TrainingData) -> Protocol:
    """Return the protocol of the validation episodes."""
    validation = recipe.validation
    return Protocol(
        ways=validation.ways,
        shots=validation.shots,
        queries=validation.queries,
        count=validation.count,
        seed=validation.seed,
        groups=_groups(recipe, data.val),
    )


def _seed(*key: int) -> int:
    return RandomStream("training step", *key).below(2**63)


def _report_progress(run: _Run, position: Position) -> None:
    if run.progress is not None:
        lengths = [stage.steps for stage in run.recipe.stages]
        run.progress(sum(lengths[: position.stage]) + position.step, sum(lengths))
