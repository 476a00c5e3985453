"""Is a wrong label named first, and is the advice better than random clips?

    python -m benchmarks.review ASSETS --cache FOLDER [--draws 300]

Similarities of all clips are computed once and kept in FOLDER, as by ``benchmarks.open_set``. The
constants of ``review.py`` and ``suspects.py`` were chosen on the development clips alone.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.markdown import table
from benchmarks.open_set.draws import Draw, Numbers, draw
from benchmarks.open_set.tables import ClipSet, load_sets
from fewact.classifier.review import (
    NEED_TEMPERATURE,
    held_out_scores,
    need_of_classes,
    suspected,
    suspicion,
    to_check,
)

WAYS, MOST_WAYS, MOST_SHOTS, SEED = 5, 10, 5, 1


def pairs_of(clips: ClipSet, training: Numbers, labels: torch.Tensor, n: int) -> torch.Tensor:
    """Return the similarities (s s) of training clips, as a model with these labels has them."""
    nodes = {"number": torch.from_numpy(training)[None]}
    state = clips.method.support(nodes, labels[None], n)
    return clips.method.similarity(nodes, nodes, state.decision)[0].double()


def gains(clips: ClipSet, training: Numbers, labels: torch.Tensor, n: int) -> torch.Tensor:
    """Return the suspicion (s) of each training clip."""
    pairs = pairs_of(clips, training, labels, n)
    scores = held_out_scores(pairs, labels, n)
    return suspicion(pairs, scores, labels, clips.method.temperature)


def wrong_labels(sets: Sequence[ClipSet], draws: int) -> Iterator[list[str]]:
    """Yield how often a planted wrong label is the first suspect."""
    for clips in sets:
        row = [clips.name]
        for shots in (3, 5):
            rng = np.random.default_rng(SEED)
            first, false = dict.fromkeys(RULES, 0), dict.fromkeys(RULES, 0)
            for _ in range(draws):
                drawn = draw(clips.videos, WAYS, shots, rng)
                labels = torch.from_numpy(drawn.labels)
                clean = gains(clips, drawn.training, labels, WAYS)
                wrong = labels.clone()
                i = int(rng.integers(len(labels)))
                wrong[i] = (wrong[i] + int(rng.integers(1, WAYS))) % WAYS
                found = gains(clips, drawn.training, wrong, WAYS)
                for name, rule in RULES.items():
                    false[name] += bool(rule(clean))
                    first[name] += rule(found)[:1] == [i]
            for name in RULES:
                row += [f"{100 * first[name] / draws:.1f}", f"{100 * false[name] / draws:.1f}"]
        yield row


RULES: dict[str, Callable[[torch.Tensor], list[int]]] = {
    "named": lambda gains: to_check(gains)[0],
    "clear": suspected,
}


def accuracy(clips: ClipSet, drawn: Draw, chosen: Sequence[int], n: int) -> float:
    """Return the accuracy on the new clips of the classes, in per cent."""
    training, labels = drawn.training[chosen], torch.from_numpy(drawn.labels[chosen])
    known = drawn.truth >= 0
    state = clips.method.support({"number": torch.from_numpy(training)[None]}, labels[None], n)
    new = {"number": torch.from_numpy(drawn.new[known])[None]}
    predicted = np.asarray(clips.method.score(state, new)[0].argmax(-1))
    return float(100 * (predicted == drawn.truth[known]).mean())


def added(
    clips: ClipSet, drawn: Draw, rule: str, shots: int, rng: np.random.Generator
) -> list[int]:
    """Return the positions of the first clips of each class and of those that a rule adds."""
    n = int(drawn.labels.max()) + 1
    count = [shots] * n
    for _ in range(n):
        chosen = [c * MOST_SHOTS + k for c in range(n) for k in range(count[c])]
        if rule == "advice":
            labels = torch.from_numpy(drawn.labels[chosen])
            scores = held_out_scores(pairs_of(clips, drawn.training[chosen], labels, n), labels, n)
            temperature = NEED_TEMPERATURE * clips.method.temperature
            wanted = need_of_classes(scores, labels, temperature).numpy()
        else:
            wanted = rng.random(n) - (np.array(count) if rule == "fewest" else 0)
        full = np.array(count) == MOST_SHOTS
        count[int(np.where(full, -np.inf, wanted).argmax())] += 1
    return [c * MOST_SHOTS + k for c in range(n) for k in range(count[c])]


def advice(sets: Sequence[ClipSet], draws: int) -> Iterator[list[str]]:
    """Yield what following the advice gains over random clips."""
    for clips in sets:
        ways = min(MOST_WAYS, len({video.label for video in clips.videos.videos}))
        for shots in (1, 2):
            rng = np.random.default_rng(SEED)
            found: dict[str, list[float]] = {"before": [], "random": [], "fewest": [], "advice": []}
            for _ in range(draws):
                drawn = draw(clips.videos, ways, MOST_SHOTS, rng, new_per_class=30)
                first = [c * MOST_SHOTS + k for c in range(ways) for k in range(shots)]
                found["before"].append(accuracy(clips, drawn, first, ways))
                for rule in ("random", "fewest", "advice"):
                    chosen = added(clips, drawn, rule, shots, rng)
                    found[rule].append(accuracy(clips, drawn, chosen, ways))
            row = [clips.name, str(ways), str(shots)]
            row += [f"{np.mean(found[name]):.1f}" for name in ("before", "random")]
            for rule in ("fewest", "advice"):
                gain = np.array(found[rule]) - np.array(found["random"])
                half = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
                row.append(f"{gain.mean():+.2f} ± {half:.2f}")
            yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the similarities")
    parser.add_argument("--draws", type=int, default=300)
    options = parser.parse_args()
    sets = [
        clips
        for development in (True, False)
        for clips in load_sets(options.assets, options.cache, development=development)
        if "motions" not in clips.name
    ]
    torch.set_num_threads(1)
    with torch.inference_mode():
        labels = list(wrong_labels(sets, options.draws))
        rows = list(advice(sets, options.draws))
    pair = [x for rule in RULES for x in (f"{rule} first", f"{rule}, false")]
    head = ["set", *(f"{shots} shots, {one}" for shots in (3, 5) for one in pair)]
    more = ["set", "classes", "shots", "before", "random", "fewest − random", "advice − random"]
    print(table(head, labels), table(more, rows), sep="\n\n")


if __name__ == "__main__":
    main()
