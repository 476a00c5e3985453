"""``fewact explain``: why a clip got its class, as one HTML file."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli import early, early_outputs
from fewact.cli.option_groups import with_option_groups
from fewact.cli.options import LoadOptions, Model, Overwrite, Page
from fewact.cli.output import print_line
from fewact.cli.run import say
from fewact.core.errors import DataError
from fewact.core.page_folder import PAGE_FOLDER

if TYPE_CHECKING:
    from fewact.classifier import Example
    from fewact.data import FeatureClip, VideoClip


@with_option_groups
def explain(
    model: Model,
    video: Annotated[
        Path,
        typer.Argument(
            help="Video file, or an .npz file of the features of one clip.",
            callback=early.one_clip,
        ),
    ],
    output: Page,
    load: LoadOptions,
    clips: Annotated[
        Path | None,
        typer.Option(
            callback=early.folder,
            metavar="FOLDER",
            help="Folder of the training clips, to show their frames (default: the clips of the "
            "page of `fewact serve`, and the thumbnails of the model).",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Explain a prediction: what speaks for the class, and which frames were matched.

    The page shows the most similar training clips, joined to the video by the alignment of the
    method that answered, and what each part of the score contributes.
    """
    early_outputs.output_files(output, overwrite=overwrite, inputs=[video])
    from fewact.data import is_features

    clip = _row(video) if is_features(video) else video
    from fewact import FewShotClassifier
    from fewact.classifier.analysis.explain import explain
    from fewact.core.atomic import write_text
    from fewact.report.explanation import explanation_page

    classifier = FewShotClassifier.load(model, **load.backbone)
    origins = _origins(classifier.clips_, model, clips)
    found = explain(classifier, clip, origins)
    write_text(output, explanation_page(found))
    print_line(f"{found.clip}: {found.label}")
    for one in found.contributions:
        print(f"  {one.name}: {one.log_odds:+.2f} for {found.best} against {found.rival}")
    print(f"Saved to {output}")


def _row(file: Path) -> "FeatureClip":
    """Return the only clip of a file of features.

    Raises:
        DataError: The file has several clips, or cannot be read.
    """
    from fewact.data import read_features

    rows = read_features(file)
    if len(rows) > 1:
        raise DataError(
            "one clip is explained at a time",
            where=str(file),
            got=f"{len(rows)} clips",
            expected="features of one clip",
            hint="Save those of one clip: np.savez(FILE, features=features[:1]).",
        )
    return rows[0]


def _origins(
    examples: "Sequence[Example]", model: Path, folder: Path | None
) -> "dict[str, VideoClip]":
    """Return the training clips that are in a folder or in that of the page, by title."""
    from fewact.classifier.analysis.explain import page_origins
    from fewact.data import Clip

    of_page = page_origins(examples, model / PAGE_FOLDER)
    if folder is None:
        return of_page
    named = {
        one.title: Clip(folder / one.name, start=one.start, end=one.end)
        for one in examples
        if not Path(one.name).is_absolute()
        and ".." not in Path(one.name).parts
        and (folder / one.name).exists()
    }
    there = page_origins(examples, folder) | named
    if not there:
        say(
            f"Warning: {folder} has none of the training clips, "
            f"which `fewact info {shlex.quote(str(model))} --clips` lists"
        )
    return of_page | there
