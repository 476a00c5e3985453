"""The three modules of CLIP-SPM, by the names that its paper gives them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewact.methods.common.mixtures import Mixtures
from fewact.methods.common.transformer import Transformer

Motion = Literal["linear", "nonlinear", "ordered"]
Prompt = Literal["scalar", "vector"]

PROMPT_DROPOUT = 0.05


@dataclass(frozen=True)
class Fused:
    """Videos that have seen a text or a motion.

    Args:
        guide: What they saw (… d).
        frames: They themselves afterwards (… t d).
        token: The guide afterwards (… d).
    """

    guide: Tensor
    frames: Tensor
    token: Tensor

    def gaps(self, other: "Fused") -> tuple[Tensor, Tensor]:
        """Mean squared distance to the same videos fused with other texts.

        Returns:
            Between the texts before and after; between the texts after and the frames.
        """
        guides, tokens, frames = (
            (first - second).square().flatten(2).sum(-1).mean()
            for first, second in (
                (self.guide, other.guide),
                (self.token, other.token),
                (self.frames, other.frames),
            )
        )
        return guides + tokens, tokens + frames


class Gate(nn.Module):
    """g(z) = sigmoid(B₂·leaky(B₁·z)).

    Args:
        width: Length d of a vector.
        hidden: Between the layers.
        slope: δ of the leaky ReLU.
    """

    def __init__(self, width: int, hidden: int, slope: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.slope = slope

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors (… d) → factors (… d) in (0, 1)."""
        hidden = functional.leaky_relu(self.first(vectors), self.slope)
        gate: Tensor = self.second(hidden).sigmoid()
        return gate


