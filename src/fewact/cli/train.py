"""``fewact train`` and ``fewact recipes``: training on base classes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from fewact.cli import early
from fewact.cli.episodes import DATA
from fewact.cli.option_groups import OptionGroup, with_option_groups
from fewact.cli.options import BenchmarkOptions, Dataset, Imports, Quiet, parse_options
from fewact.cli.output import print_table
from fewact.cli.progress import progress
from fewact.cli.texts import TextOptions
from fewact.core.atomic import check_output_folder
from fewact.core.errors import OptionError

if TYPE_CHECKING:
    from fewact.evaluation import DataConfig
    from fewact.training import Recipe, TrainingData

CUSTOM_DATA = "CLIPS"
"""Data of a recipe that is not for a benchmark."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(OptionGroup):
    """Options that change the recipe or the run."""

    heading: ClassVar[str] = "Training"

    set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Value of the recipe to change, such as stages.1.lr=1e-4 for the second stage; "
            "can be repeated.",
        ),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Initial weights of the backbone (default: those of the recipe).",
        ),
    ] = None
    imports: Imports = None
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Device to train on: auto, cpu or cuda.", callback=early.device
        ),
    ] = "auto"
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Number of processes that decode videos for one device (default: on a GPU one per "
            "core, at most 8; on a CPU 0, the network needs the cores).",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TrainingDataOptions(OptionGroup):
    """Options that choose the training data."""

    heading: ClassVar[str] = "Data"

    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help=f"{DATA.removesuffix('.')} (default: the benchmark of the recipe).",
            callback=early.data,
        ),
    ] = None
    dataset: Dataset = None
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Feature store written by `fewact embed`, for stages that train on features.",
        ),
    ] = None


@with_option_groups
def train(
    recipe: Annotated[
        str, typer.Argument(help="Recipe: a name of `fewact recipes`, or a .toml file.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder for the run; may hold a stopped run."
        ),
    ],
    training: TrainingOptions,
    videos: TrainingDataOptions,
    benchmark: BenchmarkOptions,
    text: TextOptions,
    quiet: Quiet = False,
) -> None:
    """Train a method on the training classes of a benchmark.

    A recipe describes the training. The validation classes select the checkpoint. An interrupted
    command continues where it stopped when it is run again. To use several GPUs or nodes, start it
    with torchrun --nproc-per-node 4 --no-python fewact train ..., or with srun.
    """
    early.extra("training", "train", "lightning_fabric")
    check_output_folder(output)
    changes = parse_options(training.set or (), flag="--set")
    if training.weights is not None:
        changes["backbone.weights"] = training.weights
    from fewact import methods
    from fewact import training as subpackage
    from fewact.evaluation import DataConfig, EvaluationConfig
    from fewact.evaluation.command import command_of
    from fewact.evaluation.texts import read_prompts
    from fewact.methods.cards import stand_in
    from fewact.methods.files import imported_file
    from fewact.training.devices import decoding_processes

    changes |= {f"text.{name}": value for name, value in text.requested.items()}
    if text.prompts is not None:
        changes["text.prompts"] = read_prompts(text.prompts)
    chosen = subpackage.read(recipe, changes)
    if not stand_in(chosen.method.name, chosen.method.options).uses_text:
        text.refuse()
    data = videos.data or chosen.data
    if data == CUSTOM_DATA:
        raise OptionError("the recipe is for your clips", where="--data", got="none")
    config = DataConfig(
        source=data,
        dataset=videos.dataset,
        store=videos.store,
        **vars(benchmark),
    )
    opened = _open(config, chosen)
    workers = training.workers
    if workers is None:
        workers = decoding_processes(training.device)
    first = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
    with progress("Training", quiet=quiet or not first) as show:
        trained = subpackage.train(
            chosen,
            opened,
            output,
            device=training.device,
            workers=workers,
            progress=show,
        )
    if not first:
        return
    best = trained.best
    print(
        f"Selected checkpoint: stage {best.stage + 1}, step {best.step}, "
        f"{best.accuracy:.1f} % on the validation classes of {opened.val.name}"
    )
    next_config = EvaluationConfig(method=str(output), data=config)
    file = imported_file(methods.REGISTRY.get(chosen.method.name))
    print(f"Saved to {output}. Next: {command_of(next_config, file)}")


def recipes(
    name: Annotated[str | None, typer.Argument(help="Name of a recipe to print.")] = None,
) -> None:
    """List the recipes that come with fewact, or print one."""
    from fewact import training

    if name is not None:
        print(training.text_of(name), end="")
        return
    print_table(
        ("recipe", "description"),
        [(one, training.read(one).summary) for one in training.names()],
    )


def _open(config: "DataConfig", recipe: "Recipe") -> "TrainingData":
    """Return the training and validation videos, with their features if these exist already."""
    from fewact.data import VideoList
    from fewact.evaluation import ArrayFeatures, FeatureSource, open_videos
    from fewact.features.store import Store
    from fewact.features.stored import StoredFeatures, choose_card
    from fewact.training import TrainingData

    def opened(split: str) -> tuple[VideoList, FeatureSource | None]:
        videos, features = open_videos(config.model_copy(update={"split": split}))
        if features is not None:
            return videos, ArrayFeatures(features.of(videos), features.videos.name)
        if config.store is None:
            return videos, None
        store = Store(config.store)
        card = choose_card(store, recipe.backbone.name, options=recipe.backbone.options)
        return videos, StoredFeatures(store, videos, card, data=config.source)

    (train, train_source), (val, val_source) = opened("train"), opened("val")
    return TrainingData(train, val, train_source, val_source)
