"""The report of a model: what it was taught, how good it is, and what to do next."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fewact.classifier.info import ModelInfo, clip_rows
from fewact.classifier.review import Review
from fewact.core.version import __version__
from fewact.report.document import Bar, Gallery, Page, Section
from fewact.report.table import Table

MOST_IMAGES = 24
"""Largest number of thumbnails of a class."""

Thumbnails = Mapping[str, Sequence[tuple[str, bytes]]]


def model_page(found: ModelInfo, review: Review, thumbnails: Thumbnails) -> Page:
    """Return the report of a model.

    Args:
        found: Facts of the model.
        review: What the model says about its own clips.
        thumbnails: Title and JPEG file of each clip by class, see ``info.thumbnails``.
    """
    return Page(
        Path(found.folder).resolve().name or "Model",
        found.held_out_accuracy,
        (
            _accuracy(found),
            _classes(found, thumbnails),
            _confusions(review),
            Section("What to do next", items=tuple(one.text for one in review.advice)),
            Section("Actions that were not taught", found.none_of_these),
            _origin(found),
            _clips(found),
        ),
        f"Written by fewact {__version__}.",
    )


def _accuracy(found: ModelInfo) -> Section:
    bars: tuple[Bar, ...] = ()
    checked = "No training clip was held out."
    if found.accuracy is not None and found.interval is not None:
        low, high = found.interval
        text = f"{found.right} of {found.held_out}; {low} to {high} % with other clips"
        bars = (Bar("Held-out training clips", text, found.accuracy, low, high),)
        checked = (
            "Each training clip was predicted by a model that had not seen it. The line is the "
            "accuracy to expect with other clips."
        )
    how = "fitted on held-out clips" if found.calibrated else "not calibrated: too few clips"
    return Section(
        "Accuracy",
        (
            checked,
            f"Probabilities: {how} (temperature {found.temperature:.4g}).",
        ),
        bars,
    )


def _classes(found: ModelInfo, thumbnails: Thumbnails) -> Section:
    rows = tuple((name, str(count)) for name, count in found.classes.items())
    galleries = tuple(
        Gallery(name, tuple(thumbnails[name][:MOST_IMAGES]))
        for name in found.classes
        if thumbnails.get(name)
    )
    return Section(
        "Classes", tables=(Table(("class", "training clips"), rows),), galleries=galleries
    )


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
                one.label,
                one.mistaken_for,
                f"{len(one.clips)} of {one.of}",
                one.cause,
                ", ".join(one.clips),
            )
            for one in review.confusions
        )
        header = ("class", "mistaken for", "clips", "they share", "which")
        tables.append(Table(header, rows, "Confusions"))
    if review.suspects:
        suspects = tuple((one.clip, one.label, one.likely) for one in review.suspects)
        tables.append(Table(("clip", "label", "looks like"), suspects, review.suspects_title))
    if review.duplicates:
        copies = tuple(
            (one.clips[0], ", ".join(one.clips[1:]), " / ".join(dict.fromkeys(one.labels)))
            for one in review.duplicates
        )
        tables.append(Table(("clip", "nearly the same", "labels"), copies, "Duplicates"))
    return Section("What is confused", tuple(lines), tables=tuple(tables))


def _origin(found: ModelInfo) -> Section:
    options = ", ".join(f"{name} {value}" for name, value in found.options.items())
    rows = (
        ("Method", found.method),
        ("Options", options or "–"),
        ("Backbone", found.backbone),
        ("Weights", found.weights),
        ("Precision", found.precision),
        ("Former versions", str(found.versions)),
        ("Saved with", f"fewact {found.fewact}"),
    )
    return Section("How it was made", tables=(Table(("fact", "value"), rows),))


def _clips(found: ModelInfo) -> Section:
    header, *rows = clip_rows(found.clips)
    return Section("All clips", tables=(Table(header, tuple(rows)),), folded=True)
