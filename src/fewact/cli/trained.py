"""Trained methods on the command line: wherever a method is named, a run's folder may stand."""

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from fewact.checkpoint import Checkpoint
    from fewact.methods.base import Method

METHOD = "Method: a name of `fewact methods`, or a folder written by `fewact train`."


def find(method: str) -> "Checkpoint | None":
    """The checkpoint that a text names; None where it names a registered method.

    Raises:
        WeightsError: There is a folder or file of this name that holds none.
    """
    from fewact import checkpoint

    return checkpoint.read(method) if checkpoint.is_checkpoint(method) else None


def make(method: str, trained: "Checkpoint | None", options: dict[str, Any]) -> "Method":
    """The method that was asked for, with options; of a trained one these replace its own."""
    from fewact import methods

    return methods.create(method, **options) if trained is None else trained.method(**options)


def backbone_of(
    context: typer.Context, trained: "Checkpoint | None"
) -> tuple[str, str, str, dict[str, Any]]:
    """Name, weights, precision and options of the backbone: as given, else as it was trained."""
    given = {
        name: str(context.params[name])
        for name in ("backbone", "weights", "precision")
        if (origin := context.get_parameter_source(name)) is not None
        and origin.name == "COMMANDLINE"
    }
    usual = {"backbone": "auto", "weights": "default", "precision": "auto"}
    options: dict[str, Any] = {}
    if trained is not None:
        needs = trained.header.backbone
        # Of features that were handed in there is no network to make.
        if needs.weights and given.get("backbone", needs.name) == needs.name:
            usual = {
                "backbone": needs.name,
                "weights": trained.backbone_weights,
                "precision": needs.precision,
            }
            options = needs.options
    found = usual | given
    return found["backbone"], found["weights"], found["precision"], options
