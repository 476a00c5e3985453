"""MoLo: frames that match a global token of the other video, and a second branch of motion.

Wang et al., "MoLo: Motion-augmented Long-short Contrastive Learning for Few-shot Action
Recognition", CVPR 2023, arXiv 2304.00946, as implemented by its public code.
"""

from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TorchMethod, TrainingBatch, cross_entropy, join
from fewact.lab.methods.common.attention import ScaledPositions
from fewact.lab.methods.common.inputs import frame_maps, map_request, seeded
from fewact.lab.methods.common.shots import class_means
from fewact.lab.methods.common.transformer import Transformer
from fewact.methods.common.options import options_dataclass
from fewact.methods.protocols import FrameMatch, frame_match
from fewact.networks.card import Card


class Tokens(nn.Module):
    """Global token and frames after a transformer."""

    def __init__(self, width: int, positions: ScaledPositions, transformer: Transformer) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(width))
        self.positions, self.transformer = positions, transformer
        self.contrast_scale = nn.Parameter(torch.ones(()))

    def forward(self, frames: Tensor) -> Tensor:
        """Return tokens (… 1+t d) of frames (… t d)."""
        return functional.relu(self.transformer(self._tokens(frames)))

    def attention(self, frames: Tensor) -> Tensor:
        """Return the attention weights (… t t) among frames (… t d), without the global token's."""
        return self.transformer.attention(self._tokens(frames))[..., 1:, 1:]

    def _tokens(self, frames: Tensor) -> Tensor:
        token = self.token.expand_as(frames[..., :1, :])
        tokens: Tensor = self.positions(torch.cat([token, frames], -2))
        return tokens


class Motion(nn.Module):
    """Difference of a frame's reduced, convolved map and the reduced map of the frame before."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(channels, width, 3, padding=1)
        self.convolve = nn.Conv2d(width, width, 3, padding=1)
        self.restore = nn.Conv2d(width, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the motion (v t−1 c' h w) between maps (v t c h w)."""
        reduced = self.reduce(maps.transpose(1, 2)).transpose(1, 2)  # (v t c' h w)
        convolved = self.convolve(reduced.flatten(0, 1)).unflatten(0, reduced.shape[:2])
        motion: Tensor = convolved[:, 1:] - reduced[:, :-1]
        return motion

    def vectors(self, motion: Tensor) -> Tensor:
        """Return motion (v t−1 c' h w) as vectors (v t−1 c)."""
        restored = functional.relu(self.restore(motion.flatten(0, 1))).mean((-2, -1))
        vectors: Tensor = restored.unflatten(0, motion.shape[:2])
        return vectors


def decoder(width: int) -> nn.Sequential:
    """Return the network from motion (m c' h w) to pixel differences (m 3 32h 32w)."""
    layers: list[nn.Module] = []
    for factor, channels in ((2, 128), (4, 32), (4, 16)):
        layers += [
            nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=True),
            nn.Conv2d(width, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        width = channels
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 1))


BRANCHES = ("appearance", "motion")
PIXEL_STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's colours, 0 to 1, by which pixel differences are divided."""


@options_dataclass
class MoLoOptions:
    """Options of ``molo``; it must be trained.

    Args:
        frames: Frames of a video.
        map_channels: Channels of the backbone's maps, or length of its vectors if it has no maps.
        reduction: Factor by which the channels are reduced in the branch of motion.
        motion_weight: Weight of the distance of the motion branch.
        reconstruct: In training, reconstruct the differences of the frames' pixels from motion;
            needs frames or stored pixels.
        eps: ε added to the product of the norms in the cosine cost of two frames.
        heads: Heads of both transformers, each of width map_channels/heads.
        hidden: Hidden width of the transformers' feed-forward layers.
        feature_divisor: A, the vectors are multiplied by √(map_channels/A) first.
        position_weight: B, factor of the positions that are added to the vectors.
        seed: Seed of the initial weights.
    """

    frames: Annotated[int, Field(ge=2)] = 8
    map_channels: PositiveInt = 2048
    reduction: PositiveInt = 8
    motion_weight: NonNegativeFloat = 0.3
    reconstruct: bool = True
    eps: NonNegativeFloat = 0.01
    heads: PositiveInt = 8
    hidden: PositiveInt = 2048
    feature_divisor: PositiveFloat = 10.0
    position_weight: NonNegativeFloat = 1.0
    seed: NonNegativeInt = 0


Scores = tuple[Tensor, Tensor, Tensor]
"""Scores (b q n) of a branch: distance, and the costs of the frames of either video with the global
token of the other."""


def matching_scores(query: Tensor, prototypes: Tensor, eps: float) -> Scores:
    """Compare tokens (b q m d) with class means (b n m d), the global token first in both."""
    cost = align.pairwise_cosine_cost(query, prototypes, eps)  # (b q n m m)
    return (
        align.bi_mhm(cost[..., 1:, 1:], plan=False).value,
        cost[..., 0, 1:].sum(-1),
        cost[..., 1:, 0].sum(-1),
    )


