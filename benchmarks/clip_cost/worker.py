"""Measures one installation of fewact; started by ``clip_cost`` and ``before_after``.

Reads a JSON object a line and answers with one. The first has the training clips; every other names
work: clips to predict, clips to embed, a recording, or a number of episodes. It imports nothing but
fewact, so that it runs in an older version, too.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import fewact
from fewact import FewShotClassifier, backbones, methods
from fewact.data import Clip, Video, VideoList
from fewact.evaluation import NodeBank, evaluate_method
from fewact.evaluation.episodes import Protocol, draw
from fewact.evaluation.identity import FeatureFacts, encoding_facts
from fewact.features.request import FeatureRequest, View
from fewact.features.store import Job, Store, embed
from fewact.features.timing import Stage, Timing
from fewact.methods.base import Method
from fewact.video import Segments, read_frame_sets

if TYPE_CHECKING:  # Older versions have other names.
    from fewact.backbones import Level

FRAMES = 8
LEVELS: tuple["Level", ...] = ("vectors", "middle")
"""Frames of a clip that run through the network, and their levels; small images are more."""

CHANNELS, MAP_FRAMES, SIDE = 128, 8, 7
EMD = "a2m2", {"moments.level": "maps", "moments.reduction": "none"}
VIDEOS, CLASSES = 2400, 24
"""Method, and videos of the episodes."""


class ProcessorTime(Timing):
    """Adds up the processor time of the threads of the stages, for networks in one thread."""

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        begin = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[name] += time.thread_time() - begin


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall-clock and the processor seconds of some work."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def random_nodes(method: Method, videos: VideoList) -> NodeBank:
    """Return random nodes in the shapes and the scale of the method's nodes of one video."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(MAP_FRAMES, CHANNELS, SIDE, SIDE, generator=generator)
    vectors = torch.rand(MAP_FRAMES, 2048, generator=generator)
    with torch.inference_mode():
        one = method.encode(
            {
                FeatureRequest("maps", View(MAP_FRAMES)): maps,
                FeatureRequest("vectors", View(MAP_FRAMES)): vectors,
            }
        )
    features = FeatureFacts(name="random", sha256="", backbone_sha256="", trained_on=())
    positions = np.arange(len(videos.videos), dtype=np.int32)
    bank = NodeBank(positions, encoding_facts(method), features, videos.digest)
    bank.tensors = {
        name: torch.rand((len(positions), *value.shape), generator=generator).mul_(value)
        for name, value in one.items()
    }
    return bank


def random_videos(count: int) -> VideoList:
    """Return videos without files, of 24 classes."""
    every = (Video(str(i), f"class {i % CLASSES}") for i in range(count))
    return VideoList("random", tuple(every))


def measure_episodes(classifier: FewShotClassifier, count: int) -> dict[str, Any]:
    """Return the seconds of scoring episodes of random nodes with A²M² and EMD."""
    videos, method = random_videos(VIDEOS), methods.create(EMD[0], **EMD[1]).eval()
    bank, episodes = random_nodes(method, videos), draw(videos, Protocol(count=count))
    found: list[float] = []
    wall, busy = timed(
        lambda: found.append(evaluate_method(method, bank, videos, episodes).accuracy)
    )
    return {"wall": wall, "busy": busy, "answers": found}


def measure_embedding(classifier: FewShotClassifier, paths: list[str]) -> dict[str, Any]:
    """Return the seconds of embedding clips into a new store, and of the network alone."""
    backbone = classifier.backbone
    assert not isinstance(backbone, str)
    clips = [Clip(Path(path)) for path in paths]
    videos = VideoList("clips", tuple(Video(str(i), "", source=c) for i, c in enumerate(clips)))
    outcomes: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Store.create(folder), videos, backbone.card, [FeatureRequest("vectors")])
        wall, busy = timed(
            lambda: embed(
                job, backbone, range(len(job)), lambda one: outcomes.append(one.error is None)
            )
        )
    return {"wall": wall, "busy": busy, "answers": [sum(outcomes)]}


def measure(classifier: FewShotClassifier, paths: list[str]) -> dict[str, Any]:
    """Return the seconds of a prediction, by stages, and of bare decoding and the bare network."""
    backbone = classifier.backbone
    assert not isinstance(backbone, str)
    found: list[Any] = []
    wall, busy = timed(lambda: found.extend(classifier.predict_each(paths)))
    timing, threads = ProcessorTime(), torch.get_num_threads()
    if len(paths) == 1:
        torch.set_num_threads(1)
        list(classifier.predict_each(paths, timing=timing))
        torch.set_num_threads(threads)
    decode = network = 0.0
    for path in paths:
        decoding, running = measure_parts(backbone, path)
        decode, network = decode + decoding, network + running
    return {
        "wall": wall,
        "busy": busy,
        "stages": timing.seconds,
        "decode": decode,
        "network": network,
        "answers": [getattr(one, "label", "skipped") for one in found],
    }


def measure_parts(backbone: backbones.Backbone, path: str) -> tuple[float, float]:
    """Return the processor seconds of a clip's bare decoding, and of the bare network."""
    sets: list[Any] = []
    decode = timed(
        lambda: sets.extend(
            read_frame_sets(
                path,
                [Segments(FRAMES)],
                transform=lambda frame: backbone.prepare(frame).permute(1, 2, 0).numpy(),
            )
        )
    )[1]
    prepared = torch.from_numpy(sets[0]).permute(0, 3, 1, 2)
    return decode, timed(partial(backbone.features, prepared, LEVELS))[1]


def measure_watching(classifier: FewShotClassifier, path: str) -> dict[str, Any]:
    """Return the seconds of watching a recording, and how many frames were looked at."""
    from fewact.classifier.recordings.watch import watching  # Older versions watch no recordings.

    found: list[Any] = []
    with watching(classifier, path) as opened:
        wall, busy = timed(lambda: found.extend(opened.events()))
        looked_at = opened.looked_at
    return {"wall": wall, "busy": busy, "looked_at": looked_at, "answers": len(found)}


def at_quality(quality: str) -> tuple[dict[str, Any], Method]:
    """Return the options of the backbone and the default method of a quality."""
    from fewact.methods.quality import QUALITIES  # Older versions have no qualities.

    chosen = QUALITIES[quality]
    return {"size": chosen.size}, methods.create("fusion", **chosen.options)


WORK: dict[str, Callable[[FewShotClassifier, Any], dict[str, Any]]] = {
    "predict": measure,
    "embed": measure_embedding,
    "episodes": measure_episodes,
    "watch": measure_watching,
}


def main() -> None:
    first = json.loads(sys.stdin.readline())
    torch.set_num_threads(first["threads"])
    options = {key: first[key] for key in ("weights", "precision") if key in first}
    chosen: dict[str, Any] = {}
    if "quality" in first:
        reading, chosen["method"] = at_quality(first["quality"])
        options |= reading
    backbone = backbones.create(first["backbone"], **options)
    classifier = FewShotClassifier(backbone, text="off", **chosen)
    classifier.fit(first["clips"], first["labels"])
    imported = str(Path(str(fewact.__file__)).parents[1])
    facts = {"card": f"{backbone.card.name}, {backbone.card.precision}", "imported": imported}
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        ((work, argument),) = json.loads(line).items()
        print(json.dumps(WORK[work](classifier, argument)), flush=True)


if __name__ == "__main__":
    main()
