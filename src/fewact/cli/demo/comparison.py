"""Compare methods on the same features: teach some clips, predict others, match windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fewact.core.errors import DataError

if TYPE_CHECKING:
    from fewact.backbones import Backbone
    from fewact.classifier import Label, Prediction, Skipped
    from fewact.classifier.examples import Nodes
    from fewact.classifier.fitted import Fitted
    from fewact.classifier.pipeline import Pipeline
    from fewact.data import Clip
    from fewact.methods.base import Method


@dataclass(frozen=True)
class Outcome:
    """Result of one method.

    Args:
        name: Name of the method.
        method: Method with its options.
        fitted: Method fitted to the training clips.
        nodes: Nodes (1 …) of each predicted clip.
        predictions: Prediction of each clip; ``clip.label`` is its true class.
    """

    name: str
    method: "Method"
    fitted: "Fitted"
    nodes: "tuple[Nodes, ...]"
    predictions: "tuple[Prediction, ...]"

    @property
    def correct(self) -> int:
        """Number of correct predictions."""
        return sum(one.label == one.clip.label for one in self.predictions)

    @property
    def accuracy(self) -> float:
        """Fraction of correct predictions, in per cent."""
        return 100 * self.correct / len(self.predictions)

    @property
    def confusion(self) -> list[list[int]]:
        """Counts (n n), a row for each true class, a column for each predicted class."""
        position: dict[Label, int] = {name: i for i, name in enumerate(self.fitted.classes)}
        counts = [[0] * len(position) for _ in position]
        for one in self.predictions:
            counts[position[one.clip.label or ""]][position[one.label]] += 1
        return counts


@dataclass(frozen=True)
class Match:
    """Match between the windows of a query clip and of a training clip.

    Args:
        query: Predicted clip.
        example: Most similar training clip.
        frames: Number of frames of each clip.
        windows: First frame and last frame + 1 of each of the m windows.
        plan: Flow (m m) from each window of the query to each window of the training clip.
    """

    query: "Clip"
    example: "Clip"
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
    """Teach and predict with several methods; features are extracted once.

    Args:
        examples: Labelled training clips.
        new: Labelled clips of the same classes to predict.
        names: Names of the methods.
        backbone: Backbone that computes the features.
        progress: Called after each clip with the number of finished clips and of all clips.

    Returns:
        Result of each method, and the clips that cannot be read.

    Raises:
        DataError: No training clip of a class, or no clip to predict, can be read.
    """
    import torch

    from fewact import methods
    from fewact.classifier import Skipped
    from fewact.classifier.pipeline import Pipeline
    from fewact.features.extract import extract
    from fewact.video.steps import as_predicted

    made = [methods.create(name).to(backbone.device).eval() for name in names]
    needed = [method.requests(backbone.card) for method in made]
    requests = list(dict.fromkeys(request for own in needed for request in own))
    clips = [*examples, *new]
    encoded: dict[Clip, list[Nodes]] = {}
    skipped: list[Skipped] = []
    read = extract(clips, backbone, requests, source=as_predicted)
    for done, extracted in enumerate(read, start=1):
        extracted.warn()
        clip = extracted.clip
        if extracted.error is not None:
            skipped.append(Skipped(clip, extracted.error))
        elif extracted.features is not None:
            features = {request: value[None] for request, value in extracted.features.items()}
            with torch.inference_mode():
                encoded[clip] = [
                    dict(method.encode({one: features[one] for one in own}))
                    for method, own in zip(made, needed, strict=True)
                ]
        progress(done, len(clips))
    lost = {clip.label for clip in examples} - {clip.label for clip in examples if clip in encoded}
    if lost or not any(clip in encoded for clip in new):
        raise DataError(
            "no training clip of a class can be read" if lost else "no clip to predict can be read",
            got=", ".join(sorted(map(str, lost))) or str(skipped[-1].error),
        )
    outcomes = [
        _outcome(
            f"{name} ({methods.AUTO})" if name == "auto" else name,
            Pipeline(backbone, method),
            {clip: encoded[clip][i] for clip in examples if clip in encoded},
            {clip: encoded[clip][i] for clip in new if clip in encoded},
        )
        for i, (name, method) in enumerate(zip(names, made, strict=True))
    ]
    return outcomes, skipped


def _outcome(
    name: str, pipeline: "Pipeline", examples: "dict[Clip, Nodes]", new: "dict[Clip, Nodes]"
) -> Outcome:
    from fewact.classifier import Example
    from fewact.classifier.examples import Examples, join, rounded
    from fewact.classifier.fitted import fit_examples
    from fewact.classifier.predict import classify
    from fewact.classifier.unknown import ANY_CLASS

    parts = [
        Examples(
            (Example(f"{clip.label}/{clip.path.name}", clip.label or ""),),
            rounded({key: value.float().cpu() for key, value in nodes.items()}),
            (clip,),
        )
        for clip, nodes in examples.items()
    ]
    fitted = fit_examples(pipeline, join(parts))
    predictions = [classify(fitted, ANY_CLASS, clip, nodes) for clip, nodes in new.items()]
    return Outcome(name, pipeline.method, fitted, tuple(new.values()), tuple(predictions))


def match(outcome: Outcome) -> Match | None:
    """Return the match of the first correctly predicted clip with its most similar training clip.

    Args:
        outcome: Result of ``a2m2``.

    Returns:
        Match; None if no prediction is correct, or if the method matches no windows.
    """
    from fewact.data import Clip
    from fewact.methods.a2m2 import A2M2
    from fewact.moments import windows

    method, examples = outcome.method, outcome.fitted.examples
    if not isinstance(method, A2M2):
        return None
    titles = [clip.title for clip in examples.clips]
    for nodes, prediction in zip(outcome.nodes, outcome.predictions, strict=True):
        nearest = titles.index(prediction.nearest)
        query, origin = prediction.clip, examples.origins[nearest]
        if not isinstance(query, Clip) or not isinstance(origin, Clip):
            continue
        if prediction.label == query.label == examples.clips[nearest].label:
            node = nodes["nodes"][0]  # (m D)
            solved = method.match(node, examples.nodes["nodes"][nearest].to(node.device))
            if solved.plan is None:
                return None
            options = method.options
            spans = windows(options.frames, options.moments.lengths)
            return Match(query, origin, options.frames, spans, solved.plan.tolist())
    return None
