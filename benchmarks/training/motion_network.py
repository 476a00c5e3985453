"""Train the network of learned motion on rendered videos alone, and write its weights.

    python -m benchmarks.training.motion_network FILE [--device cuda] [--processes 16]
    python -m benchmarks.training.motion_network FILE --tune WEIGHTS [--processes 2]

The first command trains on figures of people: about seven minutes on a GPU with 16 cores; a night
on two cores. Episodes have 64 classes, one support video and two queries each, and the network
learns to find the class by the alignment of its vectors. Where it has nothing to say, because the
background moves or many move at once, it learns to say so afterwards, with its other weights
frozen.

The second tunes such weights on people who move as a whole, hold poses or wear textures, on
animals and hands, in rooms with things in them, recorded in the dark, with noise, or compressed.
Its weights are the mean of those before and after. About 45 minutes on two cores. The shipped
weights were tuned so from those of commit 9224808c, whose first training was 94 steps longer:

    git show 9224808c:src/fewact/methods/fusion/motion_network.safetensors > before.safetensors

With ``--exercises`` it tunes on bodies that stand, hang, sit or lie and repeat a motion, too; see
docs/decisions/fusion.md for what that was worth.

``.ci/motion_graph.py FILE`` writes the graph that comes with fewact.
"""

import argparse
import math
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.training.animals import animal
from benchmarks.training.exercises import exercises
from benchmarks.training.figures import Role, figure_class, render
from benchmarks.training.hands import hands
from benchmarks.training.people import beside_animal, clothed, held_poses, whole_body
from benchmarks.training.scenes import SIZE
from fewact import align
from fewact.core.atomic import write_bytes
from fewact.features.views import difference_images, halved
from fewact.lab.networks.motion import (
    MotionNetwork,
    lightened,
    motion_network,
    unit_deviations,
)
from fewact.methods.fusion.crop import separable_crop
from fewact.methods.fusion.motion_network import SIDE
from fewact.methods.fusion.terms import SOFTNESS, UNLIKE
from fewact.video.samplers import RGBImage

CELLS = 44
"""Rows and columns that are kept of an image: some more than the network reads, to move it."""

QUERIES, VALIDATION_WAYS = 2, 20
DECAY = 0.05
SMOOTHING = 0.05
"""λ of the alignment. It is larger than in ``fusion``: gradients reach more paths."""

TEMPERATURE = 0.05
HEAD_BATCHES, HEAD_VIDEOS, HEAD_DECAY = 120, 64, 1.0


def figures(number: int, seed: int, *, role: Role = "train", size: int = 2 * SIZE) -> RGBImage:
    """Render a class of ``figures``."""
    return render(figure_class(number, role), seed, size=size)


@dataclass(frozen=True)
class Kind:
    """A kind of rendered videos.

    Args:
        render: Renderer of a performance, by the numbers of its class and its own.
        classes: Number of classes.
        share: Relative number of episodes in training.
    """

    render: Callable[[int, int], RGBImage]
    classes: int
    share: float = 1.0


OTHER_FIGURES = "other figures"
"""Kind of videos for validation alone."""

EXERCISES = "exercises"
"""Kind of videos that only ``--exercises`` trains on: the weights got no better by them."""

KINDS: Mapping[str, Kind] = {
    "figures": Kind(figures, 6000),
    OTHER_FIGURES: Kind(partial(figures, role="val"), 200),
    "small figures": Kind(partial(figures, size=SIZE), 700, 0.3),
    "clothes": Kind(clothed, 450, 0.1),
    "poses": Kind(held_poses, 650, 0.18),
    "whole bodies": Kind(whole_body, 600, 0.13),
    "animals": Kind(animal, 600, 0.13),
    "beside animals": Kind(beside_animal, 250, 0.04),
    EXERCISES: Kind(exercises, 720, 0.75),
    "hands": Kind(partial(hands, chest=False), 450, 0.06),
    "hands before the chest": Kind(partial(hands, chest=True), 400, 0.06),
}


