"""Does HSMR help against a static background? CLIP-SPM from frames, on other backgrounds.

    python -m benchmarks.training.clip_spm_background ASSETS --work FOLDER [--seeds 2]
        [--episodes 2000] [--steps '[400, 500]'] [--page docs/results/clip-spm-background.md]

The baseline, + HSMR and the complete method of ``benchmarks.training.clip_spm_ablation`` on
``utd27_depth``, whose FOLDER may be used: runs that it contains are not trained again. Depth clips
have no background; the condition ``background`` puts a static one behind the person, another one
for each clip. Each row is trained on the clips as they are, and on clips with backgrounds, and
tested on clips as they are, on queries with a background, and with a background in all clips. What
counts is how much less a row loses than the baseline, on the same episodes.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.markdown import heading
from benchmarks.training.ablation_page import mean_of, wrapped
from benchmarks.training.clip_spm import Lists, lists_of_clips
from benchmarks.training.clip_spm_ablation_work import (
    BASELINE,
    SIDE,
    Work,
    in_memory,
    network_of,
    texts_of,
)
from fewact.data import VideoList
from fewact.evaluation import Result, RunOptions, VideoFeatures, checkpoint, evaluate_method, load
from fewact.evaluation.encode import Encodings
from fewact.evaluation.episodes import Protocol, draw
from fewact.evaluation.intervals import half_width
from fewact.synthetic.processing import with_condition

SEVERITY = 2
"""A fine texture that does not move; 1 is smooth, 3 moves."""

COMPLETE = "+ PADM"
ROWS = (BASELINE, "+ HSMR", COMPLETE)
SHOTS = (1, 5)
TRAINED = {"clips": "as they are", "clips-backgrounds": "with backgrounds"}
"""Training clips, by the folder of the runs."""

CLEAN, QUERIES, ALL = "no background", "queries alone", "all clips"
TESTED = (CLEAN, QUERIES, ALL)
"""Clips with a background in a test."""

Found = Mapping[tuple[str, str, int], Result]
"""Results of a training set and seed by row, test and shots."""


def with_backgrounds(videos: VideoList) -> VideoList:
    """Return the videos with a static background each."""
    return with_condition(videos, f"background:{SEVERITY}")


def lists_of(work: Work, assets: Path, data: str, seed: int) -> tuple[Lists, VideoList]:
    """Return the lists of a seed in memory, and the test list with backgrounds."""
    lists = lists_of_clips(assets, seed)
    behind = with_backgrounds(lists.test)
    if data != "clips":
        lists = replace(lists, train=with_backgrounds(lists.train), val=with_backgrounds(lists.val))
    file = work.of(data, seed, "test-backgrounds.npy")
    return work.in_memory(lists, data, seed), in_memory(behind, file, SIDE)


def results_of(work: Work, assets: Path, data: str, seed: int) -> Found:
    """Train the rows of a seed, unless that is done, and return their results."""
    files = {
        (row, test, shots): work.of(data, seed, f"{row}, {test}, {shots}, {work.episodes}.json")
        for row in ROWS
        for test in TESTED
        for shots in SHOTS
    }
    if not all(file.exists() for file in files.values()):
        lists, behind = lists_of(work, assets, data, seed)
        for row in ROWS:
            run = checkpoint.read(work.trained(data, seed, lists, row))
            network, text = network_of(run), texts_of(run, lists.test)
            clean, changed = (
                Encodings(VideoFeatures(one, network, keep=True)) for one in (lists.test, behind)
            )
            sources = {CLEAN: (clean, clean), QUERIES: (clean, changed), ALL: (changed, changed)}
            for test, (support, query) in sources.items():
                for shots in SHOTS:
                    protocol = Protocol(5, shots, 1, work.episodes, seed, lists.groups)
                    result = evaluate_method(
                        run.method(),
                        support,
                        lists.test,
                        draw(lists.test, protocol),
                        query_source=query,
                        text=text,
                        run=RunOptions(output=files[row, test, shots]),
                    )
                    print(f"  {row}, {test}, {shots}: {result.accuracy:.2f}", flush=True)
    return {key: load(file) for key, file in files.items()}


def spared(found: Found, row: str, test: str, shots: int) -> tuple[float, float]:
    """Return how much less a row loses by backgrounds than the baseline, and half its interval."""

    def loss(name: str) -> NDArray[np.float64]:
        clean, changed = (
            np.asarray(found[name, one, shots].per_episode, np.float64) for one in (CLEAN, test)
        )
        return np.subtract(clean, changed)

    difference = loss(BASELINE) - loss(row)
    return float(difference.mean()), half_width(difference) or 0.0


def page(found: Mapping[str, Sequence[Found]], work: Work, command: str) -> str:
    """Return the page as Markdown; all figures come from the results."""
    first = next(iter(found.values()))[0][BASELINE, CLEAN, SHOTS[0]].setup
    lines = [
        "# CLIP-SPM and a static background",
        "",
        'The paper says of HSMR that it improves temporal modelling "by reducing static background'
        ' interference". Does it lose less than the baseline when there is a background?',
        "",
        f"    {command}",
        "",
        "`utd27_depth` shows people on black. The condition `background`, severity"
        f" {SEVERITY}, puts a fine static texture behind them, another one for each clip. Rows,"
        " encoder (random weights, not CLIP's), steps"
        f" ({work.steps[0]} and {work.steps[1]}) and divisions of the classes are those of"
        " [CLIP-SPM's ablation from frames](clip-spm-ablation.md), trained on the clips as they"
        f" are, and on clips with backgrounds. Test: {first.videos.videos} videos of"
        f" {first.videos.classes} classes, {first.episodes.protocol.count} episodes, 5-way, 1 query"
        " per class; chance 20 %. Means over the divisions, with the lowest and the highest.",
    ]
    for data, seeds in found.items():
        lines += [
            "",
            f"## Trained on clips {TRAINED[data]}",
            "",
            heading("background in", "shots", *ROWS),
        ]
        for test in TESTED:
            for shots in SHOTS:
                cells = [mean_of([one[row, test, shots] for one in seeds]) for row in ROWS]
                lines.append(f"| {test} | {shots} | {' | '.join(cells)} |")
        lines += [
            "",
            "How many points less than the baseline a row loses by the backgrounds, one entry a"
            " division; ± is the 95 % interval over episodes.",
            "",
            "| background in | shots | row | mean | each division |",
            "|---|---|---|---|---|",
        ]
        for test in TESTED[1:]:
            for shots in SHOTS:
                for row in ROWS[1:]:
                    each = [spared(one, row, test, shots) for one in seeds]
                    mean = statistics.mean(one for one, _ in each)
                    cells_ = ", ".join(f"{one:+.2f} ± {half:.2f}" for one, half in each)
                    lines.append(f"| {test} | {shots} | {row} | {mean:+.2f} | {cells_} |")
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--steps", type=json.loads, default=[400, 500], help="of both stages")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    work = Work(options.work, options.episodes, tuple(options.steps), {}, ROWS)
    found = {
        data: [results_of(work, options.assets, data, seed) for seed in range(options.seeds)]
        for data in TRAINED
    }
    command = (
        "python -m benchmarks.training.clip_spm_background ASSETS --work FOLDER"
        f" --seeds {options.seeds} --episodes {options.episodes} --steps '{options.steps}'"
    )
    text = page(found, work, command)
    print(text)
    if options.page is not None:
        options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
