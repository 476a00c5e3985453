"""Answers on real clips: of all cases by two backbones, and of a classifier."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fewact import FewShotClassifier, networks
from fewact.data import Clip
from fewact.features.extract import extract
from fewact.features.request import Request
from fewact.lab.methods.base import Features, support_state
from fewact.networks import Backbone, Card
from tests.golden import made_up
from tests.golden.cases import CASES, Case
from tests.golden.values import Values

BACKBONES: dict[str, str] = {
    "efficientnet-lite0": "default",
    "mobilenet-v2": "weights/mobilenet_v2_1.0_imagenet_fp16.safetensors",
}
"""Weights of each backbone: ``default``, or a file in the assets."""

CLASSES = {
    "utd5_rgb": ("a01_swipe_left", "a03_wave", "a05_throw"),
    "utd27_depth": ("a08_draw_x", "a13_boxing", "a24_sit_to_stand"),
    "ucf7": ("ApplyEyeMakeup", "HorseRace", "PlayingViolin"),
}
WAYS = 3
EACH = 3
"""Number of support clips of a class, and of query clips; each is of another group."""

ON_REAL_CLIPS = tuple(label for label, case in CASES.items() if case.real)
"""Labels of the cases that are computed on real clips too."""

TAUGHT = "auto", "a2m2"
"""Methods of the classifiers."""


def clips_of(assets: Path, dataset: str) -> tuple[list[Clip], list[Clip]]:
    """Return support and query clips of a data set, one class after the other in turn.

    The support is of the first groups, queries are of the last ones.
    """
    with (assets / "clips" / "index.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dataset"] == dataset]
    first: dict[str, dict[str, Clip]] = {}
    for row in rows:
        clip = Clip(assets / row["path"], row["class"])
        first.setdefault(row["class"], {}).setdefault(row["group"], clip)
    of_class = [[first[name][group] for group in sorted(first[name])] for name in CLASSES[dataset]]
    support = [clips[i] for i in range(EACH) for clips in of_class]
    query = [clips[-1 - i] for i in range(EACH) for clips in of_class]
    return support, query


def sampled(backbone: str) -> dict[str, tuple[str, ...]]:
    """Return the data sets on which the tests compute each case by a backbone, by its label.

    The defaults of a method are computed on the first two of them, options that request other
    features on one, in turn: all cases on all sets take ten minutes, and what the other options
    compute is compared on made-up features. By the second backbone the defaults are, on the third.
    """
    *names, last = CLASSES
    if backbone != next(iter(BACKBONES)):
        return {label: (last,) for label in ON_REAL_CLIPS if label.endswith(" default")}
    card = made_up.card()
    requests = {label: CASES[label].make(card).requests(card) for label in ON_REAL_CLIPS}
    return {
        label: tuple(names) if label.endswith(" default") else (names[i % len(names)],)
        for i, label in enumerate(ON_REAL_CLIPS)
        if label.endswith(" default")
        or requests[label] != requests[f"{CASES[label].method} default"]
    }


def logits(assets: Path, name: str, chosen: Mapping[str, Sequence[str]] | None = None) -> Values:
    """Return the logits of cases by one backbone.

    Args:
        assets: Folder of the clips and weights.
        name: Name of the backbone.
        chosen: Data sets of each case, by its label; None for all cases on all sets.
    """
    weights = BACKBONES[name] if BACKBONES[name] == "default" else assets / BACKBONES[name]
    backbone = networks.create(
        name, weights=weights, device="cpu", precision="float32", engine="torch"
    )
    chosen = dict.fromkeys(ON_REAL_CLIPS, tuple(CLASSES)) if chosen is None else chosen
    found = Values()
    for dataset in {name: None for sets in chosen.values() for name in sets}:
        own = {label: CASES[label] for label, sets in chosen.items() if dataset in sets}
        every = (
            one for case in own.values() for one in case.make(backbone.card).requests(backbone.card)
        )
        clips = [clip for part in clips_of(assets, dataset) for clip in part]
        each = list(_features(backbone, clips, list(dict.fromkeys(every))))
        for label, case in own.items():
            found[f"{label} | {name} | {dataset}"] = _logits(case, backbone.card, each)
    return found


def _logits(case: Case, card: Card, each: list[Features]) -> NDArray[np.float32]:
    """Return the logits (1 q n) of clips; the first half of them is the support."""
    method, count = case.make(card), WAYS * EACH
    own = [{one: features[one][None] for one in method.requests(card)} for features in each]
    case.fit(method, {one: torch.cat([x[one] for x in own[:count]]) for one in own[0]})
    text = made_up.text(1, WAYS, case.text_width or card.vectors) if method.uses_text else None
    labels = torch.arange(WAYS).repeat(EACH)[None]
    with torch.no_grad():
        alone = [method.encode(features) for features in own]
        nodes = {name: torch.cat([one[name] for one in alone])[None] for name in alone[0]}
        support, query = (
            {name: value[:, part] for name, value in nodes.items()}
            for part in (slice(count), slice(count, None))
        )
        state = support_state(method, support, labels, WAYS, text)
        return method.score(state, query).numpy()


def _features(backbone: Backbone, clips: list[Clip], requests: list[Request]) -> Iterator[Features]:
    for found in extract(clips, backbone, requests):
        if found.features is None:
            raise ValueError(f"{found.clip.path} cannot be read")
        yield {request: torch.from_numpy(value) for request, value in found.features.items()}


def probabilities(assets: Path, method: str) -> Values:
    """Return the probabilities of clips by a classifier that was taught others."""
    support, query = clips_of(assets, "utd5_rgb")
    classifier = FewShotClassifier(method=method, device="cpu", precision="float32").fit(support)
    found = classifier.predict_proba([clip.path for clip in query[:6]])
    key = f"classifier method={method} | utd5_rgb"
    return {
        f"{key} | probabilities": found,
        f"{key} | temperature": np.array(float(classifier.fitted_.calibration.temperature)),
    }