@dataclass(frozen=True)
class Recipe:
    """How weights are trained.

    Args:
        kinds: Names of the kinds of videos.
        one_figure: Names of those that the layer that says how sure the network is learns from.
        clips: Number of videos per class.
        steps: Number of steps.
        ways: Number of classes per episode.
        rate: Highest learning rate.
        warm_up: Number of steps until it is reached.
        part: Part of the weights that is new; the rest is of those before.
    """

    kinds: tuple[str, ...]
    one_figure: tuple[str, ...]
    clips: int
    steps: int
    ways: int
    rate: float
    warm_up: int
    part: float


FIRST = Recipe(("figures",), ("figures",), 5, 8000, 64, 1.5e-3, 50, 1.0)
TUNING_KINDS = tuple(kind for kind in KINDS if kind not in ("figures", OTHER_FIGURES, EXERCISES))
TUNING = Recipe(TUNING_KINDS, ("small figures", "clothes"), 3, 700, 24, 6e-4, 30, 0.5)
HELD_OUT = 40
"""Number of classes of each kind of tuning that training prints accuracies of, as of others."""


def images_of(task: tuple[str, int, int]) -> NDArray[np.uint8]:
    """Return the images (v t c c) of the videos of a class: its kind, its number, how many."""
    kind, number, clips = task
    found = []
    for seed in range(clips):
        frames = np.ascontiguousarray(KINDS[kind].render(number, seed).transpose(0, 3, 1, 2))
        small = frames if frames.shape[-1] == SIZE else halved(frames)
        images = difference_images(small)[:, 1].astype(np.float32)
        found.append(separable_crop(images, CELLS, margin=CELLS / SIDE))
    return np.stack(found).round().astype(np.uint8)


def rendered(kind: str, classes: int, clips: int, processes: int) -> Tensor:
    """Return the images (n v t c c) of the classes of a kind."""
    tasks = [(kind, number, clips) for number in range(classes)]
    with multiprocessing.get_context("forkserver").Pool(processes) as pool:
        return torch.from_numpy(np.stack(list(pool.imap(images_of, tasks, chunksize=4))))


def middle(images: Tensor) -> Tensor:
    """Return what the network reads of images (v t c c): (v t s s)."""
    edge = (CELLS - SIDE) // 2
    return images[..., edge : edge + SIDE, edge : edge + SIDE].float()


def _random(images: Tensor, *shape: int) -> Tensor:
    return torch.rand(*shape, device=images.device)


def _normal(images: Tensor, *shape: int) -> Tensor:
    return torch.randn(*shape, device=images.device)


def placed(images: Tensor, scale: Tensor, shift: Tensor, **options: str) -> Tensor:
    """Return images (v t h w) → (v t s s), seen at a scale (v) and a shift (v 2)."""
    theta = torch.zeros(len(images), 2, 3, device=images.device)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, :, 2] = shift
    return _sampled(images, theta, **options)


def _sampled(images: Tensor, theta: Tensor, padding: str = "border") -> Tensor:
    size = [len(images), 1, SIDE, SIDE]
    grid = functional.affine_grid(theta, size, align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False, padding_mode=padding)