class SPM(nn.Module):
    """Semantic prototype modulation: fuses frames with a text, and makes up texts for queries.

    Args:
        width: Length d of the vectors.
        prompt: What a made-up text sees of its video, the mean number or the mean frame.
        alpha: α, how much a text adds to the frames.
        gates: Hidden widths of the gates of texts and of frames.
        slope: δ of their leaky ReLU.
        heads: Of the transformer.
        head_width: Of each head.
        hidden: Of the transformer's second half and the prompts' network.
    """

    def __init__(
        self,
        width: int,
        *,
        prompt: Prompt,
        alpha: float,
        gates: tuple[int, int],
        slope: float,
        heads: int,
        head_width: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.prompt, self.alpha = prompt, alpha
        self.text_gate, self.frame_gate = (Gate(width, max(1, wide), slope) for wide in gates)
        self.transformer = Transformer(width, heads=heads, head_width=head_width, hidden=hidden)
        self.prompter = nn.Sequential(
            nn.Linear(width if prompt == "scalar" else 2 * width, hidden),
            nn.GELU(),
            nn.Dropout(PROMPT_DROPOUT),
            nn.Linear(hidden, width),
        )

    def gated(self, frames: Tensor) -> Tensor:
        """Frames (… t d) times their own gate."""
        gated: Tensor = self.frame_gate(frames) * frames
        return gated

    def seen(self, frames: Tensor) -> Tensor:
        """What a prompt sees of frames (… t d): (… 1) or (… d)."""
        mean = frames.mean(-2)
        return mean.mean(-1, keepdim=True) if self.prompt == "scalar" else mean

    def prompts(self, mean_text: Tensor, seen: Tensor) -> Tensor:
        """Made-up texts t̂ (b m d) of a mean text (b d) and what is seen of videos (b m …)."""
        text = mean_text[:, None]  # (b 1 d)
        if self.prompt == "scalar":
            given = text * seen
        else:
            given = torch.cat([text.expand_as(seen), seen], -1)
        made: Tensor = self.prompter(given)
        return made

    def fuse(self, gated: Tensor, guide: Tensor) -> Tensor:
        """SF: gated frames that have seen a text or motion, (… t d), (… d) → (… t d)."""
        fused: Tensor = self.transformer(self._tokens(gated, guide), first=1)
        return fused

    def fuse_both(self, gated: Tensor, guide: Tensor) -> Fused:
        """SF: gated frames (… t d) and a text or motion (… d) that have seen each other."""
        mixed: Tensor = self.transformer(self._tokens(gated, guide))
        return Fused(guide, mixed[..., 1:, :], mixed[..., 0, :])

    def _tokens(self, gated: Tensor, guide: Tensor) -> Tensor:
        """(… t d), (… d) → (… 1+t d)."""
        token = guide[..., None, :]
        return torch.cat([token, self.alpha * self.text_gate(token) * token + gated], -2)


class HSMR(nn.Module):
    """Motion regulariser: fused with their motion, frames must show that motion still.

    Args:
        width: Length d of the vectors.
        motion: How it is extracted, see ``ClipSpmOptions``.
    """

    def __init__(self, width: int, motion: Motion) -> None:
        super().__init__()
        self.kind = motion
        self.first = nn.Conv1d(width, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, padding=1)

    def motion(self, frames: Tensor) -> Tensor:
        """MFE: mean over time of ½[(Φ(V)_{τ+1} − V_τ) + (Φ(V)_τ − V_{τ+1})], (… t d) → (… d)."""
        hidden = self.first(frames.reshape(-1, *frames.shape[-2:]).mT)  # (r d t)
        if self.kind == "nonlinear":
            hidden = functional.gelu(hidden)
        expected = self.second(hidden).mT.reshape(frames.shape)  # Φ(V)
        forward = expected[..., 1:, :] - frames[..., :-1, :]
        backward = expected[..., :-1, :] - frames[..., 1:, :]
        both: Tensor = forward - backward if self.kind == "ordered" else forward + backward
        return both.sum(-2) / (2 * max(1, both.shape[-2]))

    def forward(self, frames: Tensor, spm: SPM) -> Tensor:
        """L_mo of each video: (… t d) → (…)."""
        fused = spm.fuse_both(spm.gated(frames), self.motion(frames))
        lost: Tensor = (self.motion(fused.frames) - fused.token).square().sum(-1)
        return lost


@dataclass(frozen=True)
class Refined:
    """What PADM leaves, of e episodes; where each query is alone, it is an episode of its own.

    Args:
        query: Queries V' (e q t d).
        support: Support videos S' (e s t d).
        prototypes: Means P' (e n t d) of the classes' support videos.
        anchors: Of the classes, A' (e n t d).
        centre: The global anchor g' (e 1 t d), or one for each query (e q t d).
    """

    query: Tensor
    support: Tensor
    prototypes: Tensor
    anchors: Tensor
    centre: Tensor


class PADM(nn.Module):
    """Refines prototypes and queries around anchors, attending across videos frame by frame.

    Args:
        width: Length d of the vectors.
        heads: Of the transformer.
        head_width: Of each head.
        hidden: Of its second half.
    """

    def __init__(self, width: int, *, heads: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.transformer = Transformer(width, heads=heads, head_width=head_width, hidden=hidden)

    def anchors(self, support: Tensor, member: Tensor, query: Tensor | None = None) -> Tensor:
        """Mean (b n t d) of each class's support videos, and of all queries where they are given.

        Args:
            support: Fused support videos (b s t d).
            member: (b n s), 1 where a video is of a class.
            query: Fused queries (b q t d).
        """
        total, number = torch.einsum("bns,bstd->bntd", member, support), member.sum(-1)
        if query is not None:
            total, number = total + query.sum(1, keepdim=True), number + query.shape[1]
        return total / number[..., None, None]

    def together(
        self, support: Tensor, member: Tensor, query: Tensor, anchors: Tensor, *, meet: bool
    ) -> Refined:
        """All queries of an episode around the same anchors.

        Args:
            support: Fused support videos (b s t d).
            member: (b n s), 1 where a video is of a class.
            query: Fused queries (b q t d).
            anchors: Of the classes (b n t d).
            meet: Whether queries see each other, or each the global anchor alone.
        """
        centre = anchors.mean(1, keepdim=True)  # (b 1 t d)
        classes = self._across(torch.cat([anchors, support], 1))
        if meet:
            queries = self._across(torch.cat([centre, query], 1))  # (b 1+q t d)
            centre, query = queries[:, :1], queries[:, 1:]
        else:
            pairs = torch.stack([centre.expand_as(query), query], -2)  # (b q t 2 d)
            centre, query = self.transformer(pairs).unbind(-2)
        return _refined(classes, member, query, centre)

    def alone(self, support: Tensor, member: Tensor, query: Tensor) -> Refined:
        """Each query as its episode's only one; what they share is computed once.

        Args:
            support: Fused support videos (b s t d).
            member: (b n s), 1 where a video is of a class.
            query: Fused queries (b q t d).

        Returns:
            Of b·q episodes.
        """
        b, n, s = member.shape
        q = query.shape[1]
        ones = member.new_ones(b, n, 1)
        anchors = torch.cat([member, ones], -1) / (member.sum(-1, keepdim=True) + 1)  # (b n s+1)
        itself = torch.eye(s + 1, dtype=member.dtype, device=member.device).expand(b, -1, -1)
        mixtures = Mixtures(self.transformer, support.transpose(1, 2), query)
        classes = mixtures.transform(torch.cat([anchors, itself[:, :s]], 1))  # (b q t n+s d)
        queries = mixtures.transform(torch.cat([anchors.mean(1, keepdim=True), itself[:, s:]], 1))
        centre, alone = queries.flatten(0, 1).transpose(1, 2).split(1, 1)  # each (b·q 1 t d)
        return _refined(
            classes.flatten(0, 1).transpose(1, 2), member.repeat_interleave(q, 0), alone, centre
        )

    def _across(self, videos: Tensor) -> Tensor:
        """The transformer across videos, for each frame: (b m t d) → (b m t d)."""
        seen: Tensor = self.transformer(videos.transpose(1, 2))
        return seen.transpose(1, 2)


def _refined(classes: Tensor, member: Tensor, query: Tensor, centre: Tensor) -> Refined:
    """From anchors and support in one (e n+s t d)."""
    anchors, support = classes.split(list(member.shape[1:]), 1)
    mean = member / member.sum(-1, keepdim=True)
    prototypes = torch.einsum("ens,estd->entd", mean, support)
    return Refined(query, support, prototypes, anchors, centre)
