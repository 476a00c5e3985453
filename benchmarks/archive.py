"""`fewact index` and `find` beside reading every window; 100 hours; `discover` on six actions.

    python -m benchmarks.archive find SET ASSETS FOLDER [--queries 8]
    python -m benchmarks.archive scale FOLDER [--hours 1 10 100]
    python -m benchmarks.archive search FOLDER [--hours 1 10]
    python -m benchmarks.archive discover FOLDER [--seeds 5]

A recording has one clip of each class and person, in random order, of other people than the
examples. `find` makes and indexes it; the others use its index. An hour of `scale` is clips of
that index in random order, with noise, into which the segments of one class are planted.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared import line
from benchmarks.watch import FPS, frames_of, group_of, sets
from fewact import methods, networks
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import similarities
from fewact.classifier.pipeline import Pipeline
from fewact.data import Clip, Video
from fewact.features.ring import FeatureRing
from fewact.features.store import Store
from fewact.features.store.store import KnownVideo
from fewact.methods.common.reduction import orthogonal_projection
from fewact.networks import Backbone, Card
from fewact.recordings.commands.archive import READ_AGAIN
from fewact.recordings.discover import discover
from fewact.recordings.find import TRACK_WEIGHTS, proposals, read_again
from fewact.recordings.index import (
    ENTRY_SECONDS,
    Archive,
    IndexedRecording,
    SmallRows,
    recording_parts,
)
from fewact.recordings.question import Question, question_of_clips
from fewact.recordings.segments import Segment, apart
from fewact.recordings.small_vectors import INDEX_TRACKS, SmallVectors
from fewact.recordings.windows import WINDOW_STEP, Pace
from fewact.video import write_video
from fewact.video.recording import open_recording

QUERY_GROUPS, RIGHT_IOU, RATE = 2, 0.3, 16.0

Truth = list[tuple[str, float, float]]


def record(videos: Sequence[Video], folder: Path, rng: random.Random) -> tuple[Truth, list[Path]]:
    """Write a recording, its events and the examples, once."""
    groups = sorted({group_of(video) for video in videos})
    one_of_each: dict[tuple[str, str], Video] = {}
    for video in rng.sample(videos, len(videos)):
        one_of_each.setdefault((video.label, group_of(video)), video)
    examples = [v for (_, group), v in one_of_each.items() if group in groups[:QUERY_GROUPS]]
    shown = [v for (_, group), v in one_of_each.items() if group not in groups[:QUERY_GROUPS]]
    truth: Truth = []
    file = folder / "recording.mp4"

    def frames() -> Iterator[NDArray[np.uint8]]:
        count = 0
        for video in shown:
            images, _ = frames_of(video)
            truth.append((video.label, count / FPS, (count + len(images)) / FPS))
            count += len(images)
            yield from images

    folder.mkdir(parents=True, exist_ok=True)
    write_video(file, frames(), FPS, overwrite=True)
    (folder / "truth.json").write_text(json.dumps(truth))
    written = []
    for video in examples:
        path = folder / "examples" / f"{video.label}__{group_of(video)}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, frames_of(video)[0], FPS, overwrite=True)
        written.append(path)
    return truth, written


def average_precision(segments: Sequence[tuple[float, float]], truth: Truth, label: str) -> float:
    """Return the average precision of ranked segments that do not overlap."""
    left = [(start, end) for name, start, end in truth if name == label]
    count, right, total = len(left), 0, 0.0
    for rank, (start, end) in enumerate(segments, start=1):
        for true in left:
            shared = min(end, true[1]) - max(start, true[0])
            if shared / (max(end, true[1]) - min(start, true[0])) >= RIGHT_IOU:
                left.remove(true)
                right += 1
                total += right / rank
                break
    return total / count


def all_nodes(file: Path, pipeline: Pipeline, length: float) -> tuple[NDArray[np.float64], Nodes]:
    """Return the starts of all windows, as those of `watch`, and their complete nodes."""
    backbone = pipeline.backbone
    assert isinstance(backbone, Backbone)
    ring, pace = FeatureRing(backbone, pipeline.requests), Pace(RATE)
    starts, nodes, end = list[float](), list[Nodes](), length
    with open_recording(file) as recording:
        for at, frame in recording.frames():
            if not pace.needs(at):
                continue
            pace.take(at)
            ring.add(at, recording.convert(frame))
            while end <= at:
                window = pipeline.encode(ring.features(end - length, end))
                nodes.append({name: value[0].astype(np.float16) for name, value in window.items()})
                starts.append(end - length)
                end += WINDOW_STEP * length
                ring.forget(end - length)
    return np.array(starts), {name: np.stack([n[name] for n in nodes]) for name in nodes[0]}


def open_pipeline() -> Pipeline:
    return Pipeline(networks.create(), methods.create("fusion"))


def find(name: str, assets: Path, folder: Path, queries: int) -> None:
    """Compare `find` with reading every window."""
    part, development = sets(assets)[name]
    rng = random.Random(0)
    truth, examples = record(part.videos.videos, folder, rng)
    pipeline = open_pipeline()
    backbone = pipeline.backbone
    assert isinstance(backbone, Backbone)
    archive = Archive(Store.create(folder / "index"), backbone.card, create=True)
    begin = time.process_time()
    archive.add(folder / "recording.mp4", backbone)
    index_cpu = time.process_time() - begin
    by_class: dict[str, Path] = {path.stem.split("__")[0]: path for path in examples}
    chosen = rng.sample(sorted(by_class), min(queries, len(by_class)))
    questions = [question_of_clips([Clip(by_class[label], label)], pipeline) for label in chosen]
    length = float(np.median([question.lengths[0] for question in questions]))
    begin = time.process_time()
    starts, nodes = all_nodes(folder / "recording.mp4", pipeline, length)
    every_cpu = time.process_time() - begin
    rows = []
    for label, question in zip(chosen, questions, strict=True):
        exact = exhaustive(question, starts, nodes, length)
        begin = time.process_time()
        small = proposals(archive, question, 10_000)
        found = read_again(small[:READ_AGAIN], question) + small[READ_AGAIN:]
        rows.append(
            [
                average_precision(exact, truth, label),
                average_precision(spans(small), truth, label),
                average_precision(spans(found), truth, label),
                time.process_time() - begin,
            ]
        )
        print(label, *(f"{value:.3f}" for value in rows[-1]), flush=True)
    mean = np.mean(rows, 0)
    seconds = truth[-1][2]
    cells = (
        part.name + (" (development)" if development else ""),
        f"{seconds / 60:.1f}",
        str(len(rows)),
        *(f"{value:.3f}" for value in mean[:3]),
        f"{60 * archive.entries.bytes_a_video / 1e6:.1f}",
        f"{60 * index_cpu / seconds:.1f}",
        f"{60 * every_cpu / seconds:.1f}",
        f"{mean[3]:.1f}",
    )
    print(line(*cells))


def exhaustive(
    question: Question,
    starts: NDArray[np.float64],
    nodes: Nodes,
    length: float,
) -> list[tuple[float, float]]:
    """Return all windows that do not overlap, ranked by the complete method."""
    by_clip = question.by_clip
    parts = [
        similarities(by_clip, {n: v[i : i + 8].astype(np.float32) for n, v in nodes.items()})
        for i in range(0, len(starts), 8)
    ]
    values = np.concatenate(parts).mean(1)
    return [
        (float(starts[i]), float(starts[i]) + length)
        for i in apart(starts, starts + length, values, len(starts))
    ]


def spans(segments: Sequence[Segment]) -> list[tuple[float, float]]:
    return [(segment.start, segment.end) for segment in segments]


def scale(folder: Path, hours: Sequence[int]) -> None:
    """Time `find` in hours that are made of real minutes, with one class planted."""
    pipeline = open_pipeline()
    card, recorded, rows, truth = open_index(folder)
    example = sorted((folder / "examples").iterdir())[0]
    label = example.stem.split("__")[0]
    question = question_of_clips([Clip(example, label)], pipeline)
    planted = [(start, end) for name, start, end in truth if name == label]
    others = [(start, end) for name, start, end in truth if name != label]
    for count in hours:
        rng = np.random.default_rng(count)
        archive = Archive(Store.create(folder / f"index-{count}"), card, create=True)
        places = plant(archive, rows, others, planted, count, rng)
        begin, cpu = time.monotonic(), time.process_time()
        small = proposals(archive, question, 1000)
        searched, search_cpu = time.monotonic() - begin, time.process_time() - cpu
        begin, cpu = time.monotonic(), time.process_time()
        read_again(
            [
                Segment(recorded, s.start % 60, s.start % 60 + s.end - s.start, label, 0.0)
                for s in small[:READ_AGAIN]
            ],
            question,
        )
        reading, read_cpu = time.monotonic() - begin, time.process_time() - cpu
        ranks = [
            next(
                (
                    rank
                    for rank, one in enumerate(small, start=1)
                    if one.recorded.fingerprint == name
                    and min(one.end, end) - max(one.start, start) > 0.5 * (end - start)
                ),
                None,
            )
            for name, start, end in places
        ]
        within = sum(rank is not None and rank <= READ_AGAIN for rank in ranks)
        size = len(archive.entries) * archive.entries.bytes_a_video / 1e6
        print(
            line(
                str(count),
                f"{size:.0f}",
                f"{searched:.1f}",
                f"{search_cpu:.1f}",
                f"{reading:.1f}",
                f"{read_cpu:.1f}",
                f"{within} of {len(places)}",
                str(ranks),
            ),
            flush=True,
        )


def search(folder: Path, hours: Sequence[int]) -> None:
    """Compare faiss, hnswlib and usearch with exact products of window vectors.

    A window is a vector of 256 numbers, projected from those of ``SmallVectors``; these libraries
    need one for each window of each duration. The indices are those that ``scale`` wrote.
    """
    card = networks.create().card
    for count in hours:
        archive = Archive(Store(folder / f"index-{count}"), card)
        vectors = np.concatenate(
            [window_vectors(archive, recorded) for recorded in archive.recordings()]
        )
        queries = vectors[:: len(vectors) // 20][:20]
        begin = time.process_time()
        exact = np.argsort(-(queries @ vectors.T), 1)[:, :READ_AGAIN]
        each = (time.process_time() - begin) / len(queries)
        mb = vectors.nbytes / 1e6
        print(
            line(
                str(count),
                str(len(vectors)),
                "exact",
                "",
                f"{1000 * each:.1f}",
                "1.00",
                f"{mb:.0f}",
            )
        )
        for name, build in LIBRARIES.items():
            begin = time.process_time()
            ask = build(vectors)
            built, begin = time.process_time() - begin, time.process_time()
            found = ask(queries)
            each = (time.process_time() - begin) / len(queries)
            recall = np.mean(
                [len(set(a) & set(b)) / READ_AGAIN for a, b in zip(found, exact, strict=True)]
            )
            cells = (str(count), str(len(vectors)), name, f"{built:.0f}", f"{1000 * each:.1f}")
            print(line(*cells, f"{recall:.2f}", ""), flush=True)


def window_vectors(archive: Archive, recorded: IndexedRecording) -> NDArray[np.float32]:
    """Return the vectors (w 256) of the windows of a recording, of 2.2 seconds."""
    length, found = 2.2, list[NDArray[np.floating]]()
    projection = None
    for _, rows in recording_parts(archive, recorded):
        duration = len(rows["layout"]) / INDEX_TRACKS["layout"].rate
        for start in np.arange(0, duration - length, WINDOW_STEP * length).tolist():
            vector = SmallVectors.of_rows(rows, start, length).joined(TRACK_WEIGHTS)
            if projection is None:
                projection = orthogonal_projection(len(vector), 256)
            found.append(projection @ vector)
    vectors = np.array(found, np.float32)
    units: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units


Ask = Callable[[NDArray[np.float32]], Sequence[Sequence[int]]]


def build_faiss(vectors: NDArray[np.float32]) -> Ask:
    import faiss

    index = faiss.index_factory(vectors.shape[1], "IVF256,Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    index.nprobe = 16
    return lambda queries: index.search(queries, READ_AGAIN)[1].tolist()


def build_hnswlib(vectors: NDArray[np.float32]) -> Ask:
    import hnswlib

    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(len(vectors), ef_construction=100, M=16)
    index.add_items(vectors, num_threads=1)
    index.set_ef(100)
    return lambda queries: index.knn_query(queries, READ_AGAIN)[0].tolist()


def build_usearch(vectors: NDArray[np.float32]) -> Ask:
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", expansion_search=100)
    index.add(np.arange(len(vectors)), vectors, threads=1)
    return lambda queries: index.search(queries, READ_AGAIN).keys.tolist()


LIBRARIES = {"faiss": build_faiss, "hnswlib": build_hnswlib, "usearch": build_usearch}


def plant(
    archive: Archive,
    rows: SmallRows,
    others: Sequence[tuple[float, float]],
    planted: Sequence[tuple[float, float]],
    hours: int,
    rng: np.random.Generator,
) -> list[tuple[str, float, float]]:
    """Write an index of so many hours; return where segments were planted."""
    places = []
    numbers = rng.choice(hours, size=len(planted), replace=hours < len(planted))
    for hour in range(hours):
        parts: list[tuple[float, float]] = []
        seconds = 0.0
        while seconds < 3700:  # more than is kept, as cuts are rounded
            start, end = others[int(rng.integers(len(others)))]
            parts.append((start, end))
            seconds += end - start
        mine = [planted[int(i)] for i in np.flatnonzero(numbers == hour)]
        for segment in mine:
            parts.insert(int(rng.integers(len(parts) // 2)), segment)
        name = f"{hour:064x}"
        joined, spans_of_parts = cut(rows, parts)
        places += [
            (name, *span) for span, part in zip(spans_of_parts, parts, strict=True) if part in mine
        ]
        noisy = {}
        for track, values in joined.items():
            kept = values[: 3600 * INDEX_TRACKS[track].rate].astype(np.int16)
            noise = rng.integers(-3, 4, kept.shape, np.int16)
            noisy[track] = (kept + noise).clip(-127, 127).astype(np.int8)
        write_minutes(archive, name, noisy)
        archive.known.write({f"/archive/{hour}.mp4": KnownVideo(name, "simulated")})
    return places


def cut(
    rows: SmallRows, parts: Sequence[tuple[float, float]]
) -> tuple[SmallRows, list[tuple[float, float]]]:
    """Return the rows of parts of a recording one after the other, and when each is there."""
    quarters = [(round(4 * start), round(4 * end)) for start, end in parts]
    ends = np.cumsum([0, *(last - first for first, last in quarters)]) / 4
    joined = {
        track: np.concatenate(
            [rows[track][first * rate // 4 : last * rate // 4] for first, last in quarters]
        )
        for track, (rate, _) in INDEX_TRACKS.items()
    }
    return joined, list(pairwise(ends.tolist()))


def write_minutes(archive: Archive, name: str, rows: SmallRows) -> None:
    """Write rows as a recording; the last minute is filled with zeros."""
    count = -(-len(rows["layout"]) // (ENTRY_SECONDS * INDEX_TRACKS["layout"].rate))
    minutes = {}
    for track, values in rows.items():
        size = ENTRY_SECONDS * INDEX_TRACKS[track].rate
        minutes[track] = np.pad(values, ((0, count * size - len(values)), (0, 0))).reshape(
            count, size, -1
        )
    archive.entries.write(
        {f"{name}:{n:06}": {t: values[n] for t, values in minutes.items()} for n in range(count)}
    )


def open_index(folder: Path) -> tuple[Card, IndexedRecording, SmallRows, Truth]:
    """Return the backbone of the index that ``find`` wrote, its recording, rows and events."""
    card = networks.create().card
    real = Archive(Store(folder / "index"), card)
    (recorded,) = real.recordings()
    rows = real.rows(recorded.fingerprint, 0, real.blocks(recorded.fingerprint))
    return card, recorded, rows, json.loads((folder / "truth.json").read_text())


def groups(folder: Path, seeds: int) -> None:
    """Discover six actions: the recording's events of six classes, in random order."""
    card, _, rows, truth = open_index(folder)
    for seed in range(seeds):
        rng = random.Random(seed)
        six = rng.sample(sorted({label for label, _, _ in truth}), 6)
        shown = [event for event in truth if event[0] in six]
        rng.shuffle(shown)
        joined, places = cut(rows, [(start, end) for _, start, end in shown])
        events = [(label, *place) for (label, _, _), place in zip(shown, places, strict=True)]
        archive = Archive(Store.create(folder / f"six-{seed}"), card, create=True)
        name = f"{seed:064x}"
        write_minutes(archive, name, joined)
        length = float(np.median([end - start for _, start, end in events]))
        found = discover(archive, [IndexedRecording(Path("six.mp4"), name)], length=length)
        named, members, right = set(), 0, 0
        for group in found:
            labels = [
                max(events, key=lambda e: min(e[2], one.end) - max(e[1], one.start))[0]
                for one in group
            ]
            label = max(sorted(set(labels)), key=labels.count)
            members, right = members + len(labels), right + labels.count(label)
            if labels.count(label) > len(labels) / 2:
                named.add(label)
        print(
            line(
                str(seed),
                str(len(events)),
                str(len(found)),
                str(len(named)),
                f"{right / max(1, members):.2f}",
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    finds = commands.add_parser("find", help="average precision, size and time")
    finds.add_argument("set")
    finds.add_argument("assets", type=Path)
    finds.add_argument("folder", type=Path)
    finds.add_argument("--queries", type=int, default=8)
    scales = commands.add_parser("scale", help="time and rank of planted actions")
    scales.add_argument("folder", type=Path)
    scales.add_argument("--hours", type=int, nargs="+", default=[1, 10, 100])
    searches = commands.add_parser("search", help="approximate search of window vectors")
    searches.add_argument("folder", type=Path)
    searches.add_argument("--hours", type=int, nargs="+", default=[1, 10])
    sixes = commands.add_parser("discover", help="groups of six actions")
    sixes.add_argument("folder", type=Path)
    sixes.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    if options.command == "find":
        find(options.set, options.assets, options.folder, options.queries)
    elif options.command == "scale":
        scale(options.folder, options.hours)
    elif options.command == "search":
        search(options.folder, options.hours)
    else:
        groups(options.folder, options.seeds)


if __name__ == "__main__":
    main()
