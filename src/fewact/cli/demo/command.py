"""The command ``fewact demo``."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.demo import rendered
from fewact.cli.demo.comparison import Match, Outcome, compare, match
from fewact.cli.options import Quiet
from fewact.cli.output import print_table, progress
from fewact.cli.run import exit_skipped, say
from fewact.core.errors import DataError

if TYPE_CHECKING:
    from fewact.cli.demo.figure import Strip
    from fewact.data import Clip

METHODS = ("auto", "a2m2")
MODEL, FIGURE = "model", "result.svg"


def demo(
    clips: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with one subfolder of clips per class (default: rendered clips).",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the results.")
    ] = Path("demo"),
    quiet: Quiet = False,
) -> None:
    """Teach and predict on rendered clips, or on your own.

    The demo renders clips of eight actions, teaches three clips of each and predicts four others.
    It compares the default method with a2m2, saves a model and draws a figure.
    """
    from fewact.cli.demo.folder import DemoFolder

    listed = None if clips is None else _hold_out(clips)
    folder = DemoFolder(output)
    for name in (f"{MODEL}/model.safetensors", FIGURE):
        folder.check(name)
    if listed is None:
        with progress("Rendering", quiet=quiet) as show:
            listed = rendered.render_clips(folder, show)
    examples, new = listed

    from fewact import backbones
    from fewact.classifier import file, history

    backbone = backbones.create()
    with progress("Encoding", quiet=quiet) as show:
        outcomes, skipped = compare(examples, new, METHODS, backbone, show)
    for one in skipped:
        say(f"Skipped: {one.error}")
    matched = match(outcomes[-1])
    note = rendered.NOTE if clips is None else ""
    best = outcomes[0]
    header, content = file.encode(best.fitted, thumbnails=False, change="taught by the demo")
    with folder.writing(f"{MODEL}/{file.MODEL}") as model:
        history.save(model.parent.resolve(), header, content)
    folder.write(FIGURE, _figure(outcomes, matched, note))
    _print(outcomes, matched, note)
    _print_next(output, new[0], own=clips is not None)
    exit_skipped(len(skipped))


def _hold_out(folder: Path) -> "tuple[list[Clip], list[Clip]]":
    """Return up to three training clips of each class, and up to four others to predict."""
    from fewact.data import limit_per_class, list_clips

    clips = list_clips(folder)
    examples: list[Clip] = []
    for label, count in Counter(clip.label for clip in clips).items():
        of_class = [clip for clip in clips if clip.label == label]
        examples += limit_per_class(of_class, max(1, min(rendered.EXAMPLES, count - 1)))
        if count == 1:
            say(f'The class "{label}" has only one clip: it is used for training, not predicted.')
    new = limit_per_class([clip for clip in clips if clip not in examples], rendered.NEW)
    if not new:
        raise DataError(
            "no clip is left to predict: each class has only one",
            where=str(folder),
            expected="a class with two or more clips",
        )
    return examples, new


def _print(outcomes: Sequence[Outcome], matched: Match | None, note: str) -> None:
    first = outcomes[0]
    classes = first.fitted.classes
    count = len(first.fitted.examples.clips)
    print(
        f"{count} training clips of {len(classes)} classes, {len(first.predictions)} new clips.\n"
    )
    print_table(
        ("method", "correct", "accuracy"),
        [
            (one.name, f"{one.correct} of {len(one.predictions)}", f"{one.accuracy:.0f} %")
            for one in outcomes
        ]
        + [("chance", "", f"{100 / len(classes):.3g} %")],
    )
    if note:
        print(f"\n{note}")
    for one in outcomes:
        print(f"\nConfusion table of {one.name} (rows: true class, columns: predicted class)")
        header = ("", *(str(i) for i in range(1, len(classes) + 1)))
        print_table(
            header,
            [
                (f"{i} {name}", *(str(count or "·") for count in row))
                for i, (name, row) in enumerate(zip(classes, one.confusion, strict=True), start=1)
            ],
        )
    if matched is not None:
        print(f"\nFrames of {_name(matched.query)} matched by a2m2 to {_name(matched.example)}")
        _print_match(matched)


def _print_match(matched: Match) -> None:
    """Print for each window of the query the windows of the training clip with the most flow."""
    rows = []
    for span, row in zip(matched.windows, matched.plan, strict=True):
        flows = sorted(zip(row, matched.windows, strict=True), key=lambda pair: -pair[0])[:3]
        to = [f"{_frames(window)} ({flow / sum(row):.0%})" for flow, window in flows if flow > 0]
        rows.append((_frames(span), ", ".join(to)))
    print_table((f"frames (of {matched.frames})", "matched to"), rows)


def _frames(window: tuple[int, int]) -> str:
    start, stop = window
    return str(stop) if stop - start == 1 else f"{start + 1}–{stop}"


def _figure(outcomes: Sequence[Outcome], matched: Match | None, note: str) -> str:
    from fewact.cli.demo.figure import Caption, Grid, draw

    first = outcomes[0]
    classes = first.fitted.classes
    grids = [
        Grid(
            f"{one.name}: {one.accuracy:.0f} % ({one.correct} of {len(one.predictions)})",
            one.confusion,
        )
        for one in outcomes
    ]
    strips = None
    if matched is not None:
        query = _strip(matched.query, matched.frames, "New clip: ")
        strips = matched, query, _strip(matched.example, matched.frames, "Training clip: ")
    caption = Caption(
        f"{len(classes)} actions from {len(first.fitted.examples.clips)} training clips",
        f"Two methods on the same features, without training. {len(first.predictions)} new clips; "
        f"chance is {100 / len(classes):.3g} %.",
        note,
    )
    return draw(caption, classes, grids, strips)


def _strip(clip: "Clip", count: int, title: str) -> "Strip":
    from fewact.classifier.explain import small_frames
    from fewact.cli.demo.figure import Strip
    from fewact.video.steps import as_predicted
    from fewact.video.writing import jpeg

    frames = small_frames(as_predicted(clip), count)
    height, width = frames[0].shape[:2]
    return Strip(title + _name(clip), [jpeg(frame) for frame in frames], (height, width))


def _name(clip: "Clip") -> str:
    return f"{clip.label}/{clip.path.name}"


def _print_next(output: Path, new: "Clip", *, own: bool) -> None:
    model = shlex.quote(str(output / MODEL))
    print(f"\nFigure: {output / FIGURE}")
    print(f"Model: {output / MODEL}. Try: fewact predict {model} {shlex.quote(str(new.path))}")
    if own:
        print("Next: fewact teach FOLDER -o MODEL, with all clips of each class")
    else:
        print("Next: fewact demo --clips FOLDER -o mine, with one subfolder of clips per class")
