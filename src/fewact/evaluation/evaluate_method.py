"""Evaluate a method on episodes: encode each video once, score all episodes, add intervals."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from fewact.backbones.text import ClassTexts, known_texts
from fewact.core.atomic import REPLACE, write_text
from fewact.core.errors import OptionError, ResultError, ShapeError
from fewact.core.paths import user_path
from fewact.data.files import first_few
from fewact.data.videos import VideoList
from fewact.evaluation.encoding import Encodings, NodeBank, evaluating, method_facts
from fewact.evaluation.encoding.threads import workers
from fewact.evaluation.episodes import EpisodeSet
from fewact.evaluation.facts import evaluation_setup, flags_of
from fewact.evaluation.intervals import NOTE, NOTE_ONE, NOTE_WITHOUT, class_intervals, half_width
from fewact.evaluation.predictions import Predictions, hits
from fewact.evaluation.progress_file import ProgressFile, remove_progress
from fewact.evaluation.result import (
    ClassAccuracy,
    EvaluationSetup,
    Result,
    load,
    packed,
    save,
)
from fewact.evaluation.scoring import Batches, Scorer, bank_scorer, plan, score
from fewact.features.sources import FeatureSource
from fewact.methods.base import Method, TextMethod

Progress = Callable[[str, int, int], None]
"""Called with the current stage ("Encoding", "Scoring"), the number of steps done and of all."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How an evaluation runs; none of these options changes the result.

    Args:
        output: File for the result; times are written to ``….times`` beside it. Meanwhile,
            ``….progress`` keeps the finished episodes: the same call continues an interrupted run.
        overwrite: Replace an existing result. Without it, an existing result of the same setup is
            returned, and a result of another setup is refused.
        threads: Number of threads (default: torch's number of threads).
        progress: Called after each step.
    """

    output: str | Path | None = None
    overwrite: bool = False
    threads: int | None = None
    progress: Progress | None = None


def evaluate_method(
    method: Method,
    source: FeatureSource | Encodings | NodeBank,
    videos: VideoList,
    episodes: EpisodeSet,
    *,
    query_source: FeatureSource | Encodings | NodeBank | None = None,
    text: ClassTexts | Tensor | None = None,
    flags: tuple[str, ...] = (),
    command: str = "",
    run: RunOptions | None = None,
) -> Result:
    """Evaluate a method on episodes.

    Each video is encoded once. Episodes are scored in batches that do not depend on the number of
    threads or on interruptions, and each batch is scored by one thread: the same features give the
    same result, byte for byte.

    Args:
        method: Method that is evaluated.
        source: Features of the videos. ``Encodings`` of them serve several methods; nodes from
            ``encode_list`` serve several sets of episodes.
        videos: List that the episodes were drawn from.
        episodes: Episodes to score.
        query_source: Features of the query videos, if they differ from those of the support, such
            as with a simulated camera.
        text: Embeddings (classes, d) of the names of ``videos.classes``, for methods that use text;
            see ``text.embed_classes``.
        flags: Remarks to add to those of the result.
        command: Command to record in the result.
        run: Output file, threads and progress.

    Raises:
        EpisodeError: The episodes were drawn from another list.
        OptionError: The method needs text or features that the source does not have, or it, the
            source or the episodes have another type.
        DataError: Videos are missing or cannot be read.
        ResultError: The output is another result, or a logit is not finite.
    """
    run = run or RunOptions()
    _check_types(method, source, episodes)
    episodes.check_list(videos)
    texts = None if text is None else known_texts(text)
    _check_text(method, videos, texts)
    nodes = _encodings(source)
    query_nodes = None if query_source is None else _encodings(query_source)
    setup = evaluation_setup(
        method_facts(method),
        nodes.features,
        videos,
        episodes,
        texts,
        None if query_nodes is None else query_nodes.features,
    )
    target = None if run.output is None else user_path(run.output, ResultError)
    if target is not None and target.exists() and not run.overwrite:
        return _existing_result(target, setup)
    report = run.progress or (lambda stage, done, total: None)
    labels = _labels(videos, episodes)  # (N n)
    seconds: dict[str, float] = {}

    def bank(encodings: Encodings | NodeBank, needed: NDArray[np.int32]) -> NodeBank:
        return encodings.bank(
            method,
            videos,
            needed,
            threads=run.threads,
            progress=lambda done, total: report("Encoding", done, total),
        )

    with _clock(seconds, "encode"):
        if query_nodes is None:
            support = query = bank(nodes, episodes.needed)
        else:
            support = bank(nodes, np.unique(episodes.support))
            query = bank(query_nodes, np.unique(episodes.query))
        if texts is not None:
            support = _with_text(method, support, videos, episodes, texts, run.threads)
    from_bank = bank_scorer(method, support, query)
    batches = plan(episodes, support, query, copies=from_bank is None)
    file = None if target is None else ProgressFile(target, setup, batches)
    class_texts = None if texts is None else _by_episode(texts.embeddings, labels)
    scorer = Scorer(method, episodes, support, query, batches, class_texts, from_bank)
    with _clock(seconds, "score"), evaluating(method), workers(run.threads) as pool:
        predictions = _score(scorer, batches, pool, file, report)
    result = _result(predictions, labels, setup, videos, flags, command)
    if target is not None:
        times = target.with_name(f"{target.name}.times")
        write_text(times, json.dumps({"seconds": seconds}) + "\n")
        save(result, target)
    if file is not None:
        file.remove()
    return result


def _with_text(
    method: Method,
    bank: NodeBank,
    videos: VideoList,
    episodes: EpisodeSet,
    texts: ClassTexts,
    threads: int | None,
) -> NodeBank:
    """Return support nodes with all that the text of each video's class adds to that video alone.

    With fewer uses than videos this would be more work.
    """
    if not isinstance(method, TextMethod) or not method.uses_text:
        return bank
    if episodes.support.size < len(bank.positions):
        return bank
    number = {label: i for i, label in enumerate(videos.classes)}
    own = [number[videos.videos[position].label] for position in bank.positions.tolist()]
    with evaluating(method), workers(threads) as pool:
        return bank.with_text(method, texts.embeddings[own], pool)


def _encodings(source: FeatureSource | Encodings | NodeBank) -> Encodings | NodeBank:
    return source if isinstance(source, NodeBank | Encodings) else Encodings(source)


def _score(
    scorer: Scorer,
    batches: Batches,
    pool: Executor,
    file: ProgressFile | None,
    report: Progress,
) -> Predictions:
    """Return the predicted class of each query of each episode: (N ways·queries)."""
    done = {} if file is None else file.read()
    todo = [batch for batch in range(len(batches)) if batch not in done]
    with nullcontext(None) if file is None else file.writing(done) as keep:
        for batch, predictions in score(scorer, todo, pool):
            done[batch] = predictions
            if keep is not None:
                keep(batch, predictions)
            report("Scoring", sum(map(len, done.values())), batches.count)
    return np.concatenate([done[batch] for batch in range(len(batches))])


def _result(
    predictions: Predictions,
    labels: NDArray[np.int64],
    setup: EvaluationSetup,
    videos: VideoList,
    flags: tuple[str, ...],
    command: str,
) -> Result:
    ways = labels.shape[1]
    right = hits(predictions, ways)  # (N q)
    accuracies = 100 * right.sum(1) / right.shape[1]  # (N)
    intervals = class_intervals(accuracies[None], labels, len(videos.classes))
    note = NOTE_WITHOUT if intervals is None else NOTE
    return Result(
        accuracy=float(accuracies.mean()),
        ci95=half_width(accuracies),
        class_interval=None if intervals is None else _possible(*intervals[0]),
        class_interval_note=note if len(accuracies) > 1 else NOTE_ONE,
        final=setup.videos.split == "test",
        flags=(*flags_of(setup, videos), *flags),
        setup=setup,
        per_class=_per_class(right, labels, videos.classes),
        command=command,
        per_episode=tuple(accuracies.tolist()),
        episode_classes=tuple(map(tuple, labels.tolist())),
        predicted=packed(predictions, ways),
    )


def _possible(low: float, high: float) -> tuple[float, float]:
    """Return the part of an interval in which accuracies can be."""
    return max(low, 0.0), min(high, 100.0)


def _per_class(
    right: NDArray[np.bool_], labels: NDArray[np.int64], classes: tuple[str, ...]
) -> dict[str, ClassAccuracy]:
    """Return the accuracy of each class that occurs in the episodes."""
    correct = right.reshape(*labels.shape, -1).sum(-1)  # (N n)
    sums = np.bincount(labels.ravel(), correct.ravel(), len(classes))
    queries = np.bincount(labels.ravel(), minlength=len(classes)) * (right.size // labels.size)
    return {
        label: ClassAccuracy(accuracy=float(100 * sums[i] / queries[i]), queries=int(queries[i]))
        for i, label in enumerate(classes)
        if queries[i]
    }


def _labels(videos: VideoList, episodes: EpisodeSet) -> NDArray[np.int64]:
    """Return the classes of each episode as positions in the list of classes: (N n)."""
    number = {label: i for i, label in enumerate(videos.classes)}
    label_of = np.array([number[video.label] for video in videos.videos])
    return label_of[episodes.support[:, :: episodes.protocol.shots]]


def _existing_result(target: Path, setup: EvaluationSetup) -> Result:
    hint = f"{REPLACE} In Python: overwrite=True."
    try:
        result = load(target)
    except ResultError as error:
        raise ResultError(
            f"the file exists already: {error.what}", where=str(target), hint=hint
        ) from error
    if result.setup != setup:
        raise ResultError(
            "the file holds another result",
            where=str(target),
            got=f"{result.setup.method.label} on {result.setup.videos.name}, which differs in "
            f"{first_few(_differences(result.setup, setup), 3)}",
            hint=hint,
        )
    remove_progress(target, setup)
    return result


def _differences(found: EvaluationSetup, own: EvaluationSetup) -> list[str]:
    """Return the names of the facts in which two setups differ, such as ``method.options``."""
    sides = [
        {
            f"{part}.{name}": value
            for part, facts in setup.model_dump(mode="json").items()
            for name, value in (facts or {}).items()
        }
        for setup in (found, own)
    ]
    names = dict.fromkeys((*sides[0], *sides[1]))
    return [name for name in names if sides[0].get(name) != sides[1].get(name)]


def _check_types(method: object, source: object, episodes: object) -> None:
    """Refuse a name instead of a method, an array instead of features, a protocol of episodes."""
    for where, value, fits, expected in (
        ("method", method, isinstance(method, Method), "fewact.methods.create(name)"),
        ("source", source, hasattr(source, "features"), "features, such as ArrayFeatures(vectors)"),
        ("episodes", episodes, isinstance(episodes, EpisodeSet), "draw(videos, protocol)"),
    ):
        if not fits:
            got = type(value).__name__
            raise OptionError(f"no {where}", where=where, got=got, expected=expected)


def _check_text(method: Method, videos: VideoList, text: ClassTexts | None) -> None:
    if text is None and method.uses_text:
        raise OptionError(
            "the method uses text", where="text", got="none", expected="(classes, d) embeddings"
        )
    if text is not None and len(text.embeddings) != len(videos.classes):
        raise ShapeError(
            "not one embedding for each class",
            where="text",
            got=f"{tuple(text.embeddings.shape)}",
            expected=f"({len(videos.classes)}, d)",
        )


def _by_episode(text: Tensor, labels: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], Tensor]:
    """Return a function from episodes (b) to the embeddings (b n d) of their classes."""
    return lambda indices: text[from_numpy(labels[indices])]


@contextmanager
def _clock(seconds: dict[str, float], stage: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - begin, 3)
