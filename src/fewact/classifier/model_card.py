"""The model card of a saved classifier: README.md."""

from collections import Counter

from fewact.classifier.file import ModelHeader
from fewact.core.text_table import markdown_text
from fewact.data import BACKGROUND

BEGIN = "<!-- fewact: saving replaces everything between this line and the end marker -->"
END = "<!-- fewact: end -->"

USE = """\
    print(classifier.predict("clip.mp4").label)

or `fewact predict "this folder" clip.mp4`."""
USE_FEATURES = """\
    for one in classifier.predict(fewact.data.read_features("features.npz")):
        print(one.name, one.label)

or `fewact predict "this folder" features.npz`."""


def model_card(header: ModelHeader, before: str | None = None) -> str:
    """Return the text of README.md.

    Args:
        header: Configuration of the model.
        before: Existing text. Text outside the markers is kept; without markers all of it is kept.
    """
    text = f"{BEGIN}\n{_facts(header)}\n{END}\n"
    if before is None:
        return text
    head, begun, after = before.partition(BEGIN)
    _, ended, tail = after.partition(END)
    return head + text + tail.removeprefix("\n") if begun and ended else before


def _facts(header: ModelHeader) -> str:
    counts = Counter(clip.label for clip in header.examples)
    shown = {label: "(none)" if label == BACKGROUND else label for label in counts}
    rows = "\n".join(f"| {markdown_text(shown[la])} | {count} |" for la, count in counts.items())
    actions = len(counts.keys() - {BACKGROUND})
    options = ", ".join(f"{name} {value}" for name, value in header.method.options.items())
    precomputed = header.backbone.precomputed
    stored = ["the name" if precomputed else "the file name"]
    if any(clip.start or clip.end for clip in header.examples):
        stored.append("start and end")
    if any(clip.group for clip in header.examples):
        stored.append("the group")
    stored.append("a thumbnail" if header.thumbnails else "no thumbnail")
    weights = ""
    if not precomputed:
        named_licence = header.backbone.licence
        licence = f"; their licence is {named_licence}" if named_licence else ""
        weights = f"\nThe folder has no weights of the backbone{licence}."
    return f"""# Few-shot action classifier

Recognises {actions} actions.
Training clips: {len(header.examples)}. Saved with fewact {header.fewact}.

| action | clips |
|---|---|
{rows}

- Method: {header.method.name} ({options})
- {_origin(header)}
- {_probabilities(header)}
- {"; ".join(header.promises)}

## Data of the training clips

This folder stores for each training clip: {", ".join(stored)}; and its features as the method
encodes them. Features are not images, but they show how similar two clips are.

## Licence

The owner of the training clips decides how this folder may be used.{weights}

## Use

    import fewact

    classifier = fewact.FewShotClassifier.load("this folder")
{USE_FEATURES if precomputed else USE}"""


def _origin(header: ModelHeader) -> str:
    saved = header.backbone
    if saved.precomputed:
        frames, width = saved.card.get("frames"), saved.card.get("vectors")
        return (
            f"Input: precomputed features, {frames} vectors of length {width} per clip; "
            "videos cannot be predicted"
        )
    pixels = saved.card.get("size")
    size = f", frames of {pixels} pixels" if pixels else ""
    weights = markdown_text(saved.spec.weights)
    return f"Backbone: {saved.spec.name}, {saved.spec.precision}{size}, weights {weights}"


def _probabilities(header: ModelHeader) -> str:
    calibration = header.calibration
    accuracy = ""
    if calibration.accuracy is not None and calibration.interval is not None:
        low, high = calibration.interval
        accuracy = (
            f"; held-out accuracy {calibration.accuracy:.1f} % on {calibration.held_out} training "
            f"clips, one clip of each action held out at a time; {low} to {high} % with other clips"
        )
    fitted = "not calibrated" if calibration.source == "method" else "fitted on held-out clips"
    names = ""
    if header.class_names is not None:
        names = (
            f"; class names have weight {calibration.text_weight:g}, "
            f"embedded by {header.class_names.facts.encoder}"
        )
    return f"Probabilities: temperature {calibration.temperature:.4g}, {fitted}{accuracy}{names}"
