"""Upper bound of the accuracy from a single frame of the synthetic benchmark.

    python -m benchmarks.motions_frame [--videos 1200]

The input of a network is the true position, size and visibility of every object and of the occluder
in one random frame of each video, which is more than an image shows. It is trained on 70 % of the
videos of eight test classes, at least one of each family, and tested on the others.
"""

import argparse

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewact.synthetic import MotionsBenchmark, motions

CLASSES = (0, 4, 8, 12, 13, 16, 20, 21)
OBJECTS, NUMBERS, ROUNDS = 6, 5, 24
"""Maximum number of objects of a plain video, numbers of each, and rounds of training."""


def main() -> None:
    """Print accuracies after every fourth round."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--videos", type=int, default=1200, help="number of videos per class")
    benchmark = motions(videos=parser.parse_args().videos, seed=11)
    torch.manual_seed(0)
    objects, occluders, labels = ground_truth(benchmark)
    order = torch.randperm(len(labels))
    train, test = order.split([int(0.7 * len(order)), len(order) - int(0.7 * len(order))])
    network = Network()
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    for step in range(1, ROUNDS + 1):
        for batch in train[torch.randperm(len(train))].split(256):
            loss = functional.cross_entropy(
                network(objects[batch], occluders[batch]), labels[batch]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if step % 4 == 0:
            with torch.no_grad():
                predicted = network(objects[test], occluders[test]).argmax(1)
            right = (predicted == labels[test]).double().mean().item()
            print(f"round {step:2}: {len(CLASSES) * right:.2f} × chance on {len(test)} videos")


def ground_truth(benchmark: MotionsBenchmark) -> tuple[Tensor, Tensor, Tensor]:
    """Return one frame of each video: objects (v 6 5) shuffled, occluder (v 4), class (v)."""
    draw = np.random.default_rng(0)
    test = benchmark.videos.of("test")
    chosen = [test.classes[number] for number in CLASSES]
    objects, occluders, labels = [], [], []
    for video in test.videos:
        if video.label not in chosen:
            continue
        scene, frames = benchmark.scene(video.id), len(benchmark.truth(video.id).part)
        at, wall = int(draw.integers(frames)), scene.occluder
        rows = [
            (
                4 * t.x[at] - 2,
                4 * t.y[at] - 2,
                np.log2(t.radius[at]) + 3.5,
                t.alpha[at],
                t is scene.hidden,
            )
            for t in (scene.hidden, *scene.objects)
            if t.alpha[at] > 0
        ]
        rows = [rows[number] for number in draw.permutation(len(rows))]
        objects.append(rows + [(0.0,) * NUMBERS] * (OBJECTS - len(rows)))
        occluders.append((4 * wall.x - 2, 4 * wall.y - 2, 10 * wall.width, 10 * wall.height))
        labels.append(chosen.index(video.label))
    return (
        torch.tensor(objects, dtype=torch.float32),
        torch.tensor(occluders, dtype=torch.float32),
        torch.tensor(labels),
    )


class Network(nn.Module):
    """A network on objects and pairs of objects; their order does not matter."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(
            nn.Linear(NUMBERS + 4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
        )
        self.two = nn.Sequential(nn.Linear(128, 64), nn.ReLU())
        self.last = nn.Sequential(nn.Linear(132, 64), nn.ReLU(), nn.Linear(64, len(CLASSES)))

    def forward(self, objects: Tensor, occluders: Tensor) -> Tensor:
        """Return logits (v n) for objects (v 6 5) and occluders (v 4)."""
        beside = occluders[:, None].expand(-1, OBJECTS, -1)
        one = self.one(torch.cat([objects, beside], -1))  # (v 6 64)
        first, second = one[:, :, None], one[:, None]
        two = self.two(torch.cat([first + second, (first - second).abs()], -1))  # (v 6 6 64)
        logits: Tensor = self.last(torch.cat([one.mean(1), two.mean((1, 2)), occluders], -1))
        return logits


if __name__ == "__main__":
    main()
