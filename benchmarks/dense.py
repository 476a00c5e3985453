"""Frames of a video, and whether aligning all of them pays: ``motions:long``.

    python -m benchmarks.dense --work FOLDER [--videos 4] [--frames 8 16 32 64] [--episodes 1000]
        [--page docs/results/dense-frames.md]

Videos of ``motions:long`` have 64 to 512 frames, with long pauses. Test classes, frames of half the
height and width (``benchmarks/training/halved.py``), maps at stride 16, the clip's mean subtracted,
no training: each video's moments of single frames and of two and four frames in a row are compared
by several alignments.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.markdown import heading
from benchmarks.training import halved
from benchmarks.training.ablation_page import judged, wrapped
from benchmarks.training.paired import differences, listed
from fewact import backbones, methods
from fewact.evaluation import Result, RunOptions, VideoFeatures, evaluate_method, load
from fewact.evaluation.encode import encode_list
from fewact.evaluation.episodes import Protocol, draw
from fewact.synthetic import motions

PRESET, WIDTH = "long", 64
ALIGNMENTS: dict[str, dict[str, Any]] = {
    "cosine": {"alignment.name": "cosine"},
    "diagonal": {"alignment.name": "diagonal"},
    "otam": {"alignment.name": "otam"},
    "emd, cross": {"alignment.name": "emd", "alignment.weights": "cross"},
    "emd, cross, time": {
        "alignment.name": "emd",
        "alignment.weights": "cross",
        "alignment.time_weight": 0.5,
    },
}
"""Alignments of A²M²; without "time", only the diagonal and OTAM use the order of windows."""

Cell = tuple[Result, float]
"""Result, and milliseconds of processor time of scoring an episode."""


def measure(
    videos: int, counts: Sequence[int], episodes: int, work: Path
) -> dict[int, dict[str, Cell]]:
    """Return the result of each alignment by the number of frames, stored or computed."""
    halved.register()
    backbone = backbones.create(halved.Halved.defaults.name, device="cpu")
    test = motions(PRESET, videos=videos, size=halved.SIDE).videos.of("test")
    drawn = draw(test, Protocol(5, 1, 1, episodes, 0, test.groups))
    found: dict[int, dict[str, Cell]] = {}
    for frames in counts:
        source = VideoFeatures(test, backbone)
        every = {
            title: methods.create(
                "a2m2",
                **{
                    "frames": frames,
                    "moments.reduction": "orthogonal",
                    "moments.width": WIDTH,
                    "alignment.time_weight": 0.0,
                    **how,
                },
            ).eval()
            for title, how in ALIGNMENTS.items()
        }
        files = {title: work / f"{frames}, {title}.json" for title in every}
        times = {title: file.with_suffix(".seconds") for title, file in files.items()}
        if not all(file.exists() for file in times.values()):
            bank = encode_list(next(iter(every.values())), source, test, drawn.needed)
            for title, method in every.items():
                begin = time.process_time()
                evaluate_method(method, bank, test, drawn, run=RunOptions(output=files[title]))
                times[title].write_text(str(time.process_time() - begin), encoding="utf-8")
                print(frames, title, f"{load(files[title]).accuracy:.1f}", flush=True)
        found[frames] = {
            title: (load(files[title]), 1e3 * float(file.read_text(encoding="utf-8")) / episodes)
            for title, file in times.items()
        }
    return found


def page(found: dict[int, dict[str, Cell]], command: str) -> str:
    """Return the page as Markdown; all figures come from the results."""
    first = next(iter(next(iter(found.values())).values()))[0].setup
    few = min(found)
    lines = [
        "# More frames, and dense alignment",
        "",
        "Do more frames than eight gain in long videos with pauses, and does aligning them pay?",
        "",
        f"    {command}",
        "",
        f"`motions`, preset `{PRESET}`: {first.videos.videos} videos of {first.videos.classes} test"
        " classes, of 64 to 512 frames; maps of the default network (ImageNet) of frames of"
        f" 112 × 112, by a random orthogonal matrix of {WIDTH} channels, nothing trained;"
        f" {first.episodes.protocol.count} episodes, 5-way, 1 shot, chance 20 %. Windows of 1, 2"
        " and 4 frames, square roots of covariances, the clip's mean subtracted. In brackets the"
        " processor time of an episode after encoding, in ms: read the ratios.",
        "",
        heading("frames", *ALIGNMENTS),
    ]
    for frames, cells in found.items():
        texts = (f"{one.accuracy:.1f} ({spent:.1f})" for one, spent in cells.values())
        lines.append(f"| {frames} | {' | '.join(texts)} |")
    lines += [
        "",
        f"## Against {few} frames, and against a fixed alignment",
        "",
        "Paired differences in points, with their 95 % interval over episodes, and that over other"
        " classes where it decides. *Gain* is judged as on the [other pages](settings.md).",
        "",
        "| claim | difference | over other classes | |",
        "|---|---|---|---|",
    ]
    claims = [
        (f"{title}: {frames} frames against {few}", cells[title][0], found[few][title][0])
        for frames, cells in found.items()
        for title in ("diagonal", "emd, cross", "emd, cross, time")
        if frames != few
    ]
    claims += [
        (f"{frames} frames: {how} against the diagonal", cells[how][0], cells["diagonal"][0])
        for frames, cells in found.items()
        for how in ("emd, cross", "emd, cross, time", "otam")
    ]
    for claim, better, worse in claims:
        pairs = differences([better], [worse])
        over = pairs[0].class_interval
        classes = "–" if over is None else f"{over[0]:+.1f} … {over[1]:+.1f}"
        lines.append(f"| {claim} | {listed(pairs)} | {classes} | {judged(pairs)} |")
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the results")
    parser.add_argument("--videos", type=int, default=4, help="videos per class")
    parser.add_argument("--frames", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(options.videos, options.frames, options.episodes, options.work)
    if options.page is not None:
        frames = " ".join(map(str, options.frames))
        command = (
            f"python -m benchmarks.dense --work FOLDER --videos {options.videos} --frames {frames}"
            f" --episodes {options.episodes}"
        )
        options.page.write_text(page(found, command), encoding="utf-8")


if __name__ == "__main__":
    main()
