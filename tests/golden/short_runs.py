"""An evaluation and a training on made-up vectors, and what they compute."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from fewact.data import Split, Video, VideoList
from fewact.lab.evaluation import ArrayFeatures, checkpoint, evaluate_method
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.evaluation.result import hits
from fewact.lab.methods.base import TorchMethod
from fewact.lab.training import TrainingData, train
from fewact.lab.training.recipe import parse
from fewact.lab.training.run_folder import read_metrics
from tests.golden import made_up
from tests.golden.cases import Case
from tests.golden.values import Values

EVALUATED = "protonet", "otam", "a2m2", "fusion", "clip_fsar"
"""Methods that are evaluated on many episodes, with their defaults."""

WAYS, SHOTS, QUERIES = 5, 2, 3

RECIPE: dict[str, Any] = {
    "name": "golden",
    "summary": "A short run.",
    "data": "made up",
    "method": {
        "name": "a2m2",
        "options": {
            "frames": 8,
            "moments.level": "vectors",
            "moments.lengths": [2, 4],
            "moments.reduction": "learned",
            "moments.attention": True,
            "moments.width": 4,
            "moments.in_channels": 6,
        },
    },
    "backbone": {"name": "efficientnet-lite0", "weights": "random"},
    "stages": [
        {"kind": "classify", "inputs": "stored", "steps": 3, "batch": 8, "lr": 0.01},
        {
            "kind": "episodes",
            "inputs": "stored",
            "steps": 5,
            "ways": 3,
            "shots": 1,
            "queries": 2,
            "lr": 0.01,
            "ema": 0.8,
            "accumulate": 2,
            "loss_weights": {"base_class": 0.5},
        },
    ],
    "validation": {"every": 2, "ways": 3, "queries": 2, "count": 20},
    "keep_every": 2,
}


def evaluation() -> Values:
    """Return accuracies and hits of some methods on many episodes."""
    labels, vectors = made_up.vectors("test", classes=8, each=12, frames=8, width=24)
    videos = _list(labels)
    episodes = draw(videos, Protocol(ways=WAYS, shots=SHOTS, queries=QUERIES, count=300))
    drawn = np.concatenate([episodes.support, episodes.query], 1)
    found: Values = {"evaluation | episodes": drawn[:50].astype(np.int64)}
    source = ArrayFeatures(vectors, "made up")
    for name in EVALUATED:
        method = Case(name).make(source.card)
        text = made_up.text(1, len(videos.classes), 24)[0] if method.uses_text else None
        result = evaluate_method(method, source, videos, episodes, text=text)
        key = f"evaluation | {name}"
        found[f"{key} | hits"] = hits(result.predictions(), WAYS).sum(1)
        found[f"{key} | accuracy and interval"] = np.array([result.accuracy, result.ci95])
        found[f"{key} | accuracy of classes"] = np.array(
            [one.accuracy for one in result.per_class.values()]
        )
    return found


def training() -> Values:
    """Return the losses of a short training, and logits of the trained method."""
    parts = []
    for split, classes in (("train", 8), ("val", 5)):
        labels, vectors = made_up.vectors(split, classes=classes, each=6, frames=8, width=6)
        parts.append((_list(labels, split), ArrayFeatures(vectors, "made up"), vectors))
    (train_list, train_source, _), (val_list, val_source, vectors) = parts
    data = TrainingData(train_list, val_list, train_source, val_source)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train(parse(RECIPE, "golden"), data, run, device="cpu")
        lines = read_metrics(run)
        chosen, last = checkpoint.load(run), checkpoint.load(run)
        state = load_file(run / "state.safetensors")
    own = "learner/method."
    last.load_state_dict(
        {name.removeprefix(own): v for name, v in state.items() if name.startswith(own)}
    )
    series: dict[str, list[float]] = {}
    for line in lines:
        for name in ("base_class", "cross_entropy", "gradient"):
            if name in line:
                series.setdefault(f"stage {line['stage']} {name}", []).append(float(line[name]))
    found: Values = {
        f"training | {name}": np.array(values, np.float32) for name, values in series.items()
    }
    found["training | accuracies"] = np.array(
        [float(line["accuracy"]) for line in lines if "accuracy" in line]
    )
    for name, method in (("chosen", chosen), ("last", last.eval())):
        found[f"training | logits of the {name} method"] = _logits(method, val_source, vectors)
    return found


def _logits(method: TorchMethod, source: ArrayFeatures, vectors: Any) -> Any:
    """Return the logits of validation videos (v t d), class by class; the first ten are support."""
    features = dict.fromkeys(method.requests(source.card), torch.from_numpy(vectors)[None])
    with torch.no_grad():
        nodes = method.encode(features)
        support, query = (
            {name: value[:, part] for name, value in nodes.items()}
            for part in (slice(10), slice(10, None))
        )
        state = method.support(support, torch.arange(5).repeat(2)[None], 5)
        return method.score(state, query).numpy()


def _list(labels: list[str], split: Split | None = None) -> VideoList:
    """Return a list with a video for each label."""
    videos = (Video(f"{label}/{i}", label, split) for i, label in enumerate(labels))
    return VideoList("made up", tuple(videos))
