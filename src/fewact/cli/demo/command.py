"""The command ``fewact demo``."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.demo.comparison import Match, Outcome, compare, match
from fewact.cli.options import Quiet
from fewact.cli.output import print_table
from fewact.cli.progress import progress
from fewact.cli.run import exit_skipped, say
from fewact.errors import DataError

if TYPE_CHECKING:
    from fewact.cli.demo.folder import DemoFolder
    from fewact.cli.demo.picture import Strip
    from fewact.data import Clip

TAUGHT, NEW = 3, 4
"""Clips of a class that are taught, and that are predicted."""

METHODS = ("auto", "a2m2")
MODEL, PICTURE = "model", "result.svg"

RENDERED = (
    "In these clips motion alone tells the classes apart. a2m2 compares what moves, and hardly "
    "sees where and in which order; auto compares places in order too."
)


def demo(
    clips: Annotated[
        Path | None,
        typer.Option(help="A folder of clips for each class, instead of the rendered ones."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path(
        "demo"
    ),
    quiet: Quiet = False,
) -> None:
    """Try it on rendered clips, or on your own.

    Renders eight actions that only their motion tells apart, teaches three clips of each and
    predicts the others, with the default method and with a2m2, from the same features.
    """
    from fewact.cli.demo.folder import DemoFolder

    listed = None if clips is None else _hold_out(clips)
    folder = DemoFolder(output)
    for name in (f"{MODEL}/config.json", PICTURE):
        folder.check(name)
    examples, new = _render(folder, quiet=quiet) if listed is None else listed

    from fewact import backbones
    from fewact.classifier import model_folder

    backbone = backbones.create()
    with progress("Looking at clips", quiet=quiet) as show:
        outcomes, skipped = compare(examples, new, METHODS, backbone, show)
    for one in skipped:
        say(f"Skipped: {one.error}")
    matched = match(outcomes[-1])
    note = "" if listed else RENDERED
    best = outcomes[0]
    model_folder.save(
        output / MODEL, best.fitted, backbone, "default", best.method, thumbnails=False
    )
    folder.record(f"{MODEL}/config.json")
    folder.write(PICTURE, _picture(outcomes, matched, note))
    _print(outcomes, matched, note)
    _print_what_next(output, new[0], own=clips is not None)
    exit_skipped(len(skipped))


def _render(folder: "DemoFolder", *, quiet: bool) -> "tuple[list[Clip], list[Clip]]":
    """Render the clips: ``taught`` holds a folder a class, and so does ``new``."""
    from fewact.cli.demo.clips import ACTIONS, FPS, render
    from fewact.data import Clip
    from fewact.video import write_video

    found: dict[str, list[Clip]] = {"taught": [], "new": []}
    wanted = [(action, i) for action in ACTIONS for i in range(TAUGHT + NEW)]
    with progress("Rendering clips", quiet=quiet) as show:
        for done, (action, i) in enumerate(wanted, start=1):
            kind = "taught" if i < TAUGHT else "new"
            path = folder.check(f"{kind}/{action}/{i + 1}.mp4")
            write_video(path, render(action, i), FPS, overwrite=True)
            folder.record(f"{kind}/{action}/{i + 1}.mp4")
            found[kind].append(Clip(path, action))
            show(done, len(wanted))
    return found["taught"], found["new"]


def _hold_out(folder: Path) -> "tuple[list[Clip], list[Clip]]":
    """Up to three clips of each class to teach and up to four others to predict."""
    from fewact.data import limit_per_class, list_clips

    clips = list_clips(folder)
    examples: list[Clip] = []
    for label, count in Counter(clip.label for clip in clips).items():
        of_class = [clip for clip in clips if clip.label == label]
        examples += limit_per_class(of_class, max(1, min(TAUGHT, count - 1)))
        if count == 1:
            say(f'The class "{label}" has one clip: it is taught, and none is left to predict.')
    new = limit_per_class([clip for clip in clips if clip not in examples], NEW)
    if not new:
        raise DataError(
            "each class has one clip, none is left to predict",
            where=str(folder),
            expected="two or more clips of a class",
        )
    return examples, new


def _print(outcomes: Sequence[Outcome], matched: Match | None, note: str) -> None:
    first = outcomes[0]
    classes = first.fitted.classes
    examples = len(first.fitted.examples.clips)
    print(
        f"{examples} clips of {len(classes)} classes taught, {len(first.predictions)} predicted.\n"
    )
    print_table(
        ("method", "right", "accuracy"),
        [
            (one.name, f"{one.right} of {len(one.predictions)}", f"{one.accuracy:.0f} %")
            for one in outcomes
        ]
        + [("chance", "", f"{100 / len(classes):.3g} %")],
    )
    if note:
        print(f"\n{note}")
    for one in outcomes:
        print(f"\nWhat {one.name} said (rows: what the clip shows)")
        header = ("", *(str(i) for i in range(1, len(classes) + 1)))
        print_table(
            header,
            [
                (f"{i} {name}", *(str(count or "·") for count in row))
                for i, (name, row) in enumerate(zip(classes, one.confusion, strict=True), start=1)
            ],
        )
    if matched is not None:
        print(
            f"\nHow a2m2 matched {_name(matched.query)} with the taught {_name(matched.examples)}"
        )
        _print_match(matched)


def _print_match(matched: Match) -> None:
    """For each moment of the query, those of the taught clip that it mostly went to."""
    rows = []
    for span, row in zip(matched.windows, matched.plan, strict=True):
        shares = sorted(zip(row, matched.windows, strict=True), key=lambda pair: -pair[0])[:3]
        where = [f"{_frames(to)} ({flow / sum(row):.0%})" for flow, to in shares if flow > 0]
        rows.append((_frames(span), ", ".join(where)))
    print_table((f"frames of {matched.frames}", "went to"), rows)


def _frames(window: tuple[int, int]) -> str:
    start, stop = window
    return str(stop) if stop - start == 1 else f"{start + 1}–{stop}"


def _picture(outcomes: Sequence[Outcome], matched: Match | None, note: str) -> str:
    from fewact.cli.demo.picture import Grid, draw

    first = outcomes[0]
    classes = first.fitted.classes
    grids = [
        Grid(
            f"{one.name}: {one.accuracy:.0f} % ({one.right} of {len(one.predictions)})",
            one.confusion,
        )
        for one in outcomes
    ]
    shown = None
    if matched is not None:
        query = _strip(matched.query, matched.frames, "A new clip: ")
        shown = (
            matched,
            query,
            _strip(matched.examples, matched.frames, "The taught clip most like it: "),
        )
    return draw(
        f"{len(classes)} actions from {len(first.fitted.examples.clips)} taught clips",
        f"Two methods on the same features, nothing trained. {len(first.predictions)} new clips; "
        f"chance is {100 / len(classes):.3g} %.",
        note,
        classes,
        grids,
        shown,
    )


def _strip(clip: "Clip", count: int, what: str) -> "Strip":
    from fewact.classifier.thumbnails import jpeg, shrink
    from fewact.cli.demo.picture import Strip
    from fewact.video import Segments, read_frames

    frames = read_frames(clip.path, Segments(count), transform=shrink)  # (t h w 3)
    height, width = frames.shape[1:3]
    return Strip(what + _name(clip), [jpeg(frame) for frame in frames], (height, width))


def _name(clip: "Clip") -> str:
    return f"{clip.label}/{clip.path.name}"


def _print_what_next(output: Path, new: "Clip", *, own: bool) -> None:
    model = shlex.quote(str(output / MODEL))
    print(f"\nThe picture of it: {output / PICTURE}")
    print(f"The model: {output / MODEL}; try: fewact predict {model} {shlex.quote(str(new.path))}")
    if not own:
        print("The same with your clips, one folder a class: fewact demo --clips FOLDER -o mine")
    else:
        print("To teach all of them: fewact teach FOLDER -o MODEL")
