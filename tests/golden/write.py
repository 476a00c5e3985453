"""Write the golden file: the answers of methods on fixed features and on fixed real clips.

    python -m tests.golden.write --assets DIR -o FILE.npz [--made-up-only]

Compare it with that of other code by ``tests.golden.compare``.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

# Before torch is loaded: waiting threads must not occupy the cores that they share.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from fewact.lab.methods.base import TrainingBatch, support_state
from fewact.methods.protocols import score_and_pairs
from tests.golden import made_up, real_clips, short_runs
from tests.golden.cases import CASES
from tests.golden.made_up import EPISODES, QUERIES, SHOTS, WAYS
from tests.golden.values import Values, save


def of_case(label: str) -> Values:
    """Return the logits of a case on made-up features; of three shots pairs and losses too."""
    case, found = CASES[label], Values()
    card = made_up.card(maps=case.maps)
    method = case.make(card)
    features = partial(made_up.features, method.requests(card), card)
    query_labels = made_up.labels((QUERIES,) * WAYS, "query")
    query = features(query_labels, "query")
    text, asked = None, None
    if method.uses_text:
        text = made_up.text(EPISODES, WAYS, case.text_width or card.vectors)
    for name, shots in SHOTS.items():
        labels = made_up.labels(shots, "support")
        support = features(labels, "support")
        case.fit(method, support)
        key = f"{label} | made-up | {name}"
        with torch.no_grad():
            state = support_state(method, method.encode(support), labels, WAYS, text)
            if asked is None or case.weights == "pca":  # directions of this support
                asked = method.encode(query)
            logits, pairs = score_and_pairs(method, state, asked)
            found[key] = logits.numpy()
            if name != "3 shots":
                continue
            if pairs is not None:
                found[f"{key} | pairs"] = pairs.numpy()
            if case.method == "fusion":  # it has no gradient
                continue
            batch = TrainingBatch(support, labels, query, query_labels, WAYS, text)
            losses = method.losses(batch)
            found |= {f"{key} | loss {part}": loss.numpy() for part, loss in losses.items()}
    return found


PARTS: dict[str, Callable[[], Values]] = {
    **{label: partial(of_case, label) for label in CASES},
    "evaluation": short_runs.evaluation,
    "training": short_runs.training,
}
"""What needs no assets, by the text that begins its keys."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--assets", type=Path, help="folder of real clips and weights")
    parser.add_argument("-o", "--output", type=Path, required=True, help="an .npz file")
    parser.add_argument("--made-up-only", action="store_true", help="no real clips")
    options = parser.parse_args()
    if options.assets is None and not options.made_up_only:
        parser.error("--assets is needed, or --made-up-only")
    torch.set_num_threads(1)
    parts = dict(PARTS)
    if not options.made_up_only:
        for name in real_clips.BACKBONES:
            parts[name] = partial(real_clips.logits, options.assets, name)
        for method in real_clips.TAUGHT:
            parts[f"classifier {method}"] = partial(
                real_clips.probabilities, options.assets, method
            )
    values = Values()
    for name, part in parts.items():
        begun = time.perf_counter()
        found = part()
        values |= found
        print(f"{name}: {len(found)} keys, {time.perf_counter() - begun:.1f} s", flush=True)
    save(values, options.output)
    print(f"{options.output}: {len(values)} keys, {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
