"""Lists of UCF-101 and HMDB-51 from file names, which contain the class."""

import re
from collections import Counter
from dataclasses import replace

from fewact.data.benchmark_lists import build_list, build_video, is_canonical, modified_flags
from fewact.data.benchmarks import Benchmark
from fewact.data.video_index import VideoIndex
from fewact.data.videos import SPLITS, Split, Video, VideoList

UCF101 = re.compile(r"v_(.+)_g\d+_c\d+", re.IGNORECASE | re.DOTALL)
HMDB51 = re.compile(
    r"(.+)_[fhlu]_(?:cm|nm)_np\d+_(?:ba|fr|le|ri)_(?:bad|goo|med)_\d+", re.IGNORECASE | re.DOTALL
)


def list_from_file_names(bench: Benchmark, files: VideoIndex) -> VideoList:
    """Return the list of all files that are videos of UCF-101 or HMDB-51 by their names.

    A split is flagged as modified if its hash differs although no video is missing, or if a class
    has more videos than the published list.

    Args:
        bench: Benchmark.
        files: Files below a folder.

    Raises:
        DataError: Two files have names of the same video in different spellings.
    """
    videos: dict[Split, list[Video]] = {split: [] for split in SPLITS}
    for found in files:
        label = class_of_file(bench, found.name)
        if label is not None:
            split = bench.split_of[label]
            videos[split].append(build_video(bench, split, label, found.name))
    changed = [split for split in SPLITS if _is_modified(bench, split, videos[split])]
    listed = build_list(bench, (video for split in SPLITS for video in videos[split]))
    return replace(listed, flags=modified_flags(changed))


def class_of_file(bench: Benchmark, name: str) -> str | None:
    """Return the class in a file name of UCF-101 or HMDB-51; None for other files.

    >>> from fewact.data.benchmarks import benchmark
    >>> class_of_file(benchmark("ucf101"), "v_HandStandPushups_g01_c01")
    'HandstandPushups'
    >>> class_of_file(benchmark("hmdb51"), "Fencing_draw_sword_f_nm_np1_le_bad_2")
    'draw_sword'
    """
    if bench.family == "ucf101":
        match = UCF101.fullmatch(name)
        return bench.find_class(match[1]) if match else None
    match = HMDB51.fullmatch(name)
    before = f"_{match[1].casefold()}" if match else ""
    return max((c for c in bench.split_of if before.endswith(f"_{c}")), key=len, default=None)


def _is_modified(bench: Benchmark, split: Split, videos: list[Video]) -> bool:
    counts, published = Counter(video.label for video in videos), bench.counts[split]
    more = any(counts[label] > published[label] for label in published)
    fewer = any(counts[label] < published[label] for label in published)
    return not is_canonical(bench, videos) and (more or not fewer)
