"""Score a method on episodes: encode each video once, score all episodes, add intervals."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from threading import local

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from fewact.core.atomic import REPLACE, output_errors, remove_leftovers, write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OptionError, ResultError, ShapeError
from fewact.core.intervals import (
    NOTE,
    NOTE_ONE,
    NOTE_WITHOUT,
    class_intervals,
    half_width,
)
from fewact.core.paths import user_path
from fewact.core.random import permutations
from fewact.data.files import first_few
from fewact.data.videos import VideoList
from fewact.lab.evaluation import open_set
from fewact.lab.evaluation.encode import Encodings, NodeBank
from fewact.lab.evaluation.episodes import EpisodeSet
from fewact.lab.evaluation.identity import method_facts
from fewact.lab.evaluation.result import (
    ClassAccuracy,
    EvaluationSetup,
    Predictions,
    Result,
    evaluation_setup,
    flags_of,
    hits,
    load,
    open_set_means,
    pack,
    packed,
    save,
    unpack,
)
from fewact.lab.methods.adapters import on_tensors
from fewact.lab.methods.base import Rejects, TextMethod, TorchMethod, evaluating, support_state
from fewact.lab.networks.text import ClassTexts, known_texts
from fewact.lab.store.sources import FeatureSource
from fewact.lab.workers import torch_workers
from fewact.methods.base import Method
from fewact.methods.protocols import bank_scorer

MAX_BYTES = 32 * 2**20
"""Approximate limit for the memory of the nodes of one batch."""

MAX_EPISODES = 256
"""Largest number of episodes in a batch."""


@dataclass(frozen=True)
class ScoredEpisodes:
    """What is kept of scored episodes.

    Args:
        predictions: Predicted class of each query of the episodes' classes: (b ways·queries).
        rejection: Rejection measures (b m 3) of queries of other classes, by score, see
            ``open_set``; m = 0 without such queries.
    """

    predictions: Predictions
    rejection: NDArray[np.float64]


@dataclass(frozen=True)
class Batches:
    """Division of ``count`` episodes into batches of ``size``; the last episode is the padding."""

    count: int
    size: int

    def __len__(self) -> int:
        return -(-self.count // self.size)

    def indices(self, batch: int) -> NDArray[np.int64]:
        """Return the episodes of a batch (b), with padding."""
        first = batch * self.size
        return np.minimum(np.arange(first, first + self.size), self.count - 1)

    def episodes_in(self, batch: int) -> int:
        """Return the number of episodes of a batch, without padding."""
        return min(self.size, self.count - batch * self.size)


MAX_PRODUCTS = 2**17
"""Number of products of nodes in a batch that is scored without copies of nodes."""


class Scorer:
    """Scores batches; can be called from several threads.

    The queries of each episode are shuffled before the method reads them, so that their order
    contains no information about their classes.

    Args:
        method: Method in evaluation mode.
        episodes: Episodes to score.
        support: Nodes of the support videos.
        query: Nodes of the query videos.
        text: Function from episodes (b) to the embeddings (b n d) of their class names; None for a
            method without text.
        copies: Copy the nodes of a batch, although the method may not need copies.
        size: Number of episodes in a batch; None for a number that fits in limited memory.

    Attributes:
        bank: Scorer of the method that needs no copies of nodes, or None.
        batches: Division of the episodes into batches.
    """

    def __init__(
        self,
        method: TorchMethod,
        episodes: EpisodeSet,
        support: NodeBank,
        query: NodeBank,
        text: Callable[[NDArray[np.int64]], Tensor] | None = None,
        *,
        copies: bool = False,
        size: int | None = None,
    ) -> None:
        self._support, self._query = support.rows(episodes.support), query.rows(episodes.queried)
        comparisons = self._support.size * self._query.shape[1]
        with torch.inference_mode():
            self.bank = (
                None if copies else bank_scorer(method, support.tensors, query.tensors, comparisons)
            )
        self._method, self._episodes, self._text = method, episodes, text
        self._labels = torch.arange(episodes.protocol.ways).repeat_interleave(
            episodes.protocol.shots
        )
        self._banks = {"support": support, "query": query}
        self._device = next(iter(support.tensors.values())).device
        self._buffers = local()
        self.batches = Batches(len(episodes.support), size or self._size())

    def _size(self) -> int:
        """Return the number of episodes of a batch of limited memory."""
        sides = (
            (rows.shape[1], bank)
            for rows, bank in zip((self._support, self._query), self._banks.values(), strict=True)
        )
        if self.bank is None:
            limit, episode_size = MAX_BYTES, sum(n * bank.bytes_a_video for n, bank in sides)
        else:
            limit, episode_size = MAX_PRODUCTS, prod(n * bank.nodes_a_video for n, bank in sides)
        return int(np.clip(limit // max(1, episode_size), 1, MAX_EPISODES))

    @property
    def rejection_scores(self) -> tuple[str, ...]:
        """Names of the scores that reject queries of other classes; empty without such queries."""
        if self._episodes.unknown is None:
            return ()
        return open_set.SCORES if has_discriminator(self._method) else open_set.SCORES[:-1]

    def __call__(self, batch: int) -> ScoredEpisodes:
        """Return what is kept of the episodes of a batch, without padding."""
        protocol = self._episodes.protocol
        indices = self.batches.indices(batch)
        number = self._query.shape[1]
        orders = permutations(f"order of queries {protocol.seed}", indices.tolist(), number)
        query = np.take_along_axis(self._query[indices], orders, 1)
        back, size = np.argsort(orders, 1), self.batches.episodes_in(batch)
        with torch.inference_mode():
            logits, discriminated = self._logits(
                self._support[indices], self._labels, protocol.ways, query, self._texts(indices)
            )
            self._check(logits, indices, number)
            predicted = logits.argmax(-1).cpu().numpy().astype(np.uint16)  # (b q)
            scores = self._rejection(indices, query, logits, discriminated)
        ordered = np.take_along_axis(predicted, back, 1)[:size, : protocol.known]
        if not scores:
            return ScoredEpisodes(ordered, np.empty((size, 0, len(open_set.MEASURES))))
        stacked = torch.stack([scores[name].cpu() for name in self.rejection_scores], 1).numpy()
        in_order = np.take_along_axis(stacked, back[:, None], 2)[:size]
        return ScoredEpisodes(ordered, open_set.measures(in_order, hits(ordered, protocol.ways)))

    def _check(self, logits: Tensor, indices: NDArray[np.int64], number: int) -> None:
        """Refuse logits of another shape, and logits that are not finite."""
        expected = (len(indices), number, self._episodes.protocol.ways)
        if logits.shape != expected:
            raise ResultError(
                "the logits of the method have another shape",
                where="score",
                got=str(tuple(logits.shape)),
                expected=f"(b q n) = {expected}",
                hint="`fewact check-method FILE.py` says more.",
            )
        finite = logits.isfinite().flatten(1).all(1)  # (b)
        if not finite.all():
            first = int(indices[(~finite).nonzero()[0]])
            raise ResultError(
                "a logit of the method is not a finite number", where=f"episode {first}"
            )

    def _rejection(
        self,
        indices: NDArray[np.int64],
        query: NDArray[np.int64],
        logits: Tensor,
        discriminated: Tensor | None,
    ) -> dict[str, Tensor]:
        """Return the scores (b q) by name; empty where all queries are of the episodes' classes."""
        if self._episodes.unknown is None:
            return {}
        labels, ways = self._labels, self._episodes.protocol.ways
        support, text = self._support[indices], self._texts(indices)
        temperature = self._method.temperature
        scores = open_set.of_logits(logits, temperature)
        alone, shot_text = torch.arange(len(labels)), None if text is None else text[:, labels]
        support_rows = self._banks["query"].rows(self._episodes.support[indices])
        rows = np.concatenate([query, support_rows], 1)
        pairs, _ = self._logits(support, alone, len(labels), rows, shot_text)
        scores["known"] = open_set.known(pairs, labels.expand(len(indices), -1), ways)
        twice = torch.cat([labels, torch.full_like(labels, ways)])
        mean = None if text is None else torch.cat([text, text.mean(1, keepdim=True)], 1)
        doubled = np.concatenate([support, support], 1)
        with_garbage, _ = self._logits(doubled, twice, ways + 1, query, mean)
        scores["garbage"] = open_set.garbage(with_garbage, temperature)
        if discriminated is not None:
            scores["discriminator"] = discriminated.double()
        return scores

    def _texts(self, indices: NDArray[np.int64]) -> Tensor | None:
        return None if self._text is None else self._text(indices)

    def _logits(
        self,
        support: NDArray[np.int64],
        labels: Tensor,
        n: int,
        query: NDArray[np.int64],
        text: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the logits (b q n), and the scores of a discriminator for the queries (b q).

        Videos are rows (b s) and (b q); their classes (s) are the same in all episodes.
        """
        labels = labels.expand(len(support), -1).to(self._device)
        if self.bank is not None:
            rows = [torch.from_numpy(side).to(self._device) for side in (support, query)]
            return self.bank(rows[0], labels, n, rows[1]), None
        nodes = self._gather("support", support)
        state = support_state(self._method, nodes, labels, n, text)
        queries = self._gather("query", query)
        known = None
        rejecting: object = self._method
        if self._episodes.unknown is not None and isinstance(rejecting, Rejects):
            known = rejecting.known(state, queries) if rejecting.rejects else None
        return self._method.score(state, queries), known

    def _gather(self, side: str, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the nodes (b s …) of these rows (b s), in buffers that each thread reuses."""
        buffers: dict[tuple[str, str, int], Tensor] = self._buffers.__dict__.setdefault("nodes", {})
        flat = torch.from_numpy(rows.ravel()).to(self._device)
        gathered = {}
        for name, values in self._banks[side].tensors.items():
            key = (side, name, rows.size)
            if key not in buffers:
                buffers[key] = values.new_empty((len(flat), *values.shape[1:]))
            torch.index_select(values, 0, flat, out=buffers[key])
            gathered[name] = buffers[key].unflatten(0, rows.shape)
        return gathered


def has_discriminator(method: TorchMethod) -> bool:
    """Return whether a trained part of a method says how well a query is known."""
    rejecting: object = method
    return isinstance(rejecting, Rejects) and rejecting.rejects


def score(
    scorer: Callable[[int], ScoredEpisodes], batches: Iterable[int], pool: Executor
) -> Iterator[tuple[int, ScoredEpisodes]]:
    """Score batches; yield the number and the result of each batch when it is finished."""
    running = {pool.submit(scorer, batch): batch for batch in batches}
    for future in as_completed(running):
        yield running[future], future.result()


HEAD = "fewact progress 2"
PROGRESS = FileType("file of progress", ResultError, 256 * MIB)


class ProgressFile:
    """Finished batches, one on each line, after a first line that identifies the evaluation.

    Every line has a checksum: a line that a crash cut off is ignored. The file is beside
    ``output``.
    """

    def __init__(
        self, output: Path, setup: EvaluationSetup, batches: Batches, scores: int = 0
    ) -> None:
        self.path = _beside(output)
        self._batches, self._protocol = batches, setup.episodes.protocol
        self._measures = scores, len(open_set.MEASURES)
        self._key = f"{_digest(setup)} {batches.size}"
        self._head = f"{HEAD} {self._key}"

    def read(self) -> dict[int, ScoredEpisodes]:
        """Return the finished batches; refuse a file of another evaluation."""
        if not self.path.exists():
            return {}
        lines = PROGRESS.content(self.path).decode("ascii", errors="replace").split("\n")
        if len(lines) < 2:  # The first line is incomplete.
            return {}
        if lines[0] != self._head:
            raise ResultError(
                "the file has the progress of another evaluation",
                where=str(self.path),
                hint="Choose another output, or remove the file if that evaluation is not needed.",
            )
        # The text after the last line break is empty or an incomplete line.
        return dict(filter(None, map(self._parse, lines[1:-1])))

    @contextmanager
    def writing(
        self, done: Mapping[int, ScoredEpisodes]
    ) -> Iterator[Callable[[int, ScoredEpisodes], None]]:
        """Rewrite the file with the finished batches; yield a function that appends a batch."""
        lines = (self._line(*batch) for batch in done.items())
        write_text(self.path, "".join((f"{self._head}\n", *lines)))
        with self.path.open("ab", buffering=0) as file:

            def append(batch: int, scored: ScoredEpisodes) -> None:
                with output_errors(self.path):
                    file.write(self._line(batch, scored).encode("ascii"))

            yield append

    def remove(self) -> None:
        """Delete the file, after the result was written."""
        self.path.unlink(missing_ok=True)

    def _line(self, batch: int, scored: ScoredEpisodes) -> str:
        packed = pack(scored.predictions, self._protocol.ways)
        text = f"{batch} {(scored.rejection.astype('<f8').tobytes() + packed).hex()}"
        return f"{text} {self._checksum(text)}\n"

    def _checksum(self, text: str) -> str:
        return hashlib.sha256(f"{self._key} {text}".encode()).hexdigest()[:16]

    def _parse(self, line: str) -> tuple[int, ScoredEpisodes] | None:
        text, _, checksum = line.rpartition(" ")
        if checksum != self._checksum(text):
            return None
        batch, _, packed = text.partition(" ")
        episodes, content = self._batches.episodes_in(int(batch)), bytes.fromhex(packed)
        shape = episodes, *self._measures
        rejection = np.frombuffer(content, "<f8", prod(shape)).reshape(shape)
        predictions = content[8 * prod(shape) :]
        known = episodes, self._protocol.known
        return int(batch), ScoredEpisodes(
            unpack(predictions, self._protocol.ways, known), rejection
        )


def remove_progress(output: Path, setup: EvaluationSetup) -> None:
    """Delete the leftovers of an evaluation that was killed after it wrote its result.

    The progress of an evaluation with another setup stays.
    """
    path = _beside(output)
    remove_leftovers(output.parent, of=path)
    head = f"{HEAD} {_digest(setup)} "
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(head)) == head.encode():
            path.unlink()