class MoLo(TorchMethod[MoLoOptions, Nodes]):
    """Set matching of frames and of motion, trained with global tokens."""

    Options = MoLoOptions
    paper = "MoLo, CVPR 2023"
    trained = False
    scoring = frozenset({"motion_weight", "eps"})

    def __init__(self, options: MoLoOptions) -> None:
        super().__init__(options)
        width = max(1, options.map_channels // options.reduction)
        with seeded(options.seed):
            self.appearance, self.motion = (_tokens(options) for _ in BRANCHES)
            self.differences = Motion(options.map_channels, width)
            self.decoder = decoder(width) if options.reconstruct else None

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (map_request(card, self.options.frames),)

    def training_requests(self, card: Card) -> tuple[Request, ...]:
        return (*self.requests(card), *((self._pixels,) if self.options.reconstruct else ()))

    @property
    def _pixels(self) -> Request:
        return FeatureRequest("pixels", View(self.options.frames))

    def explaining_requests(self, card: Card) -> tuple[Request, ...]:
        return self.requests(card)

    def encode(self, features: Features) -> Nodes:
        """Return the tokens of both branches: (… 1+t d) and (… t d), global token first."""
        maps = frame_maps(features, self.options.frames, self.options.map_channels)
        videos = maps.reshape(-1, *maps.shape[-4:])  # (v t c h w)
        motion = self.differences.vectors(self.differences(videos))
        tokens_by_branch = (self.appearance(videos.mean((-2, -1))), self.motion(motion))
        pairs = zip(BRANCHES, tokens_by_branch, strict=True)
        return {name: tokens.view(*maps.shape[:-4], *tokens.shape[1:]) for name, tokens in pairs}

    def attend_frames(self, features: Features) -> FrameMatch:
        """Return the weights of the transformer of appearance, without its global token."""
        maps = frame_maps(features, self.options.frames, self.options.map_channels)
        return frame_match("attention", self.appearance.attention(maps.mean((-2, -1))))

    def class_vectors(self, nodes: Nodes) -> Tensor:
        """Return the sum of both branches' mean tokens (b v 1 d)."""
        means = [nodes[name].mean(-2, keepdim=True) for name in BRANCHES]
        return means[0] + means[1]

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> dict[str, Tensor]:
        """Return the class means of the tokens of both branches (b n m d), global token first."""
        return {name: class_means(nodes[name], labels, n) for name in BRANCHES}

    def scores(self, state: Nodes, nodes: Nodes) -> tuple[Scores, Scores]:
        appearance, motion = (
            matching_scores(nodes[name], state[name], self.options.eps) for name in BRANCHES
        )
        return appearance, motion

    def score(self, state: Nodes, nodes: Nodes) -> Tensor:
        """Return logits (b q n): the negative distances of both branches."""
        appearance, motion = self.scores(state, nodes)
        return -(appearance[0] + self.options.motion_weight * motion[0])

    def losses(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Return the losses of the tokens, and of the reconstructed pixels."""
        losses = super().losses(batch)
        if self.decoder is not None:
            losses["reconstruction"] = self.reconstruction(join(batch.support, batch.query))
        return losses

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropy of the logits, and of the frames' costs with global tokens."""
        state = self.support(support, batch.support_labels, batch.n)
        contrast = next(iter(query.values())).new_zeros(())
        appearance, motion = self.scores(state, query)
        for branch, scores in ((self.appearance, appearance), (self.motion, motion)):
            for cost in scores[1:]:
                logits = -branch.contrast_scale * cost
                contrast = contrast + cross_entropy(logits, batch.query_labels)
        distance = appearance[0] + self.options.motion_weight * motion[0]
        return {
            "cross_entropy": cross_entropy(-distance, batch.query_labels),
            "contrast": contrast,
        }

    def reconstruction(self, features: Features) -> Tensor:
        """Return the mean squared error of the differences of subsequent frames' pixels."""
        if self.decoder is None:
            raise RuntimeError("made without a decoder")
        maps = frame_maps(features, self.options.frames, self.options.map_channels)
        decoded = self.decoder(self.differences(maps.flatten(0, -5)).flatten(0, 1)).float()
        pixels = features[self._pixels].flatten(0, -5).float() / 255  # (v t 3 H W)
        steps = pixels.diff(dim=1) / pixels.new_tensor(PIXEL_STD)[:, None, None]
        target = functional.interpolate(
            steps.flatten(0, 1), decoded.shape[-2:], mode="bilinear", antialias=True
        )
        return functional.mse_loss(decoded, target)


def _tokens(options: MoLoOptions) -> Tokens:
    return Tokens(
        options.map_channels,
        ScaledPositions(options.feature_divisor, options.position_weight, dropout=0.1),
        Transformer(options.map_channels, heads=options.heads, hidden=options.hidden),
    )
