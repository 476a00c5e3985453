"""The card of a saved model: README.md."""

from collections import Counter

from fewact.backbones import Card
from fewact.classifier.config import Config

BEGIN = "<!-- fewact: each save writes anew what stands between this mark and the closing one -->"
END = "<!-- fewact: end -->"


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
    held = ["the names of their files"]
    held += ["where they begin and end"] * any(c.start or c.end for c in config.clips)
    held += ["their groups"] * any(c.group for c in config.clips)
    pictures = len(config.files) > 1
    return f"""# Few-shot action classifier

Tells {len(shots)} actions apart, taught with {len(config.clips)} clips by fewact {config.fewact}.

| action | clips |
|---|---|
{rows}

- Method: {config.method.name} ({options})
- Backbone: {card.name}, {config.backbone.precision}, weights {_plain(config.backbone.weights)},
  trained on {", ".join(card.trained_on) or "nothing"}
- {_probabilities(config)}

## What this folder holds of the clips

{"; ".join(held).capitalize()}; and features, numbers that a network and the method make of some of
their frames. {"One small picture of each clip." if pictures else "No pictures."} Features are not
pictures, but they do tell how much a clip is like another one.

## Licence

Whoever owns the clips says what may be done with this folder. The backbone's weights are not in it;
their licence is {card.licence}.

## Use

    from fewact import FewShotClassifier

    classifier = FewShotClassifier.load("this folder")
    print(classifier.predict("clip.mp4").label)

or `fewact predict "this folder" clip.mp4`."""


def _probabilities(config: Config) -> str:
    calibration = config.calibration
    right = ""
    if calibration.accuracy is not None:
        right = (
            f"; {calibration.held_out} taught clips were held out one by one, "
            f"and {calibration.accuracy:.1f} % of them recognised by the others"
        )
    origin = "the method's own" if calibration.source == "method" else "fitted on held-out clips"
    return f"Probabilities: temperature {calibration.temperature:.4g}, {origin}{right}"


def _plain(text: str) -> str:
    """A name that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~!" else c for c in text)