def varied(images: Tensor, flip: Tensor) -> Tensor:
    """Vary videos (v t c c) → (v t s s): place, size, tempo, grain, shakes, and hidden parts.

    Args:
        images: Images of videos.
        flip: Which of them are flipped (v).
    """
    v, t = images.shape[:2]
    scale = SIDE / CELLS * torch.exp(0.15 * _normal(images, v)).clamp(0.7, 1.35)
    stretch, angle = torch.exp(0.08 * _normal(images, v)), 0.07 * _normal(images, v)
    theta = torch.zeros(v, 2, 3, device=images.device)
    theta[:, 0, 0] = scale * stretch * angle.cos()
    theta[:, 0, 1], theta[:, 1, 0] = -scale * angle.sin(), scale * angle.sin()
    theta[:, 1, 1] = scale / stretch * angle.cos()
    theta[:, :, 2] = 0.08 * _normal(images, v, 2)
    theta[:, 0] = torch.where(flip[:, None], -theta[:, 0], theta[:, 0])
    x = _in_other_tempo(_sampled(images.float(), theta))
    grain = (_random(x, v, 1, 1, 1) < 0.5) * 12 * _random(x, v, 1, 1, 1)
    x = x + grain * torch.rand_like(x)
    shake = (_random(x, v, t, 1, 1) < 0.04) * 60 * _random(x, v, t, 1, 1)
    x = x + shake * functional.interpolate(_random(x, v, t, 8, 8), SIDE, mode="bilinear")
    hidden = _random(x, v, 1, 1, 1) < 0.2
    column, row = SIDE * _random(x, 2, v, 1, 1, 1)
    at = torch.arange(SIDE, device=x.device)
    hole = ((at[:, None] - row).abs() < 5) & ((at - column).abs() < 5)
    return torch.where(hidden & hole, 0.0, x)


def _in_other_tempo(images: Tensor) -> Tensor:
    v, t = images.shape[:2]
    start, end = 0.08 * _random(images, v, 1), 1 - 0.08 * _random(images, v, 1)
    even = torch.linspace(0, 1, t, device=images.device).expand(v, t)
    bent = (even + 0.12 * _normal(images, v, 1) * even * (1 - even)).clamp(0, 1)
    at = (start + (end - start) * bent) * (t - 1)
    before = at.floor().clamp(0, t - 2).long()
    part = (at - before)[..., None, None]
    rows = before[..., None, None].expand(-1, -1, SIDE, SIDE)
    return (1 - part) * images.gather(1, rows) + part * images.gather(1, rows + 1)


def textures(like: Tensor) -> Tensor:
    """Return what changes (v t s s) in textures that move, as a background does."""
    v, t = like.shape[:2]
    side = SIDE + 24
    texture = torch.zeros(v, 1, side, side, device=like.device)
    for _ in range(5):
        cells = [int(torch.randint(3, 24, ())) for _ in range(2)]
        field = functional.interpolate(_normal(like, v, 1, *cells), (side, side), mode="bicubic")
        sharp = torch.exp(3 * _random(like, v, 1, 1, 1) - 1)
        texture = texture + torch.tanh(sharp * field) * _random(like, v, 1, 1, 1) ** 2
    texture = texture + 0.15 * _random(like, v, 1, 1, 1) * torch.randn_like(texture)
    step = 0.5 * _normal(like, v, t + 1, 2) + _normal(like, v, 1, 2)
    path = (0.5 / side * torch.exp(_normal(like, v, 1, 1)) * step).cumsum(1)
    path = (path - path.mean(1, keepdim=True)).clamp(-0.35, 0.35)
    zoom = 1 + 0.03 * _normal(like, v, 1) * torch.linspace(-1, 1, t + 1, device=like.device)
    each = texture.repeat_interleave(t + 1, 0)
    moved = placed(each, (SIDE / side * zoom).flatten(), path.flatten(0, 1))
    moved = moved.view(v, t + 1, SIDE, SIDE)
    changes = (moved[:, 1:] - moved[:, :-1]).abs()
    return changes / _lightest(changes, 1e-3) * _lightest(like, 10)


def _lightest(images: Tensor, least: float) -> Tensor:
    return images.flatten(1).amax(1).clamp_min(least)[:, None, None, None]


def crowd(images: Tensor) -> Tensor:
    """Return videos (v t s s) of four movers at random places."""
    v, found = len(images), torch.zeros_like(images)
    for _ in range(4):
        other = images[torch.randperm(v, device=images.device)]
        scale, shift = torch.exp(0.5 * _normal(images, v) + 0.2), _normal(images, v, 2)
        other = placed(other, scale, shift, padding="zeros")
        found = found.maximum(other * (0.5 + _random(images, v, 1, 1, 1)))
    return found


