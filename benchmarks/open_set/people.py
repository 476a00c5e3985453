"""The default threshold at new people: docs/results/unknown-actions.md.

    python -m benchmarks.open_set.people ASSETS --cache FOLDER [--draws 60]

Classes are taught from some people, with one or more clips of each; all new clips are of other
people, as many of untaught actions as of the classes. The classifier is told no groups.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.open_set.draws import Draw
from benchmarks.open_set.promises import fit_draw
from benchmarks.open_set.reliability import calibration_error
from benchmarks.open_set.scores import Array
from benchmarks.open_set.tables import ClipSet, clip_lists, load_set
from benchmarks.shared import cores, table
from fewact.classifier.fitted import score
from fewact.lab.benchmarks import list_table

MORE = ("ego10", "yoga6", "mouse6")
"""Development sets of other scenes, people and animals."""

PEOPLE, REPETITIONS, WAYS, NEW = (1, 2, 3, 5), (1, 2, 4), (2, 3, 10), 8
HEAD = (
    "set",
    "people",
    "clips of each",
    "accuracy",
    "OSCR",
    "rejected",
    "accepted",
    "promised",
    "at best",
    "ECE",
)


def draw_people(
    clips: ClipSet, ways: int, people: int, repetitions: int, rng: np.random.Generator
) -> Draw | None:
    """Draw classes, the people who teach them, and new clips of other people.

    Returns:
        The draw; None if a class has no clip of these people, or there is no new clip.
    """
    labels = np.array([video.label for video in clips.videos.videos])
    groups = np.array([video.group for video in clips.videos.videos])
    shared, common = clips.videos.groups == "shared", rng.permutation(np.unique(groups))
    training, taught, known, truth, unknown = [], [], [], [], []
    for c, label in enumerate(rng.permutation(np.unique(labels))):
        of_class = np.flatnonzero(labels == label)
        order = common if shared else rng.permutation(np.unique(groups[of_class]))
        new = rng.permutation(of_class[np.isin(groups[of_class], order[people:])])[:NEW]
        if c >= ways:
            unknown += [*new]
            continue
        for group in order[:people]:
            shown = rng.permutation(of_class[groups[of_class] == group])[:repetitions]
            training += [*shown]
            taught += len(shown) * [c]
        known += [*new]
        truth += len(new) * [c]
    count = min(len(known), len(unknown))
    if len(set(taught)) < ways or not count:
        return None
    chosen = rng.permutation(len(known))[:count]
    new_clips = [*np.array(known)[chosen], *rng.permutation(unknown)[:count]]
    return Draw(
        np.array(training),
        np.array(taught),
        np.zeros(0, np.int64),
        np.array(new_clips),
        np.array([*np.array(truth)[chosen], *count * [-1]]),
    )


def best_alarms(known: Array, unknown: Array, rate: float) -> float:
    """Return the false alarms of the best threshold in hindsight that rejects a rate of ``known``.

    Between two clips, the higher threshold is drawn as often as the rate says.
    """
    thresholds = np.append(np.sort(known), np.inf)
    low, often = divmod(rate * len(known), 1)
    alarms = [(unknown >= thresholds[min(int(low) + i, len(known))]).mean() for i in (0, 1)]
    return float((1 - often) * alarms[0] + often * alarms[1])


def rows_of(clips: ClipSet, draws: int) -> Iterator[list[str]]:
    """Yield the rows of a set: means over draws, in per cent."""
    classes = len({video.label for video in clips.videos.videos})
    seen = set[tuple[int, int]]()
    for people, repetitions in itertools.product(PEOPLE, REPETITIONS):
        rng = np.random.default_rng(0)
        figures, scores = [], list[tuple[Array, Array]]()
        likely, known = list[float](), list[bool]()
        most = 0
        for ways, _ in itertools.product((w for w in WAYS if w < classes), range(draws)):
            if (drawn := draw_people(clips, ways, people, repetitions, rng)) is None:
                continue
            most = max(most, int(np.bincount(drawn.labels).max()))
            fitted = fit_draw(clips, drawn, grouped=False)
            logits, _, values = score(fitted, clips.of(drawn.new))
            shown, decision = drawn.truth >= 0, fitted.open_set.decision()
            of_known, of_unknown = values[shown], values[~shown]
            right = logits.argmax(1)[shown] == drawn.truth[shown]
            rejected = (of_known < decision.threshold).mean()
            alarms = (of_unknown >= decision.threshold).mean()
            separated = (of_known[:, None] > of_unknown)[right].sum() / (len(right) * len(right))
            figures.append((right.mean(), separated, rejected, alarms, decision.promised))
            scores.append((of_known, of_unknown))
            likely += [fitted.open_set.known_probability(value) for value in values.tolist()]
            known += shown.tolist()
        if not figures or (people, most) in seen:
            continue
        seen.add((people, most))
        means = np.mean(figures, 0)
        best = np.mean([best_alarms(*some, means[2]) for some in scores])
        error = calibration_error(np.array(likely), np.array(known))
        cells = [f"{100 * mean:.1f}" for mean in (*means, best)]
        yield [clips.name, str(people), str(repetitions), *cells, f"{error:.1f}"]


@cores(1)
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--cache", type=Path, required=True, help="folder for similarities")
    parser.add_argument("--draws", type=int, default=60)
    options = parser.parse_args()
    for development in (True, False):
        lists = clip_lists(options.assets, development=development)
        lists = {name: videos for name, videos in lists.items() if "motions" not in name}
        for name in MORE if development else ():
            lists[f"`{name}`"] = list_table(options.assets / "more" / name / "clips.csv")
        rows = [
            row
            for name, videos in lists.items()
            for row in rows_of(load_set(name, videos, options.cache), options.draws)
        ]
        print("Development clips" if development else "Clips that chose nothing", end="\n\n")
        print(table(HEAD, rows), end="\n\n")


if __name__ == "__main__":
    main()
