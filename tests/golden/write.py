"""Golden logits: what the methods say of fixed features and of fixed real clips.

    python -m tests.golden.write --assets DIR -o FILE.npz [--threads 1] [--made-up-only]

The file is compared with that of other code by ``tests.golden.compare``. What depends on the
interface of the package stands in ``tests/golden/today.py``.
"""

import argparse
import csv
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

# Before torch is loaded: its threads shall not burn the cores that they share while they wait.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.golden import today
from tests.golden.today import CASES, Card, Case, Made

Values = dict[str, NDArray[np.generic]]
"""Arrays by their keys. Floats with two axes or more are logits; integers must stay as they are."""

STORED = Path(__file__).parent / "golden.npz"

# Of made-up features.
SHAPES = {
    "vectors": (16,),
    "maps": (10, 4, 4),
    "middle": (12, 8, 8),
    "pixels": (3, 16, 16),
    "camera": (1,),
    "bolder": (2, 3),
}
EPISODES, WAYS, QUERIES = 2, 5, 2

SHOTS: dict[str, tuple[int, ...]] = {
    "1 shot": (1, 1, 1, 1, 1),
    "3 shots": (3, 3, 3, 3, 3),
    "uneven shots": (3, 1, 2, 3, 1),
}
"""How many support videos each class has."""

# Of real clips.
CLASSES = {
    "utd5_rgb": ("a01_swipe_left", "a03_wave", "a05_throw"),
    "utd27_depth": ("a08_draw_x", "a13_boxing", "a24_sit_to_stand"),
    "ucf7": ("ApplyEyeMakeup", "HorseRace", "PlayingViolin"),
}
EACH = 3
"""Support clips of a class, and query clips; each is of another group."""

FAST = "protonet default", "otam default", "a2m2 default", "fusion default", "clip_fsar default"
"""Cases that are evaluated on many episodes."""

CLASSIFIERS = ("auto", "float32"), ("a2m2", "float32"), ("auto", "bfloat16")
"""Method and precision of what is taught."""


def generator(*words: object) -> np.random.Generator:
    """Random numbers that depend on these words alone."""
    sha = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return np.random.default_rng(list(sha))


def normal(shape: tuple[int, ...], *words: object) -> Tensor:
    """Standard normal numbers, float32."""
    return torch.from_numpy(generator(*words).standard_normal(shape).astype(np.float32))


def text_of(b: int, n: int, width: int) -> Tensor:
    """Made-up embeddings (b n d) of class names."""
    return normal((b, n, width), "text", n, width)


def fill(module: nn.Module) -> None:
    """Replace all weights by fixed numbers that depend on their names and shapes alone."""
    state = module.state_dict()
    for name, old in state.items():
        if not old.is_floating_point() or not old.numel():
            continue
        drawn = normal(tuple(old.shape), "weight", today.BASELINE_NAMES.get(name, name))
        if old.ndim >= 2:
            fan = old[0].numel()
            state[name] = drawn / fan**0.5
        elif old.ndim == 1:  # A bias near 0; a scale or a variance near 1.
            near = 1.0 if old.mean() > 0.5 else 0.0
            state[name] = near + 0.1 * drawn.abs()
        else:
            state[name] = old * (1 + 0.1 * drawn.abs())
    module.load_state_dict(state)


