"""Can one clip of each class say how sure to be? docs/decisions/one-shot-probabilities.md.

    python -m benchmarks.open_set.one_shot ASSETS --cache FOLDER [--draws 200] -o PAGE

The similarities are those of ``benchmarks.open_set``; only development clips are used.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.markdown import table
from benchmarks.open_set.draws import draw
from benchmarks.open_set.reliability import WAYS, calibration_error
from benchmarks.open_set.tables import ClipSet, load_sets
from fewact.core.atomic import write_text

Array = NDArray[np.float64]
SEED = 1
CANDIDATES = {
    "constant": (),
    "spread of the training clips": ("spread",),
    "best score of the query": ("best",),
    "both": ("spread", "best"),
    "both, and the mean score of the query": ("spread", "best", "mean"),
}

PAGE = """\
# Probabilities from one clip of each class

    python -m benchmarks.open_set.one_shot ASSETS --cache FOLDER --draws {draws} -o PAGE

From two clips of a class on, held-out clips say how sure a model may be. With one clip, nothing can
be held out: the temperature is what development clips lead one to expect. Three sets need very
different ones. Below is the best temperature of each set, as a multiple of the method's own, at
five classes, {draws} draws each; only development clips are used.

{best}

Can the training clips or the query say which temperature is right? The logarithm of the temperature
was fitted as a linear function of what is known at one shot: the spread of the similarities of
training clips of different classes, the best score of the query above their mean (in deviations),
and its mean score. The cells are expected calibration errors in per cent: fitted to all sets, and
in brackets fitted to the other two sets, which is what a new set would get.

{fitted}

On a set that it was not fitted to, no candidate is better than the constant on more than one of
three; fitted to all of them, it hardly helps. How much clips of one class differ, from one person
or place to the next, is in none of them. So the constant stays, and `teach` says that probabilities
are not calibrated. A second clip of each class is the
remedy: see [the errors from two clips on](../results/open-set.md#probabilities).
"""


@dataclass(frozen=True)
class Scored:
    """Logits of new clips of taught classes.

    Args:
        logits: Logits (q n).
        truth: True classes (q).
        features: What is known about each clip without its class, by name (q).
    """

    logits: Array
    truth: NDArray[np.int64]
    features: dict[str, Array]


def scored(clips: ClipSet, draws: int) -> Scored:
    """Return the logits of all draws, one training clip of each of five classes."""
    rng = np.random.default_rng(SEED)
    logits, truth = [], []
    features: dict[str, list[Array]] = {"spread": [], "best": [], "mean": []}
    for _ in range(draws):
        drawn = draw(clips.videos, WAYS, 1, rng, new_per_class=100)
        known = drawn.truth >= 0
        nodes = {"number": torch.from_numpy(drawn.training)[None]}
        state = clips.method.support(nodes, torch.from_numpy(drawn.labels)[None], WAYS)
        new = {"number": torch.from_numpy(drawn.new[known])[None]}
        one = np.asarray(clips.method.score(state, new)[0].double())
        own = np.asarray(clips.method.score(state, nodes)[0].double())
        others = own[~np.eye(WAYS, dtype=bool)]
        logits.append(one)
        truth.append(drawn.truth[known])
        features["spread"].append(
            np.full(len(one), np.log(others.std() / clips.method.temperature))
        )
        features["best"].append((one.max(1) - others.mean()) / others.std())
        features["mean"].append((one.mean(1) - others.mean()) / others.std())
    return Scored(
        np.concatenate(logits) / clips.method.temperature,
        np.concatenate(truth),
        {name: np.concatenate(values) for name, values in features.items()},
    )


def temperatures(one: Scored, names: Sequence[str], weights: Array) -> Array:
    """Return the temperature (q) of each clip, as a multiple of the method's."""
    rows = np.stack([np.ones(len(one.truth)), *(one.features[name] for name in names)])
    return np.exp(np.clip(weights @ rows, -2, 4))


def log_likelihood(one: Scored, temperature: Array) -> float:
    """Return the mean log-probability of the true classes."""
    scaled = torch.from_numpy(one.logits / temperature[:, None]).log_softmax(-1)
    return float(scaled.gather(1, torch.from_numpy(one.truth)[:, None]).mean())


def fit(sets: Sequence[Scored], names: Sequence[str]) -> Array:
    """Return the weights of the largest mean likelihood over sets; the constant comes first."""
    start = np.array([1.0, *(0.0 for _ in names)])
    found = minimize(
        lambda weights: (
            -sum(log_likelihood(one, temperatures(one, names, weights)) for one in sets)
        ),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-3, "fatol": 1e-5},
    )
    return np.asarray(found.x)


def error(one: Scored, temperature: Array) -> float:
    """Return the expected calibration error in per cent."""
    likely = torch.from_numpy(one.logits / temperature[:, None]).softmax(-1).numpy()
    return calibration_error(likely.max(1), likely.argmax(1) == one.truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the similarities")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--output", "-o", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = load_sets(options.assets, options.cache, development=True)
    with torch.inference_mode():
        sets = [scored(one, options.draws) for one in clips]
    names, best, rows = [one.name for one in clips], [], []
    for name, found in zip(names, sets, strict=True):
        alone = temperatures(found, (), fit([found], ()))
        right = 100 * (found.logits.argmax(1) == found.truth).mean()
        best.append([name, f"{right:.1f}", f"{alone[0]:.1f}", f"{error(found, alone):.1f}"])
    for name, features in CANDIDATES.items():
        every = fit(sets, features)
        cells = []
        for one in sets:
            others = fit([other for other in sets if other is not one], features)
            both = (error(one, temperatures(one, features, weights)) for weights in (every, others))
            cells.append("{:.1f} ({:.1f})".format(*both))
        rows.append([name, *cells])
    page = PAGE.format(
        draws=options.draws,
        best=table(["set", "accuracy", "best temperature", "ECE with it"], best),
        fitted=table(["temperature from", *names], rows),
    )
    write_text(options.output, page)


if __name__ == "__main__":
    main()
