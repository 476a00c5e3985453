"""Invented benchmarks of a few videos, and their files."""

import csv
import hashlib
from pathlib import Path

from fewact.data.videos import GroupScope, Split
from fewact.lab.benchmarks.benchmarks import SPLITS, ActionClass, Benchmark, Family

Lines = list[tuple[Split, str, str]]
"""Split, class and video."""

SSV2: Lines = [
    ("train", "train7", "31"),
    ("train", "train7", "4"),
    ("train", "train8", "1000"),
    ("train", "train8", "7"),
    ("val", "val9", "88"),
    ("test", "test0", "12"),
    ("test", "test1", "5"),
    ("test", "test1", "6"),
]
SSV2_NAMES = {
    "train7": "Pushing something",
    "train8": "Lifting something, then letting it drop down",
    "val9": "Squeezing something",
    "test0": "Folding something",
    "test1": "Twisting (wringing) something wet",
}
KINETICS: Lines = [
    ("train", "air drumming", "-VtLx-mcPds"),
    ("train", "air drumming", "abcdefghijk"),
    ("train", "air drumming", "abcdefghijK"),
    ("val", "baking", "dcba_dcba-0"),
    ("test", "unboxing", "zGuJDtD_OL0"),
]
UCF: Lines = [
    *(("train", "BabyCrawling", f"v_BabyCrawling_g0{g}_c0{c}") for g in (1, 2) for c in (1, 2)),
    ("val", "HandstandPushups", "v_HandStandPushups_g01_c01"),
    ("test", "Archery", "v_Archery_g11_c01"),
    ("test", "Archery", "v_Archery_g25_c07"),
]
HMDB: Lines = [
    ("train", "draw_sword", "A_(Rad)!_draw_sword_f_cm_np1_le_med_0"),
    ("train", "draw_sword", "sword_run_draw_sword_h_nm_np10_ri_bad_12"),
    ("val", "sword", "Draw_fencing_sword_u_nm_np1_ba_goo_3"),
    ("test", "run", "#20_Rhythm_run_l_cm_np2_fr_med_0"),
]
NTU: Lines = [
    *(("train", "A002", f"S001C00{c}P001R001A002") for c in (1, 2, 3)),
    ("train", "A120", "S032C001P106R002A120"),
    ("test", "A001", "S001C003P008R001A001"),
]


def make_benchmark(
    lines: Lines,
    family: Family,
    names: dict[str, str] | None = None,
    *,
    id: str = "small_made-up",
    includes_all_videos: bool = False,
    groups: GroupScope = "none",
) -> Benchmark:
    """Return a benchmark with this list; its hashes are computed independently of fewact."""
    names = names or {}
    sha256, classes = {}, {}
    for split in SPLITS:
        rows = [(label, video) for of, label, video in lines if of == split]
        keys = [
            (c, v if family in ("diving48", "finegym", "kinetics") else v.lower()) for c, v in rows
        ]
        text = "".join(sorted(f"{split}/{c}/{k}\n" for c, k in keys))
        if rows:
            sha256[split] = hashlib.sha256(text.encode()).hexdigest()
        labels = list(dict.fromkeys(label for label, _ in rows))
        classes[split] = [
            ActionClass(c, sum(c == label for label, _ in rows), names.get(c, c), "")
            for c in labels
        ]
    return Benchmark(
        id=id,
        title="Made up",
        family=family,
        published="nowhere",
        licence="none",
        includes_all_videos=includes_all_videos,
        groups=groups,
        folders=("published_here",),
        caveats=("small",),
        sha256=sha256,
        classes=classes,
    )


def create(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def write_table(path: Path, lines: Lines) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("split", "class", "video"), *lines])
    return path


def write_texts(folder: Path, lines: Lines, form: str, name: str) -> Path:
    """Write published text files: ``form`` is a line, ``name`` a file name."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        labels = list(dict.fromkeys(label for of, label, _ in lines if of == split))
        written = [
            form.format(split=split, label=label, video=video, number=labels.index(label))
            for of, label, video in lines
            if of == split
        ]
        (folder / name.format(split=split)).write_text("\n".join(written) + "\n")
    return folder


def write_videos(root: Path, lines: Lines, form: str) -> Path:
    """Write empty files, or folders of two images for names that end with "/"."""
    for split, label, video in lines:
        name = form.format(split=split, label=label, video=video)
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
            for number in (1, 2):
                (path / f"img_{number:05}.jpg").touch()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"video")
    return root
