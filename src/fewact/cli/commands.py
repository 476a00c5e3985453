"""All commands by name, with their modules, which are imported when a command is needed."""

import importlib
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import typer

from fewact.cli.option_groups import Command


@dataclass(frozen=True)
class Lazy:
    """Command that is not imported yet.

    Args:
        target: Module below ``fewact.cli``, a colon, and the function or Typer application there.
        summary: First sentence of its docstring, which a test compares.
    """

    target: str
    summary: str


COMMANDS: Final[dict[str, dict[str, Lazy]]] = {
    "Teach and predict": {
        "teach": Lazy("teach:teach", "Teach a classifier from a few clips of each class."),
        "predict": Lazy("predict:predict", "Predict the class of each video, or (none)."),
        "watch": Lazy("watch:watch", "Find the actions in a long recording, or watch a camera."),
        "serve": Lazy(
            "serve:serve", "Teach and use a model in the browser, on this computer only."
        ),
        "export": Lazy(
            "export:export",
            "Export a model as one file, or its network as an ONNX file.",
        ),
        "import": Lazy("export:import_model", "Make a model folder of the file of a model."),
        "demo": Lazy("demo:demo", "Teach and predict on rendered clips, or on your own."),
    },
    "Know and correct a model": {
        "info": Lazy(
            "model:info", "Show the classes of a model, its accuracy, and how it was made."
        ),
        "test": Lazy(
            "model:measure_clips",
            "Measure a model on labelled clips: accuracy with interval, confusions, each class.",
        ),
        "review": Lazy(
            "model:review",
            "Find confused classes, wrong labels and duplicates in a model, and say what to record "
            "next.",
        ),
        "explain": Lazy(
            "model:explain",
            "Explain a prediction: what speaks for the class, and which frames were matched.",
        ),
        "match": Lazy(
            "model:match",
            "Show how aligners match two clips: windows, their weights, and the plan.",
        ),
        "map": Lazy(
            "model:clip_map",
            "Draw the clips of a model, the prototypes of its classes, and new videos as points.",
        ),
        "report": Lazy(
            "results:report",
            "Write a report of a model, or of results, as one file that needs nothing else.",
        ),
        "add": Lazy(
            "edit:add", "Add training clips to a model: to a class, to a new class, or to none."
        ),
        "rename": Lazy("edit:rename", "Rename a class of a model."),
        "move": Lazy("edit:move", "Correct the label of a training clip."),
        "remove": Lazy(
            "edit:remove",
            "Remove classes or training clips from a model; the clips' files are not touched.",
        ),
        "undo": Lazy(
            "edit:undo",
            "Undo the latest change of a model: teach, import, add, rename, move or remove.",
        ),
    },
    "Methods and networks": {
        "methods": Lazy(
            "methods:methods", "List the few-shot methods, or show one with its options."
        ),
        "backbones": Lazy("methods:backbones", "List the networks that compute features."),
        "check-method": Lazy(
            "methods:check_method", "Check that a method keeps what all methods promise."
        ),
    },
    "Data": {
        "data": Lazy("data:app", "List, check and render benchmarks."),
        "embed": Lazy("embed:embed", "Compute features of labelled videos and store them on disk."),
        "episodes": Lazy("data:episodes", "Draw episodes and save them."),
    },
    "Train and evaluate": {
        "train": Lazy("train:train", "Train a method on the training classes of a benchmark."),
        "convert": Lazy(
            "train:convert", "Convert a published checkpoint of CLIP-SPM to one of fewact."
        ),
        "recipes": Lazy("train:recipes", "List the recipes that come with fewact, or print one."),
        "evaluate": Lazy(
            "evaluate:evaluate", "Compute the accuracy of a method over many episodes."
        ),
        "compare": Lazy("results:compare", "Compare each pair of results on the same episodes."),
        "confusion": Lazy(
            "results:confusion",
            "Show the accuracy of each class and the pairs of classes confused most often.",
        ),
        "stability": Lazy(
            "results:stability",
            "Show the accuracy as a function of the number of episodes.",
        ),
        "leaderboard": Lazy(
            "results:leaderboard", "List published accuracies together with your results."
        ),
    },
    "This machine": {
        "doctor": Lazy("doctor:doctor", "Report what is installed, and give advice."),
    },
}
"""The commands below the headings of ``fewact --help``."""


class LazyCommands(MutableMapping[str, Any]):
    """The commands by name; a value is imported and built when it is read."""

    def __init__(self) -> None:
        self._targets = {
            name: command.target
            for commands in COMMANDS.values()
            for name, command in commands.items()
        }
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, self._targets[name])
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._targets[name], self._built[name] = "", command

    def __delitem__(self, name: str) -> None:
        del self._targets[name]
        self._built.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)


def _build(name: str, target: str) -> Any:
    """Return the command of a function, or the group of a Typer application."""
    module, _, attribute = target.partition(":")
    implementation = getattr(importlib.import_module(f"fewact.cli.{module}"), attribute)
    if not isinstance(implementation, typer.Typer):
        application = typer.Typer(rich_markup_mode=None, add_completion=False)
        application.command(name, cls=Command)(implementation)
        implementation = application
    command = typer.main.get_command(implementation)
    command.name = name
    return command
