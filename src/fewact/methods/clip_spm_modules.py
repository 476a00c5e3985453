"""The transformer block for tokens that are mixtures of a few vectors, most of them shared.

When each of q queries attends alone to the same support videos, most of the attention is the same
for all queries. A layer norm is x̃/σ⊙g + β with x̃ = x − mean(x), so queries, keys and values are
linear in x except for σ. With tokens X = M·B, products with weights are computed for the vectors B
only; a token needs sums with its coefficients M. With L the product of centred, scaled vectors with
a weight and G = L_q(B)·L_k(B)ᵀ, the attention's logits are

    (M G Mᵀ)_ij / (σ_i σ_j √e) + (M L_k(B) q₀)_j / (σ_j √e),    q₀ = W_q β,

up to terms that are equal for all j; values pass the output layer before they are summed. There is
no norm before the feed-forward layers, so without dropout they pass the first of these as well
(``fold``); then only the second is computed for each token.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewact.methods.common.transformer import Transformer


@dataclass(frozen=True)
class Projections:
    """What a block computes from vectors before they are mixed.

    Args:
        vectors: (… d).
        query: (… h e), of the scaled, centred vectors.
        key: The same.
        value: (… h d), after the output layer of each head; with ``fold`` (… h+1 d+f), each row
            followed by its product with W₁, and the vector with all shifts as the last row.
    """

    vectors: Tensor
    query: Tensor
    key: Tensor
    value: Tensor

    @property
    def centred(self) -> Tensor:
        """Vectors without their mean (… 1 d)."""
        return (self.vectors - self.vectors.mean(-1, keepdim=True))[..., None, :]


class Projector:
    """The products of a block with vectors.

    Args:
        block: Transformer block.
        fold: Whether vectors pass the first feed-forward layer too; there is no dropout then.
        premultiplied: Whether so many vectors are projected that both layers are multiplied before.
    """

    def __init__(
        self, block: Transformer, *, fold: bool = False, premultiplied: bool = False
    ) -> None:
        self.block, self._fold, self._many = block, fold, premultiplied
        weights = block.project.weight.unflatten(0, (3, block.heads, -1))  # (3 h e d)
        # Contribution of the norm's shift to queries and values; that of keys cancels out.
        self.first, _, last = torch.einsum("khed,d->khe", weights, block.norm.bias)
        self.scale = weights.shape[2] ** -0.5
        self._added = functional.linear(last.flatten(), block.out.weight, block.out.bias)  # (d)
        leave = block.out.weight  # (d h·e)
        if fold:
            if premultiplied:
                leave = torch.cat([leave, block.widen.weight @ leave])
            added = [self._added + block.narrow.bias, block.widen(self._added)]
            self._shifts = torch.cat(added)  # (d+f)
        self._leave = leave.unflatten(1, (block.heads, -1))

    def project(self, vectors: Tensor) -> Projections:
        """Project vectors (… d)."""
        block = self.block
        parts = block.linear_part(vectors).unflatten(-1, (3, block.heads, -1))
        query, key, value = parts.unbind(-3)
        value = torch.einsum("...he,che->...hc", value, self._leave)
        if self._fold:
            if not self._many:
                value = torch.cat([value, functional.linear(value, block.widen.weight)], -1)
            itself = torch.cat([vectors, functional.linear(vectors, block.widen.weight)], -1)
            value = torch.cat([value, (itself + self._shifts)[..., None, :]], -2)
        return Projections(vectors, query, key, value)

    def sum(self, mixed: Tensor, mixing: Tensor, shared: Projections, alone: Projections) -> Tensor:
        """Return the block's output (b t q m d) for tokens that attend to mixtures.

        Args:
            mixed: (b t q m s+1 h), coefficients of the heads' values.
            mixing: (b 1 1 m s+1), coefficients of the tokens.
            shared: Projections (b t s …).
            alone: Projections (b t q …).
        """
        if self._fold:
            return self._folded(mixed, mixing, shared, alone)
        tokens = (mixing[:, 0, :, :, :-1] @ shared.vectors)[:, :, None]  # (b t 1 m d)
        tokens = tokens + mixing[..., -1:] * alone.vectors[..., None, :]  # (b t q m d)
        attended = _of_shared(mixed, shared.value) + mixed[..., -1, :] @ alone.value
        return self.block.finish(tokens, attended + self._added)

    def _folded(
        self, mixed: Tensor, mixing: Tensor, shared: Projections, alone: Projections
    ) -> Tensor:
        coefficients = torch.cat(
            [mixed, mixing[..., None].expand(*mixed.shape[:-1], 1)], -1
        )  # (… h+1)
        sums = _of_shared(coefficients, shared.value)  # (b t q m d+f)
        rows = sums.flatten(0, 2)
        rows.baddbmm_(coefficients[..., -1, :].flatten(0, 2), alone.value.flatten(0, 2))
        narrow = self.block.narrow.weight  # (d f)
        tokens, hidden = rows.flatten(0, 1).split(narrow.shape, -1)
        return torch.addmm(tokens, functional.gelu(hidden), narrow.T).view(*sums.shape[:4], -1)


class Mixtures:
    """A transformer block for mixtures of vectors, for each query alone.

    Args:
        projector: Products of the block.
        shared: Vectors (b t s …) in the mixtures of all queries of an episode.
        alone: One vector (b t q …) of each query.
    """

    def __init__(self, projector: Projector, shared: Projections, alone: Projections) -> None:
        self._projector, self._shared, self._own = projector, shared, alone
        self._gram = _products(
            shared.query, alone.query, shared.key, alone.key
        )  # (b t q h s+1 s+1)
        centred = shared.centred, alone.centred
        self._lengths = _products(*centred, *centred).squeeze(3)  # (b t q s+1 s+1)
        ahead = torch.einsum("btshe,he->bths", shared.key, projector.first)[:, :, None]
        ahead_own = torch.einsum("btqhe,he->btqh", alone.key, projector.first)[..., None]
        ahead = ahead.expand(*ahead_own.shape[:-1], -1)
        self._ahead = torch.cat([ahead, ahead_own], -1)[..., None]  # (b t q h s+1 1)

    def transform(self, mixing: Tensor) -> Tensor:
        """Return the block's output for the tokens ``mixing @ [shared; own]`` of each query.

        Args:
            mixing: (b m s+1), coefficients of m tokens, which add up to 1; the last one multiplies
                the query's vector.

        Returns:
            (b t q m d).
        """
        projector, block = self._projector, self._projector.block
        mixing = mixing[:, None, None]  # (b 1 1 m s+1)
        squares = ((mixing @ self._lengths) * mixing).sum(-1)
        variance = squares.clamp_min(0) / block.widen.in_features  # (b t q m)
        spread = (variance + block.norm.eps).rsqrt()  # 1/σ
        row, column = spread[..., None, :, None], spread[..., None, None, :]
        mix = mixing[:, :, :, None]  # (b 1 1 1 m s+1)
        logits = (mix @ self._gram @ mix.mT) * row + (mix @ self._ahead).mT  # (b t q h m m)
        attention = (logits * column * projector.scale).softmax(-1)
        mixed = ((attention * column) @ mix).movedim(3, -1)  # (b t q m s+1 h)
        return projector.sum(mixed, mixing, self._shared, self._own)


def _of_shared(mixed: Tensor, value: Tensor) -> Tensor:
    """Return sums of shared values (b t s h c) with coefficients (b t q m s+1 h): (b t q m c)."""
    flat = mixed[..., :-1, :].flatten(4).flatten(2, 3)  # (b t q·m s·h)
    sums: Tensor = (flat @ value.flatten(2, 3)).unflatten(2, mixed.shape[2:4])
    return sums


def _products(first_s: Tensor, first_o: Tensor, second_s: Tensor, second_o: Tensor) -> Tensor:
    """Return all products of shared (b t s h e) and own vectors (b t q h e): (b t q h s+1 s+1)."""
    rows = torch.einsum("btshe,btqhe->btqhs", first_s, second_o)[..., None]
    columns = torch.einsum("btqhe,btshe->btqhs", first_o, second_s)[..., None, :]
    among = torch.einsum("btshe,btuhe->bthsu", first_s, second_s)[:, :, None]
    alone = torch.einsum("btqhe,btqhe->btqh", first_o, second_o)[..., None, None]
    among = among.expand(*rows.shape[:-1], -1)
    return torch.cat([torch.cat([among, rows], -1), torch.cat([columns, alone], -1)], -2)


Motion = Literal["linear", "nonlinear", "ordered"]
Prompt = Literal["scalar", "vector"]

PROMPT_DROPOUT = 0.05


@dataclass(frozen=True)
class Fused:
    """Videos after fusion with a text or a motion.

    Args:
        guide: Text or motion (… d) before the fusion.
        frames: Frames (… t d) after the fusion.
        token: Text or motion (… d) after the fusion.
    """

    guide: Tensor
    frames: Tensor
    token: Tensor

    def gaps(self, counterpart: "Fused") -> tuple[Tensor, Tensor]:
        """Return mean squared distances to the same videos fused with other texts.

        Returns:
            Distance of the texts before plus after the fusion; distance of texts after the fusion
            plus frames.
        """
        guides, tokens, frames = (
            (first - second).square().flatten(2).sum(-1).mean()
            for first, second in (
                (self.guide, counterpart.guide),
                (self.token, counterpart.token),
                (self.frames, counterpart.frames),
            )
        )
        return guides + tokens, tokens + frames


class Gate(nn.Module):
    """Gate g(z) = sigmoid(B₂·leaky(B₁·z)).

    Args:
        width: Length d of a vector.
        hidden: Width between the layers.
        slope: Negative slope δ of the leaky ReLU.
    """

    def __init__(self, width: int, hidden: int, slope: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.slope = slope

    def forward(self, vectors: Tensor) -> Tensor:
        """Return factors (… d) in (0, 1) for vectors (… d)."""
        hidden = functional.leaky_relu(self.first(vectors), self.slope)
        gate: Tensor = self.second(hidden).sigmoid()
        return gate


class SPM(nn.Module):
    """Semantic prototype modulation: fuses frames with a text, and generates prompts for queries.

    Args:
        width: Length d of the vectors.
        prompt: Input of a generated prompt: mean of all features, or mean frame.
        guide_weight: Weight α of a text or motion that is added to the frames.
        gates: Hidden widths of the gates of texts and of frames.
        slope: Negative slope δ of the gates' leaky ReLU.
        heads: Heads of the transformer.
        head_width: Width of each head.
        hidden: Hidden width of the transformer and of the prompt generator.
    """

    def __init__(
        self,
        width: int,
        *,
        prompt: Prompt,
        guide_weight: float,
        gates: tuple[int, int],
        slope: float,
        heads: int,
        head_width: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.prompt, self.guide_weight = prompt, guide_weight
        self.text_gate, self.frame_gate = (Gate(width, max(1, size), slope) for size in gates)
        self.transformer = Transformer(width, heads=heads, head_width=head_width, hidden=hidden)
        self.prompter = nn.Sequential(
            nn.Linear(width if prompt == "scalar" else 2 * width, hidden),
            nn.GELU(),
            nn.Dropout(PROMPT_DROPOUT),
            nn.Linear(hidden, width),
            nn.Dropout(PROMPT_DROPOUT),
        )

    def gated(self, frames: Tensor) -> Tensor:
        """Multiply frames (… t d) by their gate."""
        gated: Tensor = self.frame_gate(frames) * frames
        return gated

    def summary(self, frames: Tensor) -> Tensor:
        """Return the input of a prompt for frames (… t d): (… 1) or (… d)."""
        mean = frames.mean(-2)
        return mean.mean(-1, keepdim=True) if self.prompt == "scalar" else mean

    def prompts(self, mean_text: Tensor, summary: Tensor) -> Tensor:
        """Generate prompts t̂ (b m d) from a mean text (b d) and summaries of videos (b m …)."""
        text = mean_text[:, None]  # (b 1 d)
        if self.prompt == "scalar":
            inputs = text * summary
        else:
            inputs = torch.cat([text.expand_as(summary), summary], -1)
        prompts: Tensor = self.prompter(inputs)
        return prompts

    def fuse(self, gated: Tensor, guide: Tensor) -> Tensor:
        """Fuse gated frames with a text or motion (SF): (… t d), (… d) → (… t d)."""
        fused: Tensor = self.transformer(self._tokens(gated, guide), first=1)
        return fused

    def fuse_projected(self, gated: Tensor, parts: Tensor, guide: Tensor) -> Tensor:
        """As ``fuse``, with the linear parts (… t 3·h·e) of the gated frames (… t d)."""
        token = guide[..., None, :]
        shift = self._shift(token)  # (… 1 d)
        first, added = self.transformer.linear_part(torch.cat([token, shift], -2)).split(1, -2)
        tokens = torch.cat([token, shift + gated], -2)
        return self.transformer.of_linear_parts(tokens, torch.cat([first, added + parts], -2), 1)

    def fuse_both(self, gated: Tensor, guide: Tensor) -> Fused:
        """Fuse gated frames (… t d) with a text or motion (… d), and return both (SF)."""
        mixed: Tensor = self.transformer(self._tokens(gated, guide))
        return Fused(guide, mixed[..., 1:, :], mixed[..., 0, :])

    def _tokens(self, gated: Tensor, guide: Tensor) -> Tensor:
        """Return the transformer's tokens: (… t d), (… d) → (… 1+t d)."""
        token = guide[..., None, :]
        return torch.cat([token, self._shift(token) + gated], -2)

    def _shift(self, token: Tensor) -> Tensor:
        """Return what a text or motion adds to each frame."""
        shift: Tensor = self.guide_weight * self.text_gate(token) * token
        return shift


