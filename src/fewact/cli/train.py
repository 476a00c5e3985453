"""``fewact train`` and ``fewact recipes``: learning from base classes."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.episodes import (
    DATA,
    AllowMissing,
    Dataset,
    Groups,
    Root,
    Split,
    Splits,
    WhatIsThere,
    open_list,
)
from fewact.cli.options import Device, Quiet, parse_options
from fewact.cli.output import print_table
from fewact.cli.progress import progress
from fewact.cli.texts import Prompts, TextEncoder, TextOptions, TextWeights
from fewact.errors import OptionError

if TYPE_CHECKING:
    from fewact.data import VideoList
    from fewact.features.sources import FeatureSource
    from fewact.training import Recipe, TrainingData

ONES_OWN = "CLIPS"
"""The data of a recipe that is for no benchmark."""


def train(
    recipe: Annotated[str, typer.Argument(help="See `fewact recipes`; or a .toml file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the run, new or one to go on with.")
    ],
    data: Annotated[
        str | None, typer.Option(help=f"The recipe's benchmark by default. {DATA}")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Features that `fewact embed` has stored, for stages that take such."),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Change the recipe: stages.1.lr=1e-4, seed=1."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="That the backbone begins with, instead of the recipe's.")
    ] = None,
    text_encoder: TextEncoder = None,
    text_weights: TextWeights = None,
    prompts: Prompts = None,
    dataset: Dataset = None,
    root: Root = None,
    splits: Splits = None,
    availability: WhatIsThere = None,
    allow_missing: AllowMissing = False,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode videos.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train a method by a recipe, on training classes alone.

    Validation classes choose the checkpoint. The same call goes on where it was stopped. For
    several GPUs or nodes: torchrun --nproc-per-node 4 --no-python fewact train ..., or srun.
    """
    changes = parse_options(set or ())
    if weights is not None:
        changes["backbone.weights"] = weights
    asked = TextOptions(text_encoder, text_weights, prompts)
    from fewact import methods, training
    from fewact.evaluation.texts import read_prompts

    changes |= {f"text.{name}": value for name, value in asked.given.items()}
    if prompts is not None:
        changes["text.prompts"] = read_prompts(prompts)
    chosen = training.read(recipe, changes)
    if not methods.create(chosen.method.name, **chosen.method.options).uses_text:
        asked.refuse("the method reads no class names")
    named = data or chosen.data
    if named == ONES_OWN:
        raise OptionError("the recipe is for clips of one's own", where="--data", got="none")
    which = {
        "groups": Groups.AUTO,
        "dataset": dataset,
        "root": root,
        "splits": splits,
        "availability": availability,
        "allow_missing": allow_missing,
    }
    fitted = _open(named, chosen, store, which)
    first = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
    with progress("Training", quiet=quiet or not first) as show:
        trained = training.train(
            chosen, fitted, output, device=device, workers=workers, progress=show
        )
    if not first:
        return
    best = trained.best
    print(
        f"Chosen: {best.accuracy:.1f} % on {fitted.val.name}, validation, "
        f"stage {best.stage + 1}, step {best.step}"
    )
    print(f"Saved to {output}. Next: fewact evaluate {output} --data {named}")


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this one, with its comments.")] = None,
) -> None:
    """List the recipes that come with fewact."""
    from fewact import training

    if name is not None:
        print(training.text_of(name), end="")
        return
    print_table(
        ("recipe", "what it trains"),
        [(one, training.read(one).summary) for one in training.names()],
    )


def _open(data: str, recipe: "Recipe", store: Path | None, which: dict[str, Any]) -> "TrainingData":
    """The two lists, and their features where they are stored."""
    from fewact.evaluation import ArrayFeatures
    from fewact.training import TrainingData

    def of(split: Split) -> tuple["VideoList", "FeatureSource | None"]:
        videos, features = open_list(data, split=split, **which)
        if features is not None:
            return videos, ArrayFeatures(features.of(videos), features.videos.name)
        return videos, None if store is None else _stored(store, videos, recipe, data)

    (train, train_source), (val, val_source) = of(Split.TRAIN), of(Split.VAL)
    return TrainingData(train, val, train_source, val_source)


def _stored(store: Path, videos: "VideoList", recipe: "Recipe", data: str) -> "FeatureSource":
    from fewact.features.store import Store
    from fewact.features.stored import StoredFeatures, choose_card

    there = Store(store)
    card = choose_card(there, recipe.backbone.name)
    return StoredFeatures(there, videos, card, data=data)
