"""Benchmarks that are all videos of their classes: what a file is called says which class it is."""

import re
from collections import Counter
from dataclasses import replace

from fewact.data.benchmarks import SPLITS, Benchmark
from fewact.data.lists import canonical, make_list, make_video, modified
from fewact.data.tree import Tree
from fewact.data.videos import Split, Video, VideoList

UCF101 = re.compile(r"v_(.+)_g\d+_c\d+", re.IGNORECASE | re.DOTALL)
HMDB51 = re.compile(
    r"(.+)_[fhlu]_(?:cm|nm)_np\d+_(?:ba|fr|le|ri)_(?:bad|goo|med)_\d+", re.IGNORECASE | re.DOTALL
)


def list_by_classes(bench: Benchmark, tree: Tree) -> VideoList:
    """The list of UCF-101 or HMDB-51 as far as its videos are there.

    A split is flagged as modified where its hash differs though nothing is missing, or where a
    class has more videos than it should.

    Args:
        bench: The benchmark.
        tree: What was found.

    Raises:
        DataError: Two files are of one video by their names, yet are spelled differently.
    """
    videos: dict[Split, list[Video]] = {split: [] for split in SPLITS}
    for found in tree:
        label = class_of(bench, found.name)
        if label is not None:
            split = bench.split_of[label]
            videos[split].append(make_video(bench, split, label, found.name))
    odd = [split for split in SPLITS if _is_modified(bench, split, videos[split])]
    listed = make_list(bench, (video for split in SPLITS for video in videos[split]))
    return replace(listed, flags=modified(odd))


def class_of(bench: Benchmark, name: str) -> str | None:
    """The class that a file of UCF-101 or HMDB-51 is of, by its name.

    >>> from fewact.data.benchmarks import benchmark
    >>> class_of(benchmark("ucf101"), "v_HandStandPushups_g01_c01")
    'HandstandPushups'
    >>> class_of(benchmark("hmdb51"), "Fencing_draw_sword_f_nm_np1_le_bad_2")
    'draw_sword'
    """
    if bench.family == "ucf101":
        match = UCF101.fullmatch(name)
        return bench.class_of(match[1]) if match else None
    match = HMDB51.fullmatch(name)
    before = f"_{match[1].casefold()}" if match else ""
    return max((c for c in bench.split_of if before.endswith(f"_{c}")), key=len, default=None)


def _is_modified(bench: Benchmark, split: Split, videos: list[Video]) -> bool:
    counts, wanted = Counter(video.label for video in videos), bench.counts[split]
    more = any(counts[label] > wanted[label] for label in wanted)
    fewer = any(counts[label] < wanted[label] for label in wanted)
    return not canonical(bench, videos) and (more or not fewer)
