"""``fewact review``: what is confused in a model, and what to do next."""

from typing import TYPE_CHECKING

from fewact.cli.options import Imports, Model
from fewact.cli.output import ListOutputFormat, print_json, print_line, print_table

if TYPE_CHECKING:
    from fewact.classifier.analysis.review import Review


def review(
    model: Model,
    format: ListOutputFormat = "table",
    imports: Imports = None,
) -> None:
    """Find confused classes, wrong labels and duplicates in a model, and say what to record next.

    Only stored features are compared; no video is read.
    """
    from fewact.classifier.analysis.review import review
    from fewact.classifier.saved.change_model import load_stored

    found = review(load_stored(model))
    if format == "json":
        print_json(found.to_dict())
    else:
        _print(found)


def _print(found: "Review") -> None:
    print(found.accuracy_line)
    if found.reviewed < found.clips:
        print(f"Compared: {found.reviewed} of {found.clips} clips, spread over the classes.")
    if found.confusions:
        print()
        print_table(
            ("class", "mistaken for", "clips", "cause"),
            [
                (one.label, one.mistaken_for, f"{len(one.clips)} of {one.of}", one.cause)
                for one in found.confusions
            ],
        )
    if found.suspects:
        print(f"\n{found.suspects_title}:")
        print_table(
            ("#", "clip", "label", "looks like"),
            [(str(one.number), one.clip, one.label, one.likely) for one in found.suspects],
        )
    print("\nNext:")
    for number, one in enumerate(found.advice, start=1):
        print_line(f"{number}. {one.text}")
