"""``fewact map``: the clips of a model as points, as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from fewact.cli import early
from fewact.cli.options import LoadOptions, Model, with_option_groups
from fewact.io.outputs import check_output_file


@with_option_groups
def clip_map(
    model: Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="HTML file to write.")
    ],
    load: LoadOptions,
    videos: Annotated[
        list[Path] | None, typer.Argument(help="Video files to draw with the training clips.")
    ] = None,
) -> None:
    """Draw the clips of a model, the prototypes of its classes, and new videos as points.

    Clips that the method finds alike are neighbours, arranged by t-SNE of scikit-learn.
    """
    check_output_file(output)
    early.extra("a map", "map", "sklearn")
    from fewact import FewShotClassifier
    from fewact.classifier.clip_map import map_clips
    from fewact.io.atomic import write_text
    from fewact.report.clip_map import map_page

    found = map_clips(FewShotClassifier.load(model, **load.backbone), videos or ())
    write_text(output, map_page(found))
    for one in found.points:
        if one.kind == "video":
            print(f"{one.name}: {one.label}")
    print(f"Saved to {output}")