def make(case: Case, card: Card) -> Made:
    """The method of a case, with weights that depend on nothing else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = today.make(case, card)
    if case.weights == "filled":
        fill(made.module)
    return made


def made_up_features(tap: str, labels: Tensor, part: str) -> Tensor:
    """Features (b v t …) of videos that look like their class.

    The first episode has no negative numbers, as a ReLU leaves them. The others have.

    Args:
        tap: The tap's text.
        labels: (b v).
        part: "support" or "query": whose videos these are.
    """
    name, frames, _ = tap.split(":")
    b, v = labels.shape
    shape = (int(frames), *SHAPES[name])
    own = normal((b, v, *shape), "video", tap, part, v)
    if name == "camera":  # One number for all frames of a clip, more often still than moving.
        return (0.5 * own[:, :, :1] - 0.6).expand_as(own).clone()
    if name == "bolder":  # Every third video has nothing to move.
        moves = (torch.arange(v) % 3 > 0).float().reshape(-1, 1, 1, 1)
        return torch.eye(2, 3) + 0.06 * own * moves
    pattern = normal((b, WAYS, *shape), "class", tap)
    index = labels.reshape(b, v, *[1] * len(shape)).expand(b, v, *shape)
    seen = pattern.gather(1, index) + 0.8 * own
    if name == "pixels":
        return (128 + 40 * seen).clamp(0, 255).to(torch.uint8)
    seen[0].clamp_(min=0)
    return seen


def made_up_labels(shots: tuple[int, ...], part: str) -> Tensor:
    """Labels (b v) of so many videos of each class, in another order in each episode."""
    labels = np.repeat(np.arange(len(shots)), shots)
    rows = [generator("order", part, shots, i).permutation(labels) for i in range(EPISODES)]
    return torch.from_numpy(np.stack(rows))


def made_up(label: str) -> Values:
    """The values of a case on made-up features."""
    case, found = CASES[label], Values()
    made = make(case, today.made_up_card(SHAPES, maps=case.maps))
    query_labels = made_up_labels((QUERIES,) * WAYS, "query")
    query = {tap: made_up_features(tap, query_labels, "query") for tap in made.taps}
    width = case.text_width or SHAPES["vectors"][0]
    text = text_of(EPISODES, WAYS, width) if made.uses_text else None
    for name, shots in SHOTS.items():
        labels = made_up_labels(shots, "support")
        support = {tap: made_up_features(tap, labels, "support") for tap in made.taps}
        if case.weights == "pca":
            made.fit(support)
        key = f"{label} | made-up | {name}"
        with torch.no_grad():
            nodes = made.encode(support), made.encode(query)
            logits, pairs = made.score(nodes[0], labels, WAYS, nodes[1], text)
            found[key] = logits.numpy()
            if name != "3 shots":
                continue
            if pairs is not None:
                found[f"{key} | pairs"] = pairs.numpy()
            losses = made.losses(support, labels, query, query_labels, WAYS, text)
            found |= {f"{key} | loss {part}": loss.numpy() for part, loss in losses.items()}
    return found


def made_up_videos(kind: str, classes: int, each: int, frames: int, width: int) -> today.Table:
    """Labels and vectors of videos whose classes differ in some channels, under noise."""
    labels = [f"{kind} {i % classes}" for i in range(classes * each)]
    centres = generator("centres", kind).standard_normal((classes, frames, width))
    noise = generator("noise", kind).standard_normal((len(labels), frames, width))
    vectors = np.tile(centres, (each, 1, 1)) + 1.5 * noise
    return labels, vectors.astype(np.float32)


def evaluation() -> Values:
    """Accuracies and hits of some methods on many episodes of made-up vectors."""
    labels, vectors = made_up_videos("test", classes=8, each=12, frames=8, width=24)
    videos, episodes, both = today.drawn(labels, ways=5, shots=2, queries=3, count=300)
    found: Values = {"evaluation | made-up | episodes": both[:50].astype(np.int64)}
    for label in FAST:
        result = today.evaluated(
            label, vectors, videos, episodes, lambda n: text_of(1, n, vectors.shape[-1])[0]
        )
        key = f"evaluation | made-up | {label}"
        hits = np.rint(np.array(result.per_episode) / 100 * 5 * 3).astype(np.int64)
        found[f"{key} | hits"] = hits
        found[f"{key} | accuracy and interval"] = np.array([result.accuracy, result.interval])
        found[f"{key} | accuracy of classes"] = np.array(result.per_class)
    return found


def training() -> Values:
    """Losses of a short training on made-up vectors, and what the trained method says."""
    learn = made_up_videos("train", classes=8, each=6, frames=8, width=6)
    validate = made_up_videos("val", classes=5, each=6, frames=8, width=6)
    run = today.trained(learn, validate)
    found: Values = {
        f"training | {name}": np.array(values, dtype=np.float32)
        for name, values in run.series.items()
    }
    found["training | accuracies"] = np.array(run.accuracies)
    vectors = torch.from_numpy(validate[1])[None]  # (1 v t d), class by class five times
    labels = torch.arange(5).repeat(2)[None]
    for name, made in (("chosen", run.chosen), ("last", run.last)):
        with torch.no_grad():
            nodes = made.encode(dict.fromkeys(made.taps, vectors))
            support = {part: value[:, :10] for part, value in nodes.items()}
            query = {part: value[:, 10:] for part, value in nodes.items()}
            found[f"training | logits of the {name} method"] = made.score(
                support, labels, 5, query, None
            )[0].numpy()
    return found


def fast_parts() -> dict[str, Callable[[], Values]]:
    """What needs no assets, by name."""
    parts: dict[str, Callable[[], Values]] = {
        label: lambda label=label: made_up(label)  # type: ignore[misc]
        for label in CASES
    }
    return parts | {"evaluation": evaluation, "training": training}


def clips_of(assets: Path, dataset: str) -> tuple[list[tuple[Path, str]], list[tuple[Path, str]]]:
    """Support and query clips of a data set, one class after the other in turn.

    Support is of the first groups, queries are of the last ones.
    """
    with (assets / "clips" / "index.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dataset"] == dataset]
    first: dict[str, dict[str, tuple[Path, str]]] = {}
    for row in rows:
        clip = (assets / row["path"], row["class"])
        first.setdefault(row["class"], {}).setdefault(row["group"], clip)
    of_class = [[first[name][group] for group in sorted(first[name])] for name in CLASSES[dataset]]
    support = [clips[i] for i in range(EACH) for clips in of_class]
    query = [clips[-1 - i] for i in range(EACH) for clips in of_class]
    return support, query


def real(assets: Path, name: str) -> Values:
    """The values of all cases on the real clips, by one backbone."""
    backbone = today.make_backbone(name, assets)
    card, n = backbone.card, len(next(iter(CLASSES.values())))
    cases = {label: case for label, case in CASES.items() if case.real}
    clips = [clip for dataset in CLASSES for part in clips_of(assets, dataset) for clip in part]
    taps = {tap for case in cases.values() for tap in make(case, card).taps}
    each = list(today.features_of_clips(backbone, clips, sorted(taps)))
    taught = n * EACH
    labels, found = torch.arange(n).repeat(EACH)[None], Values()
    for label, case in cases.items():
        made = make(case, card)
        text = text_of(1, n, case.text_width or card.vectors) if made.uses_text else None
        for i, dataset in enumerate(CLASSES):
            own = each[2 * taught * i : 2 * taught * (i + 1)]
            if case.weights == "pca":
                seen = own[:taught]
                made.fit({tap: torch.stack([one[tap] for one in seen]) for tap in made.taps})
            with torch.no_grad():
                alone = [made.encode({tap: one[tap][None] for tap in made.taps}) for one in own]
                nodes = {part: torch.cat([one[part] for one in alone])[None] for part in alone[0]}
                support = {part: value[:, :taught] for part, value in nodes.items()}
                query = {part: value[:, taught:] for part, value in nodes.items()}
                logits, _ = made.score(support, labels, n, query, text)
            found[f"{label} | {name} | {dataset}"] = logits.numpy()
    return found


def product(assets: Path, method: str, precision: str) -> Values:
    """Probabilities of clips by a classifier that was taught by others."""
    support, query = clips_of(assets, "utd5_rgb")
    found, temperature = today.taught(support, query[:6], method=method, precision=precision)
    key = f"classifier method={method} | {precision} | utd5_rgb"
    return {f"{key} | probabilities": found, f"{key} | temperature": np.array(temperature)}


def save(values: Values, path: Path) -> None:
    """Write values in the order of their keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{key: values[key] for key in sorted(values)})  # type: ignore[arg-type]