def judged(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return videos that show one figure, and others, in turn; and which they are (v)."""
    v, texture = len(images), textures(images)
    share = _random(images, v, 1, 1, 1)
    faint = 0.15 * share * (_random(images, v, 1, 1, 1) < 0.5)
    kind = torch.randint(3, (v, 1, 1, 1), device=images.device)
    before = images.maximum((0.4 + share) * texture)
    others = torch.where(kind == 0, texture, torch.where(kind == 1, before, crowd(images)))
    figure = torch.arange(v, device=images.device) % 2 == 0
    chosen = torch.where(figure[:, None, None, None], images.maximum(faint * texture), others)
    return chosen, figure.float()


def similarity(queries: Tensor, support: Tensor) -> Tensor:
    """Return the similarity of vectors (q t d), (s t d) → (q s)."""
    cosines = torch.einsum("qtd,sud->qstu", queries, support)
    value = align.otam(1 - cosines, SMOOTHING, plan=False).value
    above = -value / sum(cosines.shape[-2:]) - UNLIKE
    return SOFTNESS * functional.softplus(above / SOFTNESS)


def episode(images: Tensor, ways: int, generator: torch.Generator) -> Tensor:
    """Draw videos (ways · 3 t c c) of an episode: the support, then the queries by class."""
    classes = torch.randperm(len(images), generator=generator)[:ways]
    videos = torch.stack(
        [
            torch.randperm(images.shape[1], generator=generator)[: 1 + QUERIES]
            for _ in range(len(classes))
        ]
    )
    support = images[classes.to(images.device), videos[:, 0].to(images.device)]
    queries = images[classes[:, None].to(images.device), videos[:, 1:].to(images.device)]
    return torch.cat([support, queries.flatten(0, 1)])


@torch.inference_mode()
def accuracy(embed: Callable[[Tensor], Tensor], images: Tensor, episodes: int = 30) -> float:
    """Return the accuracy on classes (n v t c c) in per cent: 20 ways, one shot."""
    generator, right = torch.Generator().manual_seed(0), []
    for _ in range(episodes):
        videos = middle(episode(images, VALIDATION_WAYS, generator))
        ways = len(videos) // (1 + QUERIES)
        vectors = embed(videos)
        found = similarity(vectors[ways:], vectors[:ways]).argmax(-1)
        right.append(found == torch.arange(ways, device=found.device).repeat_interleave(QUERIES))
    return 100 * float(torch.cat(right).double().mean())


def train(
    network: MotionNetwork,
    images: Mapping[str, Tensor],
    others: Mapping[str, Tensor],
    recipe: Recipe,
    every: int,
) -> None:
    """Train the vectors on classes (n v t c c) by their kinds; print accuracies on other ones."""
    device = next(network.parameters()).device
    temperature = nn.Parameter(torch.tensor(TEMPERATURE, device=device).log())
    weights = [*network.parameters(), temperature]
    optimiser = torch.optim.AdamW(weights, lr=recipe.rate, weight_decay=DECAY)
    generator = torch.Generator().manual_seed(1)
    kinds, share = list(images), torch.tensor([KINDS[kind].share for kind in images])
    autocast = torch.autocast(device.type, torch.bfloat16)
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            falling = 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps)
            group["lr"] = recipe.rate * min(1, (step + 1) / recipe.warm_up) * falling
        network.train()
        kind = kinds[int(torch.multinomial(share, 1, generator=generator))]
        ways = min(recipe.ways, len(images[kind]))
        flip = _random(images[kind], ways) < 0.5  # a flipped class is another one
        with torch.no_grad():
            flips = torch.cat([flip, flip.repeat_interleave(QUERIES)])
            videos = lightened(varied(episode(images[kind], ways, generator), flips))
        with autocast:
            vectors = network(videos)[0]
        vectors = unit_deviations(vectors)
        logits = similarity(vectors[ways:], vectors[:ways]) / temperature.exp()
        truth = torch.arange(ways, device=device).repeat_interleave(QUERIES)
        loss = functional.cross_entropy(logits, truth)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % every == 0 or step + 1 == recipe.steps:
            network.eval()
            print(f"step {step + 1}: loss {loss.item():.3f} ({kind}); classes of validation:")

            def embed(videos: Tensor) -> Tensor:
                return unit_deviations(network(lightened(videos))[0])

            for name, other in others.items():
                print(f"  {name} {accuracy(embed, other):.1f} %")


def train_figure(network: MotionNetwork, images: Tensor) -> float:
    """Fit the layer that says how sure the network is; return the loss on held-out videos."""
    network.eval()
    videos = images.flatten(0, 1)
    kept: list[Tensor] = []
    hook = network.figure.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    truth = []
    with torch.inference_mode():
        for _ in range(HEAD_BATCHES):
            some = torch.randint(len(videos), (HEAD_VIDEOS,), device=videos.device)
            flips = _random(videos, HEAD_VIDEOS) < 0.5
            shown, figure = judged(varied(videos[some], flips))
            network(lightened(shown))
            truth.append(figure)
    hook.remove()
    x, y = torch.cat(kept).clone(), torch.cat(truth)
    train_count = len(x) * 4 // 5
    mean, deviation = x[:train_count].mean(0), x[:train_count].std(0)
    x = (x - mean) / deviation
    layer = nn.Linear(x.shape[1], 1, device=x.device)
    nn.init.zeros_(layer.weight)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=200)

    def loss_of(part: slice) -> Tensor:
        return functional.binary_cross_entropy_with_logits(layer(x[part])[:, 0], y[part])

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = loss_of(slice(train_count)) + HEAD_DECAY * layer.weight.square().mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        network.figure.weight.copy_(layer.weight / deviation)
        network.figure.bias.copy_(layer.bias - (layer.weight * mean / deviation).sum())
        return float(loss_of(slice(train_count, None)))


@torch.no_grad()
def averaged(network: MotionNetwork, before: Mapping[str, Tensor], part: float) -> None:
    """Take a part of the network's weights, and the rest of those before, in place."""
    for name, value in network.state_dict().items():
        if name in before:
            value.lerp_(before[name].to(value), 1 - part)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="file of the weights, safetensors")
    parser.add_argument("--tune", type=Path, metavar="WEIGHTS", help="weights, or their graph")
    parser.add_argument("--exercises", action="store_true", help="tune on exercises, too")
    parser.add_argument("--classes", type=int, help="most classes of a kind")
    parser.add_argument("--steps", type=int, help="number of steps")
    parser.add_argument("--every", type=int, default=500, help="steps between validations")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2, help="processes that render")
    options = parser.parse_args(arguments)
    recipe = TUNING if options.tune else FIRST
    kinds = (*recipe.kinds, EXERCISES) if options.exercises else recipe.kinds
    recipe = replace(recipe, kinds=kinds, steps=options.steps or recipe.steps)
    before = motion_network(options.tune).state_dict() if options.tune else {}
    images = {
        kind: rendered(
            kind,
            min(KINDS[kind].classes, options.classes or KINDS[kind].classes),
            recipe.clips,
            options.processes,
        ).to(options.device)
        for kind in (*recipe.kinds, OTHER_FIGURES)
    }
    others = {OTHER_FIGURES: images.pop(OTHER_FIGURES)}
    if options.tune:
        held_out = {kind: min(HELD_OUT, len(some) // 2) for kind, some in images.items()}
        others |= {kind: some[-held_out[kind] :] for kind, some in images.items()}
        images = {kind: some[: -held_out[kind]] for kind, some in images.items()}
    torch.manual_seed(0)
    network = MotionNetwork().to(options.device)
    network.load_state_dict(before or network.state_dict())
    train(network, images, others, recipe, options.every)
    averaged(network, before, recipe.part)
    alone = torch.cat([images[kind] for kind in recipe.one_figure])
    print(f"held-out loss of the figure: {train_figure(network, alone):.3f}")
    state = {name: value.half().cpu().contiguous() for name, value in network.state_dict().items()}
    write_bytes(options.file, save(state))


if __name__ == "__main__":
    main()
