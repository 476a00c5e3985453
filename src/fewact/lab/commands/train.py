"""``fewact train``, ``recipes`` and ``convert``: trained methods."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.command import SpecOptions, with_specs
from fewact.cli.options import Imports, Quiet, output_option, parse_options
from fewact.cli.output import print_result_tables, print_table, progress
from fewact.core.atomic import check_output_folder
from fewact.core.errors import OptionError
from fewact.core.extras import check_extra
from fewact.lab.commands.options import DATA, Text, check_data
from fewact.lab.evaluation.spec import DataSpec
from fewact.networks import TextSpec
from fewact.networks.card import check_device_name

if TYPE_CHECKING:
    from fewact.lab.training import Recipe, TrainingData


CUSTOM_DATA = "CLIPS"
"""Data of a recipe that is not for a benchmark."""


@dataclass(frozen=True, kw_only=True)
class RecipeChoice:
    """Recipe and its changes."""

    name: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="Recipe: a name of `fewact recipes`, or a .toml file."
        ),
    ]
    set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Value of the recipe to change, such as stages.1.lr=1e-4 for the second stage; "
            "can be repeated.",
        ),
    ] = None
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Backbone that the recipe is adapted to, one that `fewact recipes` lists for it "
            "(default: the recipe's own).",
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
    text: Text


@dataclass(frozen=True, kw_only=True)
class TrainingSource:
    """Data to train on, and other data to evaluate on."""

    details: Annotated[
        dict[str, Any],
        SpecOptions("Data", DataSpec, without=("source", "split", "groups", "poses")),
    ]
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "--base",
            metavar="DATA",
            help=f"{DATA.removesuffix('.')} (default: the first benchmark of the recipe). The "
            "recipe is adapted to a benchmark that `fewact recipes` lists for it.",
            rich_help_panel="Data",
        ),
    ] = None
    novel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATA",
            help="Other data to evaluate on after the training, with the episodes of the "
            "validation; can be repeated. Training videos in them are refused.",
            rich_help_panel="Data",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Device and processes."""

    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Device to train on: auto, cpu or cuda.",
            callback=check_device_name,
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


@with_specs
def train(
    choice: RecipeChoice,
    output: Annotated[Path, output_option("FOLDER", "Folder for the run; may hold a stopped run.")],
    source: TrainingSource,
    machine: Machine,
    quiet: Quiet = False,
) -> None:
    """Train a method on the training classes of a benchmark.

    A recipe describes the training. The validation classes select the checkpoint. An interrupted
    command continues where it stopped when it is run again. To use several GPUs or nodes, start it
    with torchrun --nproc-per-node 4 --no-python fewact train ..., or with srun.
    """
    check_extra("training", "lab", "lightning_fabric")
    from fewact.lab import training

    adapted_to = {"data": source.data or "", "backbone": choice.backbone or ""}
    data = _data(source.data, training.read(choice.name, {}, **adapted_to).data)
    check_output_folder(output)
    for name in source.novel or ():
        check_data(name)
    from fewact.lab.training.fabric import decoding_processes

    recipe = _recipe(choice, adapted_to)
    config = DataSpec(source=data, **source.details)
    opened = _open(config, recipe)
    workers = decoding_processes(machine.device) if machine.workers is None else machine.workers
    first = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
    with progress("Training", quiet=quiet or not first) as show:
        trained = training.train(
            recipe, opened, output, device=machine.device, workers=workers, progress=show
        )
    if not first:
        return
    best = trained.best
    print(
        f"Selected checkpoint: stage {best.stage + 1}, step {best.step}, "
        f"{best.accuracy:.1f} % on the validation classes of {opened.val.name}"
    )
    print(f"Saved to {output}. Next: {_next(output, config, recipe)}")
    if source.novel:
        _evaluate(output, source.novel, config, recipe, choice.text, quiet=quiet)


def _recipe(choice: RecipeChoice, adapted_to: dict[str, str]) -> "Recipe":
    """Return the recipe with its changes; options of texts need a method that uses class names."""
    from fewact.lab.evaluation.texts import refuse_texts
    from fewact.lab.methods import stand_in
    from fewact.lab.training import read

    changes = parse_options(choice.set or (), flag="--set")
    if choice.weights is not None:
        changes["backbone.weights"] = choice.weights
    recipe = read(choice.name, changes | _text_changes(choice.text), **adapted_to)
    if not stand_in(recipe.method.name, recipe.method.options).uses_text:
        refuse_texts(choice.text)
    return recipe


def _next(run: Path, data: DataSpec, recipe: "Recipe") -> str:
    """Return the command that evaluates a trained method."""
    from fewact.lab.evaluation import EvaluationSpec
    from fewact.lab.evaluation.spec import command_of
    from fewact.methods import REGISTRY
    from fewact.methods.files import imported_file

    file = imported_file(REGISTRY.get(recipe.method.name))
    return command_of(EvaluationSpec(method=str(run), data=data), file)


