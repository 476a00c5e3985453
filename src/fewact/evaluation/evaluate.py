"""Evaluate a method: encode each video once, score all episodes, say how sure it is."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from fewact.data.videos import VideoList
from fewact.encoding import Encodings, NodeBank, evaluating, method_facts
from fewact.encoding.workers import workers
from fewact.episodes import EpisodeSet
from fewact.errors import OptionError, ResultError, ShapeError
from fewact.evaluation.facts import asked, warnings
from fewact.evaluation.intervals import WHY_CLASSES, WHY_NONE, class_intervals, half_width
from fewact.evaluation.progress_file import ProgressFile
from fewact.evaluation.result import Asked, ClassFacts, Result, load, save
from fewact.evaluation.scoring import Batches, Hits, Scorer, plan, score
from fewact.features.sources import FeatureSource
from fewact.io.atomic import write_text
from fewact.methods.base import Method
from fewact.text import ClassTexts, known_texts

Progress = Callable[[str, int, int], None]
"""Told what is being done ("Encoding", "Scoring"), how many steps are done, and of how many."""


def evaluate(
    method: Method,
    source: FeatureSource | Encodings | NodeBank,
    videos: VideoList,
    episodes: EpisodeSet,
    *,
    query_source: FeatureSource | Encodings | NodeBank | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    text: ClassTexts | Tensor | None = None,
    flags: tuple[str, ...] = (),
    command: str = "",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Score a method on episodes.

    Each video that occurs is encoded once. Episodes are scored in batches that depend on neither
    the number of threads nor where a run was stopped, each by one thread: the same features give
    the same result, byte for byte.

    Args:
        method: What is evaluated.
        source: Of the features of the videos. Or ``Encodings`` of them, for several methods; or
            nodes as ``encode_list`` gives them, for several sets of episodes.
        videos: The list that the episodes were drawn from.
        episodes: What is scored.
        query_source: Of the queries, where these are seen otherwise than the support, such as
            by a moving camera.
        output: Where the result is written, with times in ``….times`` beside it. What is done
            is kept in ``….progress`` meanwhile: the same call goes on where it was stopped.
        overwrite: Replace a result that is there; else the same one is returned as it is, and
            another one is refused.
        text: Embeddings (classes, d) of the names of ``videos.classes``, for methods that use text;
            with what is known of them, see ``text.embed_classes``, it stands in the result.
        flags: What else every table must say of the result.
        command: That is to be noted in the result.
        threads: That score; torch's number by default.
        progress: Told how far it has come.

    Raises:
        EpisodeError: The episodes were drawn from another list.
        OptionError: The method asks for features that the source does not have, or for text.
        DataError: Videos are missing or cannot be read.
        ResultError: The output is another result, or the method's logits are no numbers.
    """
    episodes.check_list(videos)
    texts = None if text is None else known_texts(text)
    _check_text(method, videos, texts)
    nodes = _encodings(source)
    query_nodes = None if query_source is None else _encodings(query_source)
    question = asked(
        method_facts(method),
        nodes.features,
        videos,
        episodes,
        texts,
        query_features=None if query_nodes is None else query_nodes.features,
    )
    target = None if output is None else Path(output)
    if target is not None and target.exists() and not overwrite:
        return _that_is_there(target, question)
    tell = progress or (lambda what, done, total: None)
    labels = _labels(videos, episodes)  # (N n)
    seconds: dict[str, float] = {}

    def bank(by: Encodings | NodeBank, needed: NDArray[np.int32]) -> NodeBank:
        return by.bank(
            method,
            videos,
            needed,
            threads=threads,
            progress=lambda done, total: tell("Encoding", done, total),
        )

    with _clock(seconds, "encode"):
        if query_nodes is None:
            support = query = bank(nodes, episodes.needed)
        else:
            support = bank(nodes, np.unique(episodes.support))
            query = bank(query_nodes, np.unique(episodes.query))
    batches = plan(episodes, support)
    queries = episodes.query.shape[1]
    file = None if target is None else ProgressFile(target, question, batches, queries)
    each_text = None if texts is None else _by_episode(texts.embeddings, labels)
    scorer = Scorer(method, episodes, support, query, batches, each_text)
    with _clock(seconds, "score"), evaluating(method), workers(threads) as pool:
        hits = _score(scorer, batches, pool, file, tell)
    result = _summary(hits, labels, question, videos, flags, command)
    if target is not None:
        save(result, target)
        write_text(
            target.with_name(f"{target.name}.times"), json.dumps({"seconds": seconds}) + "\n"
        )
    if file is not None:
        file.remove()
    return result


