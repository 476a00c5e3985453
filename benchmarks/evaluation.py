"""Time of 10,000 episodes from stored nodes.

    python -m benchmarks.evaluation [--videos 2400] [--episodes 10000]

Features are random; sizes are
those of A²M² with 128 channels, 8 frames and windows of 1, 2 and 4 frames.
"""

import argparse
import resource
import time

import numpy as np
import torch

from fewact.data import Video, VideoList
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.evaluation import NodeBank, evaluate_method
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.evaluation.identity import FeatureFacts, encoding_facts
from fewact.lab.methods.base import TorchMethod, evaluating

CHANNELS, MAP_FRAMES, SIDE, CLASSES = 128, 8, 7, 24
EMD = "a2m2", {"moments.level": "maps", "moments.reduction": "none"}
COLUMNS = {
    "A²M², EMD": EMD,
    "A²M², OTAM": (
        "a2m2",
        {"moments.level": "maps", "moments.reduction": "none", "alignment.name": "otam"},
    ),
    "OTAM on frames": ("otam", {}),
    "ProtoNet": ("protonet", {}),
    "frames in order": ("protonet", {"frame_matching": "diagonal"}),
}


def random_nodes(method: TorchMethod, videos: VideoList) -> NodeBank:
    """Return random nodes in the shapes and the scale of the method's nodes of one video."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(MAP_FRAMES, CHANNELS, SIDE, SIDE, generator=generator)
    vectors = torch.rand(MAP_FRAMES, 2048, generator=generator)
    with evaluating(method), torch.inference_mode():
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=2400)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--only", choices=tuple(COLUMNS), help="one method")
    parser.add_argument("--threads", type=int, help="number of threads")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    videos = random_videos(options.videos)
    episodes = draw(videos, Protocol(count=options.episodes))
    print(f"{options.episodes} episodes, 5-way 1-shot, {options.videos} videos")
    for name, (kind, method_options) in COLUMNS.items():
        if options.only not in (None, name):
            continue
        method = methods.create(kind, **method_options)
        bank = random_nodes(method, videos)
        begin, busy = time.perf_counter(), time.process_time()
        evaluate_method(method, bank, videos, episodes)
        spent, busy = time.perf_counter() - begin, time.process_time() - busy
        threads = torch.get_num_threads()
        print(
            f"{name}: {spent:.1f} s on {threads} threads, {busy:.1f} s of processor time",
            flush=True,
        )
        del bank
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory: {peak:.1f} GiB")


if __name__ == "__main__":
    main()