def read(path: Path) -> Values:
    """Values that were written.

    Raises:
        FileNotFoundError: There is no such file.
    """
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=Path, help="folder of real clips and weights")
    parser.add_argument("-o", "--output", type=Path, required=True, help="an .npz file")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--made-up-only", action="store_true", help="no real clips")
    given = parser.parse_args()
    if given.assets is None and not given.made_up_only:
        parser.error("--assets is needed, or --made-up-only")
    torch.set_num_threads(given.threads)

    values, begun = Values(), time.perf_counter()

    def done(what: str, before: int) -> None:
        nonlocal begun
        now = time.perf_counter()
        print(f"{what}: {len(values) - before} keys, {now - begun:.1f} s", flush=True)
        begun = now

    for label in CASES:
        values |= made_up(label)
    done("made-up features", 0)
    for what, part in (("evaluation", evaluation), ("training", training)):
        before = len(values)
        values |= part()
        done(what, before)
    if not given.made_up_only:
        for name in today.BACKBONES:
            before = len(values)
            values |= real(given.assets, name)
            done(name, before)
        before = len(values)
        for method, precision in CLASSIFIERS:
            values |= product(given.assets, method, precision)
        done("classifier", before)
    save(values, given.output)
    print(f"{given.output}: {len(values)} keys, {given.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