def _beside(output: Path) -> Path:
    return output.with_name(f"{output.name}.progress")


def _digest(setup: EvaluationSetup) -> str:
    facts = json.dumps(setup.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


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
    method: TorchMethod | Method,
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
        query_source: Features of the query videos, if these are not in ``source``, such as with a
            simulated camera.
        text: Embeddings (classes, d) of the names of ``videos.classes``, for methods that use text;
            see ``text.embed_classes``.
        flags: Remarks to add to the result's.
        command: Command to record in the result.
        run: Output file, threads and progress.

    Raises:
        EpisodeError: The episodes were drawn from another list.
        OptionError: The method needs text or features that the source does not have; or the method,
            the source or the episodes have another type.
        DataError: Videos are missing or cannot be read.
        ResultError: The output file holds another result, or a logit is not finite.
    """
    run = run or RunOptions()
    method = _checked(method, source, episodes)
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
    with _clock(seconds, "encode"):
        support, query = _banks(method, nodes, query_nodes, videos, episodes, run.threads, report)
        if texts is not None:
            support = _with_text(method, support, videos, episodes, texts, run.threads)
    class_texts = None if texts is None else _by_episode(texts.embeddings, labels)
    scorer = Scorer(method, episodes, support, query, class_texts)
    names = scorer.rejection_scores
    file = None if target is None else ProgressFile(target, setup, scorer.batches, len(names))
    with _clock(seconds, "score"), evaluating(method), torch_workers(run.threads) as pool:
        scored = _score(scorer, pool, file, report)
    result = _result(scored.predictions, labels, setup, videos, flags, command)
    if names:
        rejection = open_set_means(open_set.by_score(scored.rejection, names))
        result = result.model_copy(update={"open_set": rejection})
    if target is not None:
        times = target.with_name(f"{target.name}.times")
        write_text(times, json.dumps({"seconds": seconds}) + "\n")
        save(result, target)
    if file is not None:
        file.remove()
    return result


def _banks(
    method: TorchMethod,
    nodes: Encodings | NodeBank,
    query_nodes: Encodings | NodeBank | None,
    videos: VideoList,
    episodes: EpisodeSet,
    threads: int | None,
    report: Callable[[str, int, int], None],
) -> tuple[NodeBank, NodeBank]:
    """Return the nodes of the support and of the query videos; each video is encoded once."""

    def bank(encodings: Encodings | NodeBank, needed: NDArray[np.int32]) -> NodeBank:
        if isinstance(encodings, NodeBank):
            encodings.check(method, videos, needed)
            return encodings
        return encodings.bank(
            method,
            videos,
            needed,
            threads=threads,
            progress=lambda done, total: report("Encoding", done, total),
        )

    if query_nodes is None:
        support = bank(nodes, episodes.needed)
        return support, support
    # In an open set, the support videos are compared with each other, too.
    queried = episodes.query if episodes.unknown is None else episodes.needed
    return bank(nodes, np.unique(episodes.support)), bank(query_nodes, np.unique(queried))


def _with_text(
    method: TorchMethod,
    bank: NodeBank,
    videos: VideoList,
    episodes: EpisodeSet,
    texts: ClassTexts,
    threads: int | None,
) -> NodeBank:
    """Return support nodes to which class names are added, if videos are used more than once."""
    if not isinstance(method, TextMethod) or not method.uses_text:
        return bank
    if episodes.support.size < len(bank.positions):
        return bank
    number = {label: i for i, label in enumerate(videos.classes)}
    classes = [number[videos.videos[position].label] for position in bank.positions.tolist()]
    with evaluating(method), torch_workers(threads) as pool:
        return bank.with_text(method, texts.embeddings[classes], pool)


def _encodings(source: FeatureSource | Encodings | NodeBank) -> Encodings | NodeBank:
    return source if isinstance(source, NodeBank | Encodings) else Encodings(source)


def _score(
    scorer: Scorer, pool: Executor, file: ProgressFile | None, report: Progress
) -> ScoredEpisodes:
    batches = scorer.batches
    done = {} if file is None else file.read()
    todo = [batch for batch in range(len(batches)) if batch not in done]
    with nullcontext(None) if file is None else file.writing(done) as keep:
        for batch, scored in score(scorer, todo, pool):
            done[batch] = scored
            if keep is not None:
                keep(batch, scored)
            number = sum(len(scored.predictions) for scored in done.values())
            report("Scoring", number, batches.count)
    parts = [done[batch] for batch in range(len(batches))]
    return ScoredEpisodes(
        np.concatenate([part.predictions for part in parts]),
        np.concatenate([part.rejection for part in parts]),
    )


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
    low, high = (0.0, 100.0) if intervals is None else intervals[0]
    return Result(
        accuracy=float(accuracies.mean()),
        ci95=half_width(accuracies),
        class_interval=None if intervals is None else (max(low, 0.0), min(high, 100.0)),
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


def _per_class(
    right: NDArray[np.bool_], labels: NDArray[np.int64], classes: tuple[str, ...]
) -> dict[str, ClassAccuracy]:
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


def _differences(saved: EvaluationSetup, current: EvaluationSetup) -> list[str]:
    """Return the names of the facts in which two setups differ, such as ``method.options``."""
    sides = [
        {
            f"{part}.{name}": value
            for part, facts in setup.model_dump(mode="json").items()
            for name, value in (facts or {}).items()
        }
        for setup in (saved, current)
    ]
    names = dict.fromkeys((*sides[0], *sides[1]))
    return [name for name in names if sides[0].get(name) != sides[1].get(name)]


def _checked(method: TorchMethod | Method, source: object, episodes: object) -> TorchMethod:
    """Return the method over tensors.

    Refused are a name instead of a method, an array instead of features, a protocol of episodes.
    """
    for where, value, fits, expected in (
        (
            "method",
            method,
            isinstance(method, TorchMethod | Method),
            "fewact.lab.methods.create(name)",
        ),
        ("source", source, hasattr(source, "features"), "features, such as ArrayFeatures(vectors)"),
        ("episodes", episodes, isinstance(episodes, EpisodeSet), "draw(videos, protocol)"),
    ):
        if not fits:
            got = type(value).__name__
            raise OptionError(f"no {where}", where=where, got=got, expected=expected)
    return on_tensors(method)


def _check_text(method: TorchMethod, videos: VideoList, text: ClassTexts | None) -> None:
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