def _encodings(source: FeatureSource | Encodings | NodeBank) -> Encodings | NodeBank:
    return source if isinstance(source, NodeBank | Encodings) else Encodings(source)


def _score(
    scorer: Scorer,
    batches: Batches,
    pool: Executor,
    file: ProgressFile | None,
    tell: Progress,
) -> Hits:
    """Whether each query of each episode was right: (N ways·queries)."""
    done = {} if file is None else file.read()
    todo = [batch for batch in range(len(batches)) if batch not in done]
    with nullcontext(None) if file is None else file.writing(done) as keep:
        for batch, hits in score(scorer, todo, pool):
            done[batch] = hits
            if keep is not None:
                keep(batch, hits)
            tell("Scoring", sum(map(len, done.values())), batches.count)
    return np.concatenate([done[batch] for batch in range(len(batches))])


def _summary(
    hits: Hits,
    labels: NDArray[np.int64],
    question: Asked,
    videos: VideoList,
    flags: tuple[str, ...],
    command: str,
) -> Result:
    accuracies = 100 * hits.sum(1) / hits.shape[1]  # (N)
    intervals = class_intervals(accuracies[None], labels, len(videos.classes))
    return Result(
        accuracy=float(accuracies.mean()),
        ci95=half_width(accuracies),
        class_interval=None if intervals is None else intervals[0],
        class_interval_why=WHY_NONE if intervals is None else WHY_CLASSES,
        final=question.videos.split == "test",
        flags=(*warnings(question, videos), *flags),
        asked=question,
        per_class=_per_class(hits, labels, videos.classes),
        command=command,
        per_episode=tuple(accuracies.tolist()),
        episode_classes=tuple(map(tuple, labels.tolist())),
    )


def _per_class(
    hits: Hits, labels: NDArray[np.int64], classes: tuple[str, ...]
) -> dict[str, ClassFacts]:
    """Of the classes that came up."""
    each = hits.reshape(*labels.shape, -1).sum(-1)  # (N n)
    right = np.bincount(labels.ravel(), each.ravel(), len(classes))
    queries = np.bincount(labels.ravel(), minlength=len(classes)) * (hits.size // labels.size)
    return {
        label: ClassFacts(accuracy=float(100 * right[i] / queries[i]), queries=int(queries[i]))
        for i, label in enumerate(classes)
        if queries[i]
    }


def _labels(videos: VideoList, episodes: EpisodeSet) -> NDArray[np.int64]:
    """Which classes of the list each episode has: (N n)."""
    number = {label: i for i, label in enumerate(videos.classes)}
    label_of = np.array([number[video.label] for video in videos.videos])
    return label_of[episodes.support[:, :: episodes.protocol.shots]]


def _that_is_there(target: Path, question: Asked) -> Result:
    result = load(target)
    if result.asked != question:
        raise ResultError(
            "there is another result already",
            where=str(target),
            got=f"{result.asked.method.label} on {result.asked.videos.name}",
            hint="Name another output, or overwrite this one.",
        )
    return result


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
    """Embeddings (b n d) of the classes of these episodes (b)."""
    return lambda indices: text[from_numpy(labels[indices])]


@contextmanager
def _clock(seconds: dict[str, float], stage: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - begin, 3)