class HSMR(nn.Module):
    """Motion regulariser: frames that are fused with their motion must keep that motion.

    Args:
        width: Length d of the vectors.
        motion: Extraction of the motion, see ``ClipSpmOptions``.
    """

    def __init__(self, width: int, motion: Motion) -> None:
        super().__init__()
        self.extraction = motion
        self.first = nn.Conv1d(width, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, padding=1)

    def motion(self, frames: Tensor) -> Tensor:
        """Return the mean over time of ½[(Φ(V)_{τ+1} − V_τ) + (Φ(V)_τ − V_{τ+1})] (MFE).

        Args:
            frames: (… t d).

        Returns:
            (… d).
        """
        hidden = self.first(frames.reshape(-1, *frames.shape[-2:]).mT)  # (r d t)
        if self.extraction == "nonlinear":
            hidden = functional.gelu(hidden)
        expected = self.second(hidden).mT.reshape(frames.shape)  # Φ(V)
        forward = expected[..., 1:, :] - frames[..., :-1, :]
        backward = expected[..., :-1, :] - frames[..., 1:, :]
        changes: Tensor = forward - backward if self.extraction == "ordered" else forward + backward
        return changes.sum(-2) / (2 * max(1, changes.shape[-2]))

    def forward(self, frames: Tensor, spm: SPM) -> Tensor:
        """Return the loss L_mo of each video: (… t d) → (…)."""
        fused = spm.fuse_both(spm.gated(frames), self.motion(frames))
        loss: Tensor = (self.motion(fused.frames) - fused.token).square().sum(-1)
        return loss


