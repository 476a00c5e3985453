"""Accuracy on clips in which the action fills a part: the tables of docs/results/recordings.md.

    python -m benchmarks.loose ASSETS --work FOLDER [--severities 1 2 3] [--sets utd5_rgb]

Before and after the action the same person or recording shows other classes, which no episode has.
Training clips are cut to the action, or too long as well. New clips are read in full, or searched
for the action as ``fewact predict`` does. Of each person or recording one clip of a
class is taken. Accuracies are kept in the folder: an interrupted command continues where it
stopped. ``--development`` takes the clips that may choose options.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.conditions import cell, few
from benchmarks.datasets import SHOTS, Part, episode_sets, parts, read_index
from benchmarks.fusion_variants import fusion
from benchmarks.pairs import encode_videos, episode_accuracies, scorer_of
from benchmarks.shared import heading, save_arrays
from fewact import networks
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.search import clearest_window, clearness, encode_windows
from fewact.classifier.windows import window_lengths
from fewact.data import VideoList
from fewact.lab.evaluation.episodes import EpisodeSet
from fewact.lab.synthetic.conditions import with_condition
from fewact.methods.base import Nodes, rows
from fewact.methods.common.known import known_scores
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import LOG_ODDS
from fewact.methods.protocols import score_and_pairs
from fewact.networks import Backbone
from fewact.video import Timeline
from fewact.video.samplers import Ints
from fewact.video.source import Span, VideoSource

Window = tuple[Span, Nodes]
"""A window of a clip, and its nodes (1 …)."""

MOST_WAYS = 5
COLUMNS = {
    "clean": "cut to the action",
    "full": "new clips in full",
    "found": "action found in new clips",
    "all": "all clips loose, in full",
}
FRACTIONS = {1: "a half", 2: "a third", 3: "a fifth"}


class Measurement:
    """Measures loose clips of a part.

    Args:
        part: The videos.
        backbone: Backbone of the method.
        options: Options of the command line.
    """

    def __init__(self, part: Part, backbone: Backbone, options: argparse.Namespace) -> None:
        self.kept, self._others = kept_and_others(part.videos)
        self.ways = len({video.label for video in self.kept.videos})
        self._method = fusion()
        self._backbone, self._pipeline = backbone, Pipeline(backbone, self._method)
        self._drawn = episode_sets(self.kept, options.queries, options.episodes, ways=self.ways)
        self._lengths = window_lengths([duration_of(v.source) for v in self.kept.videos])

    def measure(self, severity: int) -> dict[str, NDArray[np.float64]]:
        """Return the accuracies of the episodes for each column and number of shots."""
        loose = with_condition(self.kept, f"loose:{severity}", others=self._others)
        clean, full = (self._encode(videos) for videos in (self.kept, loose))
        windows = [
            self._windows(video.source, rows(full, [i])) for i, video in enumerate(loose.videos)
        ]
        joined = {
            name: np.concatenate([value, *(row[name] for each in windows for _, row in each)])
            for name, value in clean.items()
        }
        tables = self._method.tabulated(joined, len(self.kept.videos))
        searched = tables or (self._method, joined)
        both = {"clean": (clean, clean), "full": (clean, full), "all": (full, full)}
        scorers = {name: scorer_of(self._method, *nodes) for name, nodes in both.items()}
        right = {}
        for shots, drawn in zip(SHOTS, self._drawn, strict=True):
            for name, score in scorers.items():
                right[f"{name} {shots}"] = episode_accuracies(score, drawn)
            right[f"found {shots}"] = self._accuracies(drawn, *searched, windows)
        return right

    def _encode(self, videos: VideoList) -> Nodes:
        return encode_videos([self._method], self._backbone, videos)[0]

    def _windows(self, source: VideoSource | None, full: Nodes) -> list[Window]:
        """Return the full clip, given its nodes (1 …), and the windows of a clip."""
        used = Span(0.0, duration_of(source))
        found = encode_windows(
            source_of(source),
            self._pipeline,
            self._lengths,
            used,
            static=bool((full[LOG_ODDS] <= 0).all()),
        )
        return [(used, full), *found]

    def _accuracies(
        self,
        drawn: EpisodeSet,
        method: Fusion,
        nodes: Nodes,
        windows: list[list[Window]],
    ) -> NDArray[np.float64]:
        """Return the accuracy of each episode in which each query is searched, in per cent.

        Args:
            drawn: Episodes.
            method: Method with tables of the support videos and the windows.
            nodes: Its nodes of all support videos, then of the windows of all queries.
            windows: Windows of each query; the first one is the full clip.
        """
        count, ways = len(windows), drawn.protocol.ways
        classes: NDArray[np.int64] = np.arange(ways).repeat(drawn.protocol.shots)
        labels = np.broadcast_to(classes, drawn.support.shape)
        state = method.support(rows(nodes, drawn.support), labels, ways)
        # The last window stands for those that a query has less than others.
        most = max(map(len, windows))
        first = np.cumsum([count, *map(len, windows)])
        window = np.array(
            [
                [begin + min(i, len(own) - 1) for i in range(most)]
                for begin, own in zip(first, windows, strict=False)
            ]
        )  # (v most)
        spans = np.array([[own[min(i, len(own) - 1)][0] for i in range(most)] for own in windows])
        asked = drawn.query  # (b q)
        every = rows(nodes, window[asked].reshape(len(asked), -1))
        logits, pairs = score_and_pairs(method, state, every)  # (b q·most n), (b q·most s)
        logits = logits.reshape(*asked.shape, most, ways) / method.temperature
        of_episodes = zip(pairs, labels, state.intra_class_similarity, strict=True)
        known = np.stack([known_scores(*one) for one in of_episodes])
        known = known.reshape(logits.shape[:-1]) / method.temperature
        used = spans[:, 0]  # (v 2)
        best = clearest_window(clearness(logits, known), spans[asked], used[asked])  # (b q)
        chosen = np.take_along_axis(logits, best[..., None, None], 2)[:, :, 0]
        truth = np.arange(ways).repeat(drawn.protocol.queries)
        return np.asarray(100 * (chosen.argmax(-1) == truth).mean(1))


def kept_and_others(videos: VideoList) -> tuple[VideoList, VideoList]:
    """Return clips of a few classes, one of each group, and all clips of the other classes."""
    labels = {video.label for video in videos.videos}
    kept = few(videos, min(MOST_WAYS, len(labels) - 1))
    others = labels - {video.label for video in kept.videos}
    return kept, replace(videos, videos=tuple(v for v in videos.videos if v.label in others))


def duration_of(source: VideoSource | None) -> float:
    """Return the duration of a video, in seconds."""
    found: list[float] = []

    def first(timeline: Timeline) -> Ints:
        found.append(timeline.end)
        return np.zeros(1, np.int64)

    source_of(source).read([first])
    return found[0]


def source_of(source: VideoSource | None) -> VideoSource:
    """Return the source of a video that must be there."""
    if source is None:
        raise SystemExit("a clip is missing")
    return source


def table(
    measurements: dict[str, dict[int, dict[str, NDArray[np.float64]]]], ways: dict[str, int]
) -> str:
    """Return a table with a row for each set and severity."""
    lines = [heading("", "the action fills", *COLUMNS.values())]
    for name, by_severity in measurements.items():
        for severity, right in by_severity.items():
            cells = [
                " / ".join(cell(right[f"{column} {k}"], right[f"clean {k}"], column) for k in SHOTS)
                for column in COLUMNS
            ]
            lines.append(
                f"| {name}, {ways[name]} ways | {FRACTIONS[severity]} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of the accuracies")
    parser.add_argument("--severities", type=int, nargs="+", default=[1, 2, 3], choices=(1, 2, 3))
    parser.add_argument("--queries", type=int, default=3, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--sets", nargs="+", default=["utd27_depth", "utd5_rgb", "ucf7"])
    parser.add_argument("--development", action="store_true")
    options = parser.parse_args()
    backbone = networks.create()
    options.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[int, dict[str, NDArray[np.float64]]]] = {}
    ways = {}
    for part in parts(read_index(options.assets), development=options.development):
        if part.videos.name not in options.sets:
            continue
        measurement = Measurement(part, backbone, options)
        name = f"{part.name}, {len(measurement.kept.videos)} clips"
        ways[name] = measurement.ways
        for severity in options.severities:
            letters = "".join(c for c in part.name if c.isalnum())
            file = options.work / f"{letters}-{severity}-{options.queries}-{options.episodes}.npz"
            if not file.exists():
                save_arrays(file, measurement.measure(severity))
                print(f"{name}: {severity}", flush=True)
            found.setdefault(name, {})[severity] = dict(np.load(file))
    print(table(found, ways))


if __name__ == "__main__":
    main()
