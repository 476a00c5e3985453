"""``fewact info``: what is in a saved model."""

from typing import Annotated, Any

import typer

from fewact.cli.options import Model
from fewact.cli.output import ListOutputFormat, print_json, print_table


def info(
    model: Model,
    clips: Annotated[
        bool, typer.Option("--clips", help="List the clips too, with their numbers.")
    ] = False,
    format: ListOutputFormat = "table",
) -> None:
    """Show the classes of a model, its accuracy, and how it was made.

    No backbone is loaded. In JSON, clips are always listed.
    """
    from fewact.classifier.saved.info import clip_rows, model_info

    found = model_info(model)
    if format == "json":
        print_json(found.to_dict())
        return
    print_table(("class", "clips"), [(name, str(n)) for name, n in found.classes.items()])
    if clips:
        print()
        header, *rows = clip_rows(found.clips)
        print_table(header, rows)
    print()
    for name, value in _facts(found).items():
        print(f"{name}: {value}")


def _facts(found: Any) -> dict[str, str]:
    from fewact.core.bounded import size_text

    low_high = ""
    if found.interval is not None:
        low, high = found.interval
        low_high = f"; with other clips {low} to {high} %"
    return {
        "Held-out accuracy": f"{found.right} of {found.held_out}{low_high}"
        if found.held_out
        else "unknown (needs two clips per class)",
        "Method": found.method,
        "Backbone": f"{found.backbone}, {found.precision}"
        + (f", frames of {found.size} pixels" if found.size else "")
        + f", weights {found.weights}",
        "Thumbnails": "yes" if found.thumbnails else "no",
        "Size": size_text(found.bytes),
        "Former versions": f"{found.versions} (fewact undo)",
        "Saved with": f"fewact {found.fewact}",
    }