@dataclass(frozen=True)
class Refined:
    """Result of PADM for e episodes; an inductive query is an episode by itself.

    Args:
        query: Queries V' (e q t d).
        support: Support videos S' (e s t d).
        prototypes: Means P' (e n t d) of the support videos of each class.
        anchors: Class anchors A' (e n t d).
        global_anchor: Global anchor g' (e 1 t d), or one for each query (e q t d).
    """

    query: Tensor
    support: Tensor
    prototypes: Tensor
    anchors: Tensor
    global_anchor: Tensor


class PADM(nn.Module):
    """Refinement of prototypes and queries around anchors, by attention across videos per frame.

    Args:
        width: Length d of the vectors.
        heads: Heads of the transformer.
        head_width: Width of each head.
        hidden: Hidden width of its feed-forward layers.
    """

    def __init__(self, width: int, *, heads: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.transformer = Transformer(width, heads=heads, head_width=head_width, hidden=hidden)

    def anchors(self, support: Tensor, member: Tensor, query: Tensor | None) -> Tensor:
        """Return the mean (b n t d) of each class's support videos, and of all queries if passed.

        Args:
            support: Fused support videos (b s t d).
            member: (b n s), 1 where a video belongs to a class.
            query: Fused queries (b q t d).
        """
        total, number = torch.einsum("bns,bstd->bntd", member, support), member.sum(-1)
        if query is not None:
            total, number = total + query.sum(1, keepdim=True), number + query.shape[1]
        return total / number[..., None, None]

    def together(
        self, support: Tensor, member: Tensor, query: Tensor, anchors: Tensor, *, attend: bool
    ) -> Refined:
        """Refine all queries of an episode around the same anchors.

        Args:
            support: Fused support videos (b s t d).
            member: (b n s), 1 where a video belongs to a class.
            query: Fused queries (b q t d).
            anchors: Class anchors (b n t d).
            attend: Whether queries attend to each other, or only to the global anchor.
        """
        global_anchor = anchors.mean(1, keepdim=True)  # (b 1 t d)
        classes = self._across(torch.cat([anchors, support], 1))
        if attend:
            queries = self._across(torch.cat([global_anchor, query], 1))  # (b 1+q t d)
            global_anchor, query = queries[:, :1], queries[:, 1:]
        else:
            pairs = torch.stack([global_anchor.expand_as(query), query], -2)  # (b q t 2 d)
            global_anchor, query = self.transformer(pairs).unbind(-2)
        return _refined(classes, member, query, global_anchor)

    def each_alone(self, support: Tensor, member: Tensor, query: Tensor) -> Refined:
        """Refine each query as the only one of its episode; shared parts are computed once.

        Args:
            support: Fused support videos (b s t d).
            member: (b n s), 1 where a video belongs to a class.
            query: Fused queries (b q t d).

        Returns:
            Result for b·q episodes.
        """
        projector = Projector(self.transformer)
        return self.each_projected(
            projector, projector.project(support.transpose(1, 2)), member, query
        )

    def each_projected(
        self, projector: Projector, support: Projections, member: Tensor, query: Tensor
    ) -> Refined:
        """As ``each_alone``, with the projections (b t s …) of the support videos."""
        b, _, s = member.shape
        ones = member.new_ones(*member.shape[:2], 1)
        anchors = torch.cat([member, ones], -1) / (member.sum(-1, keepdim=True) + 1)  # (b n s+1)
        unit = torch.eye(s + 1, dtype=member.dtype, device=member.device).expand(b, -1, -1)
        mixtures = Mixtures(projector, support, projector.project(query.transpose(1, 2)))
        classes = mixtures.transform(torch.cat([anchors, unit[:, :s]], 1))  # (b t q n+s d)
        queries = mixtures.transform(torch.cat([anchors.mean(1, keepdim=True), unit[:, s:]], 1))
        classes, queries = (x.permute(0, 2, 3, 1, 4).flatten(0, 1) for x in (classes, queries))
        global_anchor, alone = queries.split(1, 1)  # each (b·q 1 t d)
        return _refined(classes, member.repeat_interleave(query.shape[1], 0), alone, global_anchor)

    def _across(self, videos: Tensor) -> Tensor:
        """Apply the transformer across videos, for each frame: (b m t d) → (b m t d)."""
        attended: Tensor = self.transformer(videos.transpose(1, 2))
        return attended.transpose(1, 2)


def _refined(classes: Tensor, member: Tensor, query: Tensor, global_anchor: Tensor) -> Refined:
    """Build the result from anchors and support in one tensor (e n+s t d)."""
    anchors, support = classes.split(list(member.shape[1:]), 1)
    mean = member / member.sum(-1, keepdim=True)
    prototypes = torch.einsum("ens,estd->entd", mean, support)
    return Refined(query, support, prototypes, anchors, global_anchor)
