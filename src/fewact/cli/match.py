"""``fewact match``: how aligners match two clips, as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from fewact.cli import early, early_outputs
from fewact.cli.option_groups import with_option_groups
from fewact.cli.options import BackboneOptions, MethodOption, Overwrite, Page, parse_options


@with_option_groups
def match(
    first: Annotated[Path, typer.Argument(help="Video file.", callback=early.one_clip)],
    second: Annotated[Path, typer.Argument(help="Another video file.", callback=early.one_clip)],
    output: Page,
    backbone: BackboneOptions,
    aligner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Aligner; can be repeated (default: emd, diagonal, otam)."
        ),
    ] = None,
    option: MethodOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Show how aligners match two clips: windows, their weights, and the plan.

    The windows are those of the method a2m2, whose options --option sets.
    """
    early_outputs.output_files(output, overwrite=overwrite, inputs=[first, second])
    from fewact.classifier.analysis.matched import match_clips
    from fewact.core.atomic import write_text
    from fewact.report.matched import matched_page

    found = match_clips(
        first,
        second,
        backbone.spec.create(),
        aligner or ("emd", "diagonal", "otam"),
        parse_options(option or ()),
    )
    write_text(output, matched_page(found))
    for one in found.found:
        print(f"{one.aligner}: similarity {one.similarity:.3f}")
    print(f"Saved to {output}")
