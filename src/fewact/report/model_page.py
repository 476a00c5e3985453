"""The report of a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fewact.classifier.info import ModelInfo, clip_rows
from fewact.classifier.review import Review
from fewact.core.version import __version__
from fewact.report.document import Bar, Page, Section
from fewact.report.table import Table

MOST_IMAGES = 24
"""Largest number of thumbnails of a class."""

Thumbnails = Mapping[str, Sequence[tuple[str, bytes]]]


def model_page(info: ModelInfo, review: Review, thumbnails: Thumbnails) -> Page:
    """Return the report of a model; thumbnails are those of ``classifier.info``."""
    return Page(
        Path(info.folder).resolve().name or "Model",
        (info.in_short,),
        (
            _model_accuracy(info),
            _model_classes(info, thumbnails),
            _confusions(review),
            Section("What to do next", items=tuple(advice.text for advice in review.advice)),
            Section("Actions outside of the classes", info.none_of_these),
            _origin(info),
            _clips(info),
        ),
        f"Written by fewact {__version__}.",
    )


def _model_accuracy(info: ModelInfo) -> Section:
    bars: tuple[Bar, ...] = ()
    checked = "No training clip was held out."
    if info.accuracy is not None and info.interval is not None:
        low, high = info.interval
        text = f"{info.right} of {info.held_out}; {low} to {high} % with other clips"
        bars = (Bar("Held-out training clips", text, info.accuracy, low, high),)
        checked = (
            "Each training clip was predicted by a model that had not seen it. The line is the "
            "accuracy to expect with other clips."
        )
    how = "fitted on held-out clips" if info.calibrated else "not calibrated: too few clips"
    return Section(
        "Accuracy",
        (
            *info.held_out_accuracy,
            checked,
            f"Probabilities: {how} (temperature {info.temperature:.4g}).",
        ),
        bars,
    )


def _model_classes(info: ModelInfo, thumbnails: Thumbnails) -> Section:
    rows = tuple((name, str(count)) for name, count in info.classes.items())
    images = {name: thumbnails[name][:MOST_IMAGES] for name in info.classes if thumbnails.get(name)}
    return Section("Classes", tables=(Table(("class", "training clips"), rows),), galleries=images)


def _confusions(review: Review) -> Section:
    lines = [review.accuracy_line]
    if review.reviewed < review.clips:
        lines.append(
            f"Compared: {review.reviewed} of {review.clips} clips, spread over the classes."
        )
    if review.scored and not review.confusions:
        lines.append("No class is mistaken for another.")
    tables = []
    if review.confusions:
        rows = tuple(
            (
                confusion.label,
                confusion.mistaken_for,
                f"{len(confusion.clips)} of {confusion.of}",
                confusion.cause,
                ", ".join(confusion.clips),
            )
            for confusion in review.confusions
        )
        header = ("class", "mistaken for", "clips", "they share", "which")
        tables.append(Table(header, rows, "Confusions"))
    if review.suspects:
        suspects = tuple(
            (suspect.clip, suspect.label, suspect.likely) for suspect in review.suspects
        )
        tables.append(Table(("clip", "label", "looks like"), suspects, review.suspects_title))
    if review.duplicates:
        copies = tuple(
            (
                duplicate.clips[0],
                ", ".join(duplicate.clips[1:]),
                " / ".join(dict.fromkeys(duplicate.labels)),
            )
            for duplicate in review.duplicates
        )
        tables.append(Table(("clip", "nearly the same", "labels"), copies, "Duplicates"))
    return Section("What is confused", tuple(lines), tables=tuple(tables))


def _origin(info: ModelInfo) -> Section:
    options = ", ".join(f"{name} {value}" for name, value in info.options.items())
    rows = (
        ("Method", info.method),
        ("Options", options or "–"),
        ("Backbone", info.backbone),
        ("Weights", info.weights),
        ("Precision", info.precision),
        ("Former versions", str(info.versions)),
        ("Saved with", f"fewact {info.fewact}"),
    )
    return Section("How it was made", tables=(Table(("fact", "value"), rows),))


def _clips(info: ModelInfo) -> Section:
    header, *rows = clip_rows(info.clips)
    return Section("All clips", tables=(Table(header, tuple(rows)),), folded=True)
