"""Several methods on the same features: teach some clips, predict others, match moments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fewact.errors import DataError

if TYPE_CHECKING:
    from fewact.backbones import Backbone
    from fewact.classifier import Prediction, Skipped
    from fewact.classifier.examples import Nodes
    from fewact.classifier.fitted import Fitted
    from fewact.data import Clip
    from fewact.methods.base import Method


@dataclass(frozen=True)
class Outcome:
    """What one method made of the clips.

    Args:
        name: Of the method.
        method: With its options.
        fitted: Of the taught clips.
        nodes: What it keeps of each clip that was predicted, (1 …).
        predictions: Of those; ``clip.label`` is the truth.
    """

    name: str
    method: "Method"
    fitted: "Fitted"
    nodes: "tuple[Nodes, ...]"
    predictions: "tuple[Prediction, ...]"

    @property
    def right(self) -> int:
        """How many predictions are right."""
        return sum(one.label == one.clip.label for one in self.predictions)

    @property
    def accuracy(self) -> float:
        """Share of the predictions that are right, in per cent."""
        return 100 * self.right / len(self.predictions)

    @property
    def confusion(self) -> list[list[int]]:
        """Counts (n n): a row for each true class, a column for each predicted one."""
        place = {name: i for i, name in enumerate(self.fitted.classes)}
        counts = [[0] * len(place) for _ in place]
        for one in self.predictions:
            counts[place[one.clip.label or ""]][place[one.label]] += 1
        return counts


@dataclass(frozen=True)
class Match:
    """How the moments of a clip were matched with those of a taught one.

    Args:
        query: The clip that was predicted.
        examples: The taught clip that it is most like.
        frames: Of each clip.
        windows: (first frame, last frame + 1) of each of the m moments.
        plan: (m m): how much of each moment of the query went to which of the taught clip.
    """

    query: "Clip"
    examples: "Clip"
    frames: int
    windows: tuple[tuple[int, int], ...]
    plan: list[list[float]]


def compare(
    examples: "Sequence[Clip]",
    new: "Sequence[Clip]",
    names: Sequence[str],
    backbone: "Backbone",
    progress: Callable[[int, int], None],
) -> "tuple[list[Outcome], list[Skipped]]":
    """Teach clips and predict others with several methods; features are extracted once.

    Args:
        examples: Labelled clips.
        new: Labelled clips of the same classes.
        names: Of the methods.
        backbone: For the features.
        progress: Called with the number of clips done and of all, after each.

    Returns:
        What each method made of them, and the clips that cannot be read.

    Raises:
        DataError: No taught clip of a class, or no new one at all, can be read.
    """
    import torch

    from fewact import methods
    from fewact.classifier import Skipped
    from fewact.features.extract import extract

    made = [methods.create(name).to(backbone.device).eval() for name in names]
    requests = list(
        dict.fromkeys(request for method in made for request in method.requests(backbone.card))
    )
    clips = [*examples, *new]
    encoded: dict[Clip, list[Nodes]] = {}
    skipped: list[Skipped] = []
    for done, extracted in enumerate(extract(clips, backbone, requests), start=1):
        if extracted.error is not None:
            skipped.append(Skipped(extracted.clip, extracted.error))
        elif extracted.features is not None:
            features = {request: value[None] for request, value in extracted.features.items()}
            with torch.inference_mode():
                encoded[extracted.clip] = [dict(method.encode(features)) for method in made]
        progress(done, len(clips))
    lost = {clip.label for clip in examples} - {clip.label for clip in examples if clip in encoded}
    if lost or not any(clip in encoded for clip in new):
        raise DataError(
            "no taught clip of a class can be read" if lost else "no new clip can be read",
            got=", ".join(sorted(map(str, lost))) or str(skipped[-1].error),
        )
    outcomes = [
        _outcome(
            f"{name} ({methods.AUTO})" if name == "auto" else name,
            method,
            {clip: encoded[clip][i] for clip in examples if clip in encoded},
            {clip: encoded[clip][i] for clip in new if clip in encoded},
        )
        for i, (name, method) in enumerate(zip(names, made, strict=True))
    ]
    return outcomes, skipped


def _outcome(
    name: str, method: "Method", examples: "dict[Clip, Nodes]", new: "dict[Clip, Nodes]"
) -> Outcome:
    from fewact.classifier import Example
    from fewact.classifier.examples import Examples, join
    from fewact.classifier.fitted import classify, fit_examples

    device = next(iter(next(iter(examples.values())).values())).device
    parts = [
        Examples(
            (Example(f"{clip.label}/{clip.path.name}", clip.label or ""),),
            {key: value.float().cpu() for key, value in nodes.items()},
            (clip,),
        )
        for clip, nodes in examples.items()
    ]
    fitted = fit_examples(method, join(parts), device)
    predictions = [classify(method, fitted, clip, nodes) for clip, nodes in new.items()]
    return Outcome(name, method, fitted, tuple(new.values()), tuple(predictions))


def match(outcome: Outcome) -> Match | None:
    """How one clip that was recognised was matched with the taught clip that is most alike.

    Args:
        outcome: Of ``a2m2``.

    Returns:
        None where no clip was recognised, or where the method matches no windows.
    """
    from fewact.data import Clip
    from fewact.methods.a2m2 import A2M2
    from fewact.moments import windows

    method, examples = outcome.method, outcome.fitted.examples
    if not isinstance(method, A2M2):
        return None
    for nodes, prediction in zip(outcome.nodes, outcome.predictions, strict=True):
        titles = [clip.title for clip in examples.clips]
        nearest = titles.index(prediction.nearest)
        label = examples.clips[nearest].label
        shown, origin = prediction.clip, examples.origins[nearest]
        if not isinstance(shown, Clip) or not isinstance(origin, Clip):
            continue
        if prediction.label == shown.label == label:
            query = nodes["nodes"][0]  # (m D)
            solved = method.match(query, examples.nodes["nodes"][nearest].to(query.device))
            if solved.plan is None:
                return None
            options = method.options
            spans = windows(options.frames, options.lengths)
            return Match(shown, origin, options.frames, spans, solved.plan.tolist())
    return None
