"""What a single frame of the synthetic benchmark could tell at most.

    python -m benchmarks.motions_frame [--videos 1200]

A network is told the true place, size and visibility of every object and of the occluder in one
random frame of each video: more than any picture shows. It learns on 70 % of the videos of eight
test classes, at least one of each family, and is asked about the others.
"""

import argparse

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewact.synthetic import MotionsBenchmark, motions

PICKED = (0, 4, 8, 12, 13, 16, 20, 21)
MOST, FACTS, ROUNDS = 6, 5, 24
"""Objects of a plain video, facts of each, and rounds of training."""


def main() -> None:
    """Print accuracies after every fourth round."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--videos", type=int, default=1200, help="of each class")
    benchmark = motions(videos=parser.parse_args().videos, seed=11)
    torch.manual_seed(0)
    objects, occluders, labels = told(benchmark)
    order = torch.randperm(len(labels))
    examples, asked = order.split([int(0.7 * len(order)), len(order) - int(0.7 * len(order))])
    network = Network()
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    for step in range(1, ROUNDS + 1):
        for batch in examples[torch.randperm(len(examples))].split(256):
            loss = functional.cross_entropy(
                network(objects[batch], occluders[batch]), labels[batch]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if step % 4 == 0:
            with torch.no_grad():
                said = network(objects[asked], occluders[asked]).argmax(1)
            right = (said == labels[asked]).double().mean().item()
            print(f"round {step:2}: {len(PICKED) * right:.2f} × chance on {len(asked)} videos")


def told(benchmark: MotionsBenchmark) -> tuple[Tensor, Tensor, Tensor]:
    """One frame of each video: objects in no order (v 6 5), the occluder (v 4), the class (v)."""
    draw = np.random.default_rng(0)
    test = benchmark.videos.of("test")
    kinds = [test.classes[place] for place in PICKED]
    objects, occluders, labels = [], [], []
    for video in test.videos:
        if video.label not in kinds:
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
        rows = [rows[place] for place in draw.permutation(len(rows))]
        objects.append(rows + [(0.0,) * FACTS] * (MOST - len(rows)))
        occluders.append((4 * wall.x - 2, 4 * wall.y - 2, 10 * wall.width, 10 * wall.height))
        labels.append(kinds.index(video.label))
    return (
        torch.tensor(objects, dtype=torch.float32),
        torch.tensor(occluders, dtype=torch.float32),
        torch.tensor(labels),
    )


class Network(nn.Module):
    """Objects, and pairs of objects, in no order."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Linear(FACTS + 4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.two = nn.Sequential(nn.Linear(128, 64), nn.ReLU())
        self.last = nn.Sequential(nn.Linear(132, 64), nn.ReLU(), nn.Linear(64, len(PICKED)))

    def forward(self, objects: Tensor, occluders: Tensor) -> Tensor:
        """Logits (v n) of objects (v 6 5) and occluders (v 4)."""
        beside = occluders[:, None].expand(-1, MOST, -1)
        one = self.one(torch.cat([objects, beside], -1))  # (v 6 64)
        first, second = one[:, :, None], one[:, None]
        two = self.two(torch.cat([first + second, (first - second).abs()], -1))  # (v 6 6 64)
        return self.last(torch.cat([one.mean(1), two.mean((1, 2)), occluders], -1))


if __name__ == "__main__":
    main()
