"""The model card of a saved classifier: README.md."""

import re
from collections import Counter

from fewact.backbones import Card
from fewact.classifier.saved.config import Config
from fewact.core.text_table import markdown_text
from fewact.data import BACKGROUND
from fewact.features.precomputed import PRECOMPUTED

BEGIN = "<!-- fewact: saving replaces everything between this line and the end marker -->"
END = "<!-- fewact: end -->"
LICENCE = re.compile(r"^The folder has no weights .*; their licence is (.+)\.$", re.MULTILINE)
"""Line with the licence of the backbone's weights."""

USE = """\
    print(classifier.predict("clip.mp4").label)

or `fewact predict "this folder" clip.mp4`."""
USE_FEATURES = """\
    for one in classifier.predict(fewact.data.read_features("features.npz")):
        print(one.name, one.label)

or `fewact predict "this folder" features.npz`."""


def readme(config: Config, card: Card, before: str | None) -> str:
    """Return the text of the model card.

    Args:
        config: Content of the model's config.json.
        card: Card of the backbone; without a licence, that of the existing text is kept.
        before: Existing text. Text outside the markers is kept; without markers all of it is kept.
    """
    head, begun, rest = (before or "").partition(BEGIN)
    former, ended, tail = rest.partition(END)
    known = LICENCE.search(former)
    licence = card.licence or (known[1] if known else "")
    text = f"{BEGIN}\n{_facts(config, licence)}\n{END}\n"
    if before is None:
        return text
    return head + text + tail.removeprefix("\n") if begun and ended else before


def _facts(config: Config, licence: str) -> str:
    counts = Counter(clip.label for clip in config.examples)
    shown = {label: "(none)" if label == BACKGROUND else label for label in counts}
    rows = "\n".join(f"| {markdown_text(shown[la])} | {count} |" for la, count in counts.items())
    actions = len(counts.keys() - {BACKGROUND})
    options = ", ".join(f"{name} {value}" for name, value in config.method.options.items())
    precomputed = config.backbone.name == PRECOMPUTED
    stored = ["the name" if precomputed else "the file name"]
    if any(clip.start or clip.end for clip in config.examples):
        stored.append("start and end")
    if any(clip.group for clip in config.examples):
        stored.append("the group")
    stored.append("a thumbnail" if len(config.files) > 1 else "no thumbnail")
    weights = ""
    if not precomputed:
        licence = f"; their licence is {licence}" if licence else ""
        weights = f"\nThe folder has no weights of the backbone{licence}."
    return f"""# Few-shot action classifier

Recognises {actions} actions.
Training clips: {len(config.examples)}. Saved with fewact {config.fewact}.

| action | clips |
|---|---|
{rows}

- Method: {config.method.name} ({options})
- {_origin(config)}
- {_probabilities(config)}
- {"; ".join(config.promises)}

## Data of the training clips

This folder stores for each training clip: {", ".join(stored)}; and its features as the method
encodes them. Features are not images, but they show how similar two clips are.

## Licence

The owner of the training clips decides how this folder may be used.{weights}

## Use

    import fewact

    classifier = fewact.FewShotClassifier.load("this folder")
{USE_FEATURES if precomputed else USE}"""


def _origin(config: Config) -> str:
    saved = config.backbone
    if saved.name == PRECOMPUTED:
        frames, width = saved.card.get("frames"), saved.card.get("vectors")
        return (
            f"Input: precomputed features, {frames} vectors of length {width} per clip; "
            "videos cannot be predicted"
        )
    pixels = saved.card.get("size")
    size = f", frames of {pixels} pixels" if pixels else ""
    weights = markdown_text(saved.weights)
    return f"Backbone: {saved.name}, {saved.precision}{size}, weights {weights}"


def _probabilities(config: Config) -> str:
    calibration = config.calibration
    accuracy = ""
    if calibration.accuracy is not None and calibration.interval is not None:
        low, high = calibration.interval
        accuracy = (
            f"; held-out accuracy {calibration.accuracy:.1f} % on {calibration.held_out} training "
            f"clips, one clip of each action held out at a time; {low} to {high} % with other clips"
        )
    fitted = "not calibrated" if calibration.source == "method" else "fitted on held-out clips"
    names = ""
    if config.class_names is not None:
        names = (
            f"; class names have weight {calibration.text_weight:g}, "
            f"embedded by {config.class_names.facts.encoder}"
        )
    return f"Probabilities: temperature {calibration.temperature:.4g}, {fitted}{accuracy}{names}"