def _evaluate(
    run: Path, novel: list[str], base: DataSpec, recipe: "Recipe", text: TextSpec, *, quiet: bool
) -> None:
    """Evaluate a trained method on other data, with the episodes of the recipe's validation."""
    from fewact.lab.evaluation import EvaluationSpec, Protocol, evaluate
    from fewact.lab.evaluation.pages import result_table

    validation = recipe.validation.model_dump(exclude={"every"})
    results = []
    for name in novel:
        data = DataSpec(source=name, store=base.store if Path(name).suffix != ".npz" else None)
        output = run / f"novel-{Path(name).stem.replace(':', '-')}.json"
        spec = EvaluationSpec(
            method=str(run), data=data, episodes=Protocol(**validation), text=text, output=output
        )
        with progress(f"Evaluating on {name}", quiet=quiet) as show:
            results.append(
                evaluate(spec, progress=lambda stage, done, total: show(done, total, stage))
            )
    print_result_tables([result_table(results)], "table")


def _text_changes(text: TextSpec) -> dict[str, Any]:
    from fewact.lab.evaluation.texts import read_prompts

    changes = {f"text.{name}": value for name, value in text.requested.items()}
    if text.prompts:
        changes["text.prompts"] = read_prompts(text.prompts)
    return changes


def _data(requested: str | None, of_recipe: str) -> str:
    """Return the data to train on; a benchmark without its list has the list of the recipe."""
    if requested is None and of_recipe == CUSTOM_DATA:
        raise OptionError("the recipe is for your clips", where="--data", got="none")
    if requested is None or of_recipe.startswith(f"{requested}_"):
        return of_recipe
    return check_data(requested)


def recipes(
    name: Annotated[str | None, typer.Argument(help="Name of a recipe to print.")] = None,
) -> None:
    """List the recipes that come with fewact, or print one.

    A recipe has a setting for each of its benchmarks and backbones.
    """
    from fewact.lab import training

    if name is not None:
        print(training.text_of(name), end="")
        return
    rows = []
    for file in training.names():
        variants = training.adaptations(file)
        benchmarks = dict.fromkeys(recipe.data for recipe in variants)
        backbones = dict.fromkeys(recipe.backbone for recipe in variants)
        recipe = training.read(file)
        data = ", ".join(filter(None, benchmarks)) or recipe.data
        networks = ", ".join(filter(None, backbones)) or recipe.backbone.name
        rows.append((file, data, networks, recipe.summary))
    print_table(("recipe", "data", "backbones", "description"), rows)
    print("\nThe first data and the first backbone are the default of a recipe.")


def _open(config: DataSpec, recipe: "Recipe") -> "TrainingData":
    """Return the training and validation videos, with their features if these exist already."""
    from fewact.data import VideoList
    from fewact.features.store import Store
    from fewact.lab.evaluation import ArrayFeatures, FeatureSource, open_videos
    from fewact.lab.store.stored import StoredFeatures, choose_card
    from fewact.lab.training import TrainingData

    def opened(split: str) -> tuple[VideoList, FeatureSource | None]:
        videos, features = open_videos(config.model_copy(update={"split": split}))
        if features is not None:
            return videos, ArrayFeatures(features.of(videos), features.videos.name)
        if config.store is None:
            return videos, None
        store = Store(config.store)
        card = choose_card(store, recipe.backbone)
        return videos, StoredFeatures(store, videos, card, data=config.source)

    (train, train_source), (val, val_source) = opened("train"), opened("val")
    return TrainingData(train, val, train_source, val_source)


def convert(
    file: Annotated[
        Path,
        typer.Argument(
            help="Checkpoint of the public code of CLIP-SPM, TRX, STRM, HyRSM, MoLo, TEAM or "
            "CLIP-FSAR: .safetensors, or .pt with --sha256."
        ),
    ],
    benchmark: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Benchmark that it was trained on: hmdb51, ucf101, kinetics100, ssv2-small or "
            "ssv2-full.",
        ),
    ],
    output: Annotated[Path, output_option("FOLDER", "Folder for the checkpoint.")],
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="SHA-256 of the file, which a .pt file needs."),
    ] = None,
) -> None:
    """Convert a checkpoint of a method's public code to one of fewact.

    The image encoder and the method are converted; frames are then prepared as in the public code.
    Options are read from shapes and from settings in the file. Options that the file does not show
    are printed. CLIP's text encoder is not in the file: `fewact evaluate` gets it by
    --text-weights. Nothing in a .pt file is run, and it is read only if --sha256 is its hash.
    """
    check_output_folder(output)
    from fewact.lab.methods import stand_in
    from fewact.lab.training.published import convert

    header, hidden = convert(file, output, benchmark, sha256=sha256)
    print(f"{header.name}, {header.backbone.name}, {header.trained_on.name}")
    if hidden:
        values = ", ".join(f"{option}={value}" for option, value in hidden.items())
        print(f"Not in the file, so as published: {values}. Change by `evaluate --option`.")
    uses_text = stand_in(header.name, header.options).uses_text
    text = " --text-encoder clip --text-weights WEIGHTS" if uses_text else ""
    print(
        f"Saved to {output}. Next: fewact evaluate {shlex.quote(str(output))} "
        f"--data {header.trained_on.name}{text}"
    )
