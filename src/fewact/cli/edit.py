"""``fewact add``, ``rename``, ``move``, ``remove``, ``undo``: change a saved model."""

import shlex
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import (
    Imports,
    Load,
    Model,
    NewWeights,
    PoseAsTaught,
    Poses,
    clips_with_joints,
)
from fewact.cli.output import print_line
from fewact.cli.run import saying_warnings
from fewact.core.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from fewact import FewShotClassifier
    from fewact.classifier import Example

CLIP_NUMBER_DIGITS = 9
"""Most digits of the number of a clip; what has more is a name."""

CLIP_REFERENCE = "its name, the end of its name, or its number in `fewact info --clips`"


@with_specs
def add(
    model: Model,
    label: Annotated[
        str,
        typer.Argument(
            metavar="CLASS",
            help="Class of the clips, existing or new; none for clips that show no class.",
        ),
    ],
    clips: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIP...",
            help="Video files, folders, patterns, or CSV tables, of which the rows with this label "
            "are added. Folders in a folder of clips that show no class are groups, such as "
            "people or places.",
        ),
    ],
    load: Load,
    poses: Poses = None,
    pose: PoseAsTaught = None,
    imports: Imports = None,
) -> None:
    """Add training clips to a model: to a class, to a new class, or to none.

    Only the new clips are read. `fewact undo` takes the change back.
    """
    from fewact.data import BACKGROUND, expand_paths, is_background, is_features

    none = is_background(label)
    sources: list[str] | list[Path] = clips
    if not (none or any(map(is_features, clips))):
        sources = expand_paths(clips)
    from fewact.classifier.inputs import of_class
    from fewact.classifier.names import check_label
    from fewact.classifier.revision import change_model

    change = f"add to {BACKGROUND if none else label.strip()}"
    with saying_warnings(), change_model(model, change, **load) as classifier:
        fitted = classifier.fitted_
        classes = _classes(fitted.all_clips)
        label = BACKGROUND if none else check_label(label, integers=fitted.integers)
        if pose is not None:
            classifier.pose = pose
        listed = [clip for clip, _ in of_class(sources, label)]
        new = clips_with_joints(classifier, listed, poses)
        if none:
            classifier.add_none(new)
        elif label in classes:
            classifier.add_clips(label, new)
        else:
            classifier.add_class(label, new)
            print(f'New class "{label}". {did_you_mean(label, classes)}'.rstrip())
    added = len(classifier.fitted_.all_clips) - len(fitted.all_clips)
    print(f'Added {added} {"clip" if added == 1 else "clips"} to "{label}".')
    _print_state(classifier, model)


def rename(
    model: Model,
    label: Annotated[str, typer.Argument(metavar="CLASS", help="Class to rename.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="New name.")],
    weights: NewWeights = None,
    imports: Imports = None,
) -> None:
    """Rename a class of a model.

    The weights of the backbone are read only if the model uses class names as text prompts.
    """
    from fewact.classifier.names import normalised
    from fewact.classifier.revision import change_model

    change = f"rename {label} to {new.strip()}"
    with change_model(model, change, weights=weights, corrected=True) as classifier:
        classifier.rename_class(label, new)
        new = normalised(new, integers=classifier.fitted_.integers)
    print(f'Renamed "{label}" to "{new}".')
    _print_state(classifier, model)


def move(
    model: Model,
    clip: Annotated[str, typer.Argument(metavar="CLIP", help=f"Training clip: {CLIP_REFERENCE}.")],
    label: Annotated[
        str, typer.Argument(metavar="CLASS", help="Class that the clip shows, or none.")
    ],
    imports: Imports = None,
) -> None:
    """Correct the label of a training clip."""
    from fewact.classifier.revision import change_model

    with change_model(model, f"move {clip} to {label}", corrected=True) as classifier:
        classifier.move_clip(_clip(clip), label)
    print_line(f'Moved {clip} to "{label}".')
    _print_state(classifier, model)


def remove(
    model: Model,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="CLASS|CLIP...",
            help=f"Classes, or training clips. A clip is {CLIP_REFERENCE}.",
        ),
    ],
    imports: Imports = None,
) -> None:
    """Remove classes or training clips from a model; the clips' files are not touched.

    `fewact undo` takes the change back.
    """
    names = [name.strip() for name in what]
    if again := [name for i, name in enumerate(names) if name in names[:i]]:
        raise DataError("named twice", where=again[0], expected="each class or clip once")
    from fewact.classifier.revision import change_model
    from fewact.data.files import first_few

    with change_model(model, f"remove {first_few(what)}", corrected=True) as classifier:
        fitted = classifier.fitted_
        classes, clips = _classes_and_clips(what, fitted.all_clips, integers=fitted.integers)
        if clips:
            classifier.remove_clips(clips)
        for name in classes:
            classifier.remove_class(name)
    print_line(f"Removed {first_few(what)}.")
    _print_state(classifier, model)


def undo(
    model: Model,
    redo: Annotated[
        bool, typer.Option("--redo", help="Take the latest undo back instead.")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="List the changes that can be undone, latest first.")
    ] = False,
) -> None:
    """Undo the latest change of a model: teach, import, add, rename, move or remove."""
    from fewact.classifier import history
    from fewact.cli.output import print_table

    if list_:
        versions = history.versions(model)
        print_table(
            ("time (UTC)", "change"), [(version.time, version.change) for version in versions]
        )
        return
    version = history.redo(model) if redo else history.undo(model)
    print_line(f"{'Redone' if redo else 'Undone'}: {version.change} ({version.time})")


def _classes(clips: Sequence["Example"]) -> tuple[str, ...]:
    """Return the names of the classes of clips; those of integers as texts."""
    from fewact.data import BACKGROUND

    return tuple(dict.fromkeys(clip.label for clip in clips if clip.label != BACKGROUND))


def _classes_and_clips(
    names: Sequence[str], clips: Sequence["Example"], *, integers: bool
) -> tuple[list[str], list[str | int]]:
    """Return the classes and the training clips among names.

    Raises:
        DataError: A name is of neither, or of several clips.
    """
    from fewact.classifier.names import find_clips, normalised

    labels = _classes(clips)
    classes: list[str] = []
    selected: list[str | int] = []
    for name in names:
        text = name if name in labels else normalised(name, integers=integers)
        if text in labels:
            classes.append(text)
        else:
            selected.append(_clip(name))
    find_clips(clips, selected, classes=labels)
    return list(dict.fromkeys(classes)), selected


def _clip(text: str) -> str | int:
    return int(text) if text.isdecimal() and len(text) <= CLIP_NUMBER_DIGITS else text


def _print_state(classifier: "FewShotClassifier", model: Path) -> None:
    """Print the held-out accuracy and what is promised about false alarms after a change."""
    from fewact.classifier.info import accuracy_and_promises

    for line in chain(*accuracy_and_promises(classifier)):
        print(line)
    print(f"Undo: fewact undo {shlex.quote(str(model))}")
