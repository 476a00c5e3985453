"""The card of a saved model: README.md."""

from collections import Counter

from fewact.backbones import Card
from fewact.classifier.config import Config
from fewact.features.precomputed import PRECOMPUTED

BEGIN = "<!-- fewact: each save writes anew what stands between this mark and the closing one -->"
END = "<!-- fewact: end -->"
USE = """\
    print(classifier.predict("clip.mp4").label)

or `fewact predict "this folder" clip.mp4`."""
USE_OF_FEATURES = """\
    for one in classifier.predict(fewact.data.read_features("features.npz")):
        print(one.name, one.label)

or `fewact predict "this folder" features.npz`."""


def readme(config: Config, card: Card, before: str | None = None) -> str:
    """The card's text.

    Args:
        config: Of the model.
        card: Of its backbone.
        before: The text that is there; what stands outside the marks is kept, and all of it where
            the marks are gone.
    """
    text = f"{BEGIN}\n{_facts(config, card)}\n{END}\n"
    if before is None:
        return text
    head, begun, rest = before.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    return head + text + tail.removeprefix("\n") if begun and ended else before


def _facts(config: Config, card: Card) -> str:
    shots = Counter(clip.label for clip in config.clips)
    rows = "\n".join(f"| {_plain(label)} | {count} |" for label, count in shots.items())
    options = ", ".join(f"{name} {value}" for name, value in config.method.options.items())
    given = config.backbone.name == PRECOMPUTED
    about = "its name" if given else "the name of its file"
    if any(clip.start or clip.end for clip in config.clips):
        about += ", where it begins and ends"
    if any(clip.group for clip in config.clips):
        about += ", its group"
    pictures = "one thumbnail of each" if len(config.files) > 1 else "no thumbnails"
    maker = "the method makes of the given ones"
    weights, use = "", USE_OF_FEATURES
    if not given:
        maker = "a network and the method make of some of its frames"
        weights = f" The backbone's weights are not in it;\ntheir licence is {card.licence}."
        use = USE
    return f"""# Few-shot action classifier

Tells {len(shots)} actions apart, taught with {len(config.clips)} clips by fewact {config.fewact}.

| action | clips |
|---|---|
{rows}

- Method: {config.method.name} ({options})
- {_origin(config)}
- {_probabilities(config)}

## What this folder holds of the clips

Of each clip, {about}; {pictures}; and features, numbers that {maker}.
Features are no pictures, but they tell how much one clip is like another.

## Licence

Whoever owns the clips says what may be done with this folder.{weights}

## Use

    import fewact

    classifier = fewact.FewShotClassifier.load("this folder")
{use}"""


def _origin(config: Config) -> str:
    saved = config.backbone
    if saved.name == PRECOMPUTED:
        frames, width = saved.card.get("frames"), saved.card.get("vectors")
        return (
            f"Taught from features that were made elsewhere, {frames} vectors of length {width} a "
            "clip; it takes no videos"
        )
    return f"Backbone: {saved.name}, {saved.precision}, weights {_plain(saved.weights)}"


def _probabilities(config: Config) -> str:
    calibration = config.calibration
    right = ""
    if calibration.accuracy is not None:
        right = (
            f"; of {calibration.held_out} taught clips that were held out, one of each action at a "
            f"time, {calibration.accuracy:.1f} % were recognised"
        )
    origin = "the method's own" if calibration.source == "method" else "fitted on held-out clips"
    names = ""
    if config.names is not None:
        share = calibration.text_weight
        names = (
            f"; the actions' names count {share:g} of the evidence, by {config.names.facts.encoder}"
        )
    return f"Probabilities: temperature {calibration.temperature:.4g}, {origin}{right}{names}"


def _plain(text: str) -> str:
    """A name that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~!" else c for c in text)
