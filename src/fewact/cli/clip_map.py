"""``fewact map``: the clips of a model as points, as one HTML file."""

from typing import Annotated

import typer

from fewact.cli import early, early_outputs
from fewact.cli.named_clips import named_clips
from fewact.cli.option_groups import with_option_groups
from fewact.cli.options import LoadOptions, Model, Overwrite, Page
from fewact.cli.output import print_line
from fewact.cli.run import exit_skipped, say


@with_option_groups
def clip_map(
    model: Model,
    output: Page,
    load: LoadOptions,
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO...",
            help="Video files, folders, or patterns such as 'day*/*.mp4', to draw with the "
            "training clips; or one .npz file of features.",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw the clips of a model, the prototypes of its classes, and new videos as points.

    Clips that the method finds alike are neighbours, arranged by t-SNE of scikit-learn. Files that
    cannot be read are listed and skipped; the exit code is then 3.
    """
    early.extra("a map", "map", "sklearn")
    early_outputs.output_files(output, overwrite=overwrite, inputs=videos or ())
    clips = named_clips(videos) if videos else ()
    from fewact import FewShotClassifier
    from fewact.classifier.analysis.clip_map import map_clips
    from fewact.core.atomic import write_text
    from fewact.report.clip_map import map_page

    found = map_clips(FewShotClassifier.load(model, **load.backbone), clips)
    write_text(output, map_page(found))
    for one in found.points:
        if one.kind == "video":
            print_line(f"{one.name}: {one.label}")
    print(f"Saved to {output}")
    for video in found.skipped:
        say(f"Skipped: {video.error}")
    exit_skipped(len(found.skipped))
