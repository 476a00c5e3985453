"""CLIP-SPM: prototypes modulated by class texts, generated prompts, and anchors across videos.

Li et al., arXiv 2512.19036 (2025), as implemented by its public code. A motion loss regularises
training (HSMR). Each support video is fused with the text of its class, and each query with a
generated prompt (SPM). Then prototypes and queries are refined around anchors (PADM), and OTAM
compares them.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args

import torch
from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TextMethod, TrainingBatch, cross_entropy
from fewact.lab.methods.common.inputs import ClassText, frame_vectors, of_videos, seeded
from fewact.lab.methods.common.transformer import TOKENS_PER_CHUNK, Transformer
from fewact.methods.common.options import Only, options_dataclass
from fewact.methods.protocols import BankScorer
from fewact.networks.card import Card

Preset = Literal["hmdb51", "ucf101", "kinetics100", "ssv2-small", "ssv2-full"]
Protocol = Literal["inductive", "joint", "support_anchors", "support_anchors_inductive"]
Part = Literal["hsmr", "spm", "padm"]
Motion = Literal["linear", "nonlinear", "ordered"]
Prompt = Literal["scalar", "vector"]

NEEDS_MOTION = Only(
    "without", when=lambda parts: "hsmr" not in parts, needs="another value of without"
)
NEEDS_TEXT = Only(
    "without", when=lambda parts: "spm" not in parts, needs="another value of without"
)
NEEDS_LOSSES = Only("losses", "paper")


@dataclass(frozen=True)
class Tuned:
    """Values that the public run script sets for each dataset, of the options of these names."""

    guide_weight: float
    consistency_weight: float
    text_loss_weight: float
    text_gate: float
    frame_gate: float
    slope: float


PRESETS: dict[Preset, Tuned] = {
    "hmdb51": Tuned(0.2, 0.54, 0.07, 1.5, 0.5, 0.0025),
    "ucf101": Tuned(0.228, 0.221, 0.0295, 2, 2, 0.054),
    "kinetics100": Tuned(0.86, 0.62, 0.041, 1.5, 0.5, 0.042),
    "ssv2-small": Tuned(0.2, 0.54, 0.07, 1.5, 0.5, 0.0025),
    "ssv2-full": Tuned(0.353, 0.579, 0.49, 0.75, 0.5, 0.052),
}


def _parts(value: Any) -> Any:
    """Return parts once each, in the order of their definition; a text is one part, or none."""
    names = ((value,) if value else ()) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not set(names) <= set(get_args(Part)):
        return names
    return tuple(part for part in get_args(Part) if part in names)


@options_dataclass
class ClipSpmOptions:
    """Options of ``clip_spm``; it must be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings, if a learned projection must map them to the
            vectors' space.
        preset: Dataset whose published values are the defaults of the next six options.
        guide_weight: Weight α of a text or motion that is added to the frames.
        consistency_weight: Weight of the queries in the consistency loss.
        text_loss_weight: Weight of the queries in the text loss, of 0.5 in total.
        text_gate: Hidden width of the gate of texts, relative to the vectors' length.
        frame_gate: Hidden width of the gate of frames, relative to the vectors' length.
        slope: Negative slope of the gates' leaky ReLU.
        protocol: Use of the other queries: ``inductive`` scores each query as the only one of its
            episode; ``joint`` includes all queries in the anchors and lets them attend to each
            other, as published, which is transductive; ``support_anchors`` computes anchors from
            the support alone, but queries attend to each other; ``support_anchors_inductive``:
            they don't.
        losses: ``released``, the motion loss alone, as the public code runs; ``paper`` adds the
            text and consistency losses, which are commented out there.
        motion: Extraction of motion: ``linear``, as published, hardly depends on motion;
            ``nonlinear`` has a GELU between the convolutions; ``ordered`` subtracts backward from
            forward differences, which leaves the change between the two ends of the video.
        prompt: Input of a generated prompt: ``scalar``, the mean of all features of the video, as
            published; ``vector``, the mean frame.
        mean_text: Texts whose mean generates the prompts: ``support``; or ``all``, which adds the
            true texts of the queries in training, as the public code does. Scoring has no true
            texts of queries.
        motion_weight: Weight μ of the motion loss among the regularisers.
        without: Parts that are left out, for ablations: ``hsmr``, the motion loss; ``spm``, the
            fusion with texts, so that none are needed; ``padm``, the refinement. Without all
            three, what remains is the ordered alignment of plain frames, with nothing to train but
            the backbone.
        learn_motion_weight: Train μ, as in the public code, where it can only shrink.
        smoothing: λ of the ordered alignment.
        eps: ε added to the product of the norms in the cosine of two frames.
        heads: Heads of each transformer.
        head_width: Width of each head, for any length of the vectors.
        hidden: Hidden width of the transformers' feed-forward layers and of the prompt generator.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    preset: Preset = "ssv2-small"
    guide_weight: NonNegativeFloat | None = None
    consistency_weight: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None, NEEDS_TEXT, NEEDS_LOSSES
    ] = None
    text_loss_weight: Annotated[
        Annotated[float, Field(ge=0, le=0.5)] | None, NEEDS_TEXT, NEEDS_LOSSES
    ] = None
    text_gate: PositiveFloat | None = None
    frame_gate: PositiveFloat | None = None
    slope: NonNegativeFloat | None = None
    protocol: Protocol = "inductive"
    losses: Annotated[Literal["released", "paper"], NEEDS_TEXT] = "released"
    motion: Annotated[Motion, NEEDS_MOTION] = "linear"
    prompt: Annotated[Prompt, NEEDS_TEXT] = "scalar"
    mean_text: Annotated[Literal["support", "all"], NEEDS_TEXT] = "support"
    motion_weight: Annotated[NonNegativeFloat, NEEDS_MOTION] = 1.0
    without: Annotated[tuple[Part, ...], BeforeValidator(_parts)] = ()
    learn_motion_weight: Annotated[bool, NEEDS_MOTION] = False
    smoothing: NonNegativeFloat = 0.5
    eps: NonNegativeFloat = 0.01
    heads: PositiveInt = 8
    head_width: PositiveInt = 256
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0

    @property
    def tuned(self) -> Tuned:
        """Values of the preset, replaced by options that were set."""
        preset = asdict(PRESETS[self.preset])
        options = {name: getattr(self, name) for name in preset}
        return Tuned(**{**preset, **{k: v for k, v in options.items() if v is not None}})


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

    def project(self, vectors: Tensor) -> Nodes:
        """Return what the block computes from vectors (… d) before they are mixed.

        Returns:
            ``named``: the vectors; ``query`` and ``key`` (… h e) of the scaled, centred vectors;
            ``value`` (… h d), after the output layer of each head; with ``fold`` (… h+1 d+f), each
            row followed by its product with W₁, and the vector with all shifts as the last row.
        """
        block = self.block
        parts = block.linear_part(vectors).unflatten(-1, (3, block.heads, -1))
        query, key, value = parts.unbind(-3)
        value = torch.einsum("...he,che->...hc", value, self._leave)
        if self._fold:
            if not self._many:
                value = torch.cat([value, functional.linear(value, block.widen.weight)], -1)
            itself = torch.cat([vectors, functional.linear(vectors, block.widen.weight)], -1)
            value = torch.cat([value, (itself + self._shifts)[..., None, :]], -2)
        return {"named": vectors, "query": query, "key": key, "value": value}

    def sum(self, mixed: Tensor, mixing: Tensor, shared: Nodes, alone: Nodes) -> Tensor:
        """Return the block's output (b t q m d) for tokens that attend to mixtures.

        Args:
            mixed: (b t q m s+1 h), coefficients of the heads' values.
            mixing: (b 1 1 m s+1), coefficients of the tokens.
            shared: What ``project`` returns (b t s …).
            alone: The same of each query (b t q …).
        """
        if self._fold:
            return self._folded(mixed, mixing, shared, alone)
        tokens = (mixing[:, 0, :, :, :-1] @ shared["named"])[:, :, None]  # (b t 1 m d)
        tokens = tokens + mixing[..., -1:] * alone["named"][..., None, :]  # (b t q m d)
        attended = _of_shared(mixed, shared["value"]) + mixed[..., -1, :] @ alone["value"]
        return self.block.finish(tokens, attended + self._added)

    def _folded(self, mixed: Tensor, mixing: Tensor, shared: Nodes, alone: Nodes) -> Tensor:
        coefficients = torch.cat(
            [mixed, mixing[..., None].expand(*mixed.shape[:-1], 1)], -1
        )  # (… h+1)
        sums = _of_shared(coefficients, shared["value"])  # (b t q m d+f)
        rows = sums.flatten(0, 2)
        rows.baddbmm_(coefficients[..., -1, :].flatten(0, 2), alone["value"].flatten(0, 2))
        narrow = self.block.narrow.weight  # (d f)
        tokens, hidden = rows.flatten(0, 1).split(narrow.shape, -1)
        return torch.addmm(tokens, functional.gelu(hidden), narrow.T).view(*sums.shape[:4], -1)


class Mixtures:
    """The transformer block for tokens that are mixtures of a few vectors, most of them shared.

    When each of q queries attends alone to the same support videos, most of the attention is
    the same for all queries. A layer norm is x̃/σ⊙g + β with x̃ = x − mean(x), so queries, keys
    and values are linear in x except for σ. With tokens X = M·B, products with weights are
    computed for the vectors B only; a token needs sums with its coefficients M. With L the
    product of centred, scaled vectors with a weight and G = L_q(B)·L_k(B)ᵀ, the attention's
    logits are

        (M G Mᵀ)_ij / (σ_i σ_j √e) + (M L_k(B) q₀)_j / (σ_j √e),    q₀ = W_q β,

    up to terms that are equal for all j; values pass the output layer before they are summed.
    There is no norm before the feed-forward layers, so without dropout they pass the first of
    these as well (``fold``); then only the second is computed for each token.

    Args:
        projector: Products of the block.
        shared: Vectors (b t s …) in the mixtures of all queries of an episode.
        alone: One vector (b t q …) of each query.
    """

    def __init__(self, projector: Projector, shared: Nodes, alone: Nodes) -> None:
        self._projector, self._shared, self._own = projector, shared, alone
        self._gram = _products(
            shared["query"], alone["query"], shared["key"], alone["key"]
        )  # (b t q h s+1 s+1)
        centred = [
            (x["named"] - x["named"].mean(-1, keepdim=True))[..., None, :] for x in (shared, alone)
        ]
        self._lengths = _products(*centred, *centred).squeeze(3)  # (b t q s+1 s+1)
        ahead = torch.einsum("btshe,he->bths", shared["key"], projector.first)[:, :, None]
        ahead_own = torch.einsum("btqhe,he->btqh", alone["key"], projector.first)[..., None]
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


PROMPT_DROPOUT = 0.05


class Gate(nn.Module):
    """Gate g(z) = sigmoid(B₂·leaky(B₁·z))."""

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

    def fuse_both(self, gated: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse gated frames (… t d) with a text or motion (… d), and return both (SF)."""
        mixed: Tensor = self.transformer(self._tokens(gated, guide))
        return mixed[..., 1:, :], mixed[..., 0, :]

    def _tokens(self, gated: Tensor, guide: Tensor) -> Tensor:
        """Return the transformer's tokens: (… t d), (… d) → (… 1+t d)."""
        token = guide[..., None, :]
        return torch.cat([token, self._shift(token) + gated], -2)

    def _shift(self, token: Tensor) -> Tensor:
        shift: Tensor = self.guide_weight * self.text_gate(token) * token
        return shift


class HSMR(nn.Module):
    """Motion regulariser: frames that are fused with their motion must keep that motion."""

    def __init__(self, width: int, motion: Motion) -> None:
        super().__init__()
        self.extraction = motion
        self.first = nn.Conv1d(width, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, padding=1)

    def motion(self, frames: Tensor) -> Tensor:
        """Return the mean over time of ½[(Φ(V)_{τ+1} − V_τ) + (Φ(V)_τ − V_{τ+1})] (MFE)."""
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
        fused, token = spm.fuse_both(spm.gated(frames), self.motion(frames))
        loss: Tensor = (self.motion(fused) - token).square().sum(-1)
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
    """Refinement of prototypes and queries around anchors, by attention across videos per frame."""

    def __init__(self, width: int, *, heads: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.transformer = Transformer(width, heads=heads, head_width=head_width, hidden=hidden)

    def anchors(self, support: Tensor, member: Tensor, query: Tensor | None) -> Tensor:
        """Return the mean (b n t d) of each class's support videos and, if passed, all queries."""
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
        """Refine each query as the only one of its episode: the result is of b·q episodes."""
        projector = Projector(self.transformer)
        return self.each_projected(
            projector, projector.project(support.transpose(1, 2)), member, query
        )

    def each_projected(
        self, projector: Projector, support: Nodes, member: Tensor, query: Tensor
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


def logits_of_fused(
    padm: PADM | None, options: ClipSpmOptions, support: Tensor, member: Tensor, query: Tensor
) -> Tensor:
    """Return logits (b q n), a few episodes at a time."""
    q, t = query.shape[1:3]
    n, s = member.shape[1:]
    size = episodes_at_once(options, n, s, q, t)
    chunks = zip(support.split(size), member.split(size), query.split(size), strict=True)
    return torch.cat(
        [
            logits_of_refined(
                options, *chunk, None if padm is None else refine(padm, options, *chunk)
            )
            for chunk in chunks
        ]
    )


def episodes_at_once(options: ClipSpmOptions, n: int, s: int, q: int, t: int) -> int:
    """Return the number of episodes in a chunk: n classes, s videos, q queries of t frames."""
    tokens = t * (q * (n + s + 2) if options.protocol == "inductive" else n + s + q + 1)
    return max(1, TOKENS_PER_CHUNK // tokens)


def logits_of_refined(
    options: ClipSpmOptions,
    support: Tensor,
    member: Tensor,
    query: Tensor,
    refined: Refined | None,
) -> Tensor:
    """Return −(½·d₁ + d₂ + d₃): (b s t d), (b n s), (b q t d) → (b q n)."""
    mean = member / member.sum(-1, keepdim=True)
    first = distance(query, torch.einsum("bns,bstd->bntd", mean, support), options)
    if refined is None:
        return -first / 2
    second = distance(refined.query, refined.prototypes, options)  # (e q n)
    third = distance(refined.global_anchor, refined.anchors, options)  # (e 1 n) or (e q n)
    return -(first / 2 + (second + third).reshape(first.shape))


def refine(
    padm: PADM, options: ClipSpmOptions, support: Tensor, member: Tensor, query: Tensor
) -> Refined:
    """Refine fused videos by the option ``protocol``: (b s t d), (b n s), (b q t d)."""
    protocol = options.protocol
    if protocol == "inductive":
        return padm.each_alone(support, member, query)
    anchors = padm.anchors(support, member, query if protocol == "joint" else None)
    attend = protocol != "support_anchors_inductive"
    return padm.together(support, member, query, anchors, attend=attend)


def membership(labels: Tensor, n: int, like: Tensor) -> Tensor:
    """Return (b n s) of labels (b s): 1 where a video belongs to a class."""
    return functional.one_hot(labels, n).to(like).mT


def distance(query: Tensor, support: Tensor, options: ClipSpmOptions) -> Tensor:
    """Return the bidirectional alignment cost: (e q t d), (e n t d) → (e q n)."""
    cost = align.pairwise_cosine_cost(query, support, options.eps)
    return align.otam(cost, options.smoothing, plan=False).value


PROJECTED = ("named", "query", "key", "value")
"""Nodes of a support video for PADM, see ``Projector.project``."""


def scorer_of_projected(
    spm: SPM, padm: PADM, options: ClipSpmOptions, support: Nodes, query: Nodes
) -> BankScorer:
    """Return a scorer of inductive queries.

    Args:
        spm: Fusion with prompts.
        padm: Refinement.
        options: Options of the method.
        support: Support videos after ``with_text``: their texts, and what ``Projector.project``
            returns.
        query: Encoded queries: gated frames (w t d) and inputs of prompts (w …).
    """
    projector = Projector(padm.transformer, fold=True, premultiplied=True)
    parts = torch.stack([spm.transformer.linear_part(frames) for frames in query["gated"]])

    def chunk(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
        own_text = support["own_text"][rows]  # (b s d)
        prompts = spm.prompts(own_text.mean(1), query["summary"][queries])
        fused = spm.fuse_projected(query["gated"][queries], parts[queries], prompts)
        member, frames = membership(labels, n, own_text), support["named"][rows]
        times = torch.arange(frames.shape[2], device=rows.device)[:, None]
        shared = {name: support[name][rows[:, None], times] for name in PROJECTED}
        refined = padm.each_projected(projector, shared, member, fused)
        return logits_of_refined(options, frames, member, fused, refined)

    def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
        t = query["gated"].shape[1]
        size = episodes_at_once(options, n, rows.shape[1], queries.shape[1], t)
        parts = zip(rows.split(size), labels.split(size), queries.split(size), strict=True)
        return torch.cat([chunk(some, of, n, new) for some, of, new in parts])

    return score


REGULARISATION = 0.016
"""Weight of the regularisers relative to the summed cross-entropy of an episode's queries.

In each of the 16 episodes of a step, the public code adds 0.001 of the regularisers and 1/16 of
that sum.
"""


@dataclass(frozen=True)
class ClipSpmState:
    """Support of each episode.

    Args:
        frames: Support videos (b s t d), each fused with the text of its class.
        member: (b n s), 1 where a video belongs to a class.
        prompt: Mean text (b d), which generates the prompts of queries; None without SPM.
    """

    frames: Tensor
    member: Tensor
    prompt: Tensor | None


class ClipSpm(TextMethod[ClipSpmOptions, ClipSpmState]):
    """Prompt-guided semantic prototype modulation."""

    Options = ClipSpmOptions
    paper = "CLIP-SPM, 2025"
    trained = False
    scoring = frozenset(
        {"protocol", "losses", "consistency_weight", "text_loss_weight", "guide_weight"}
        | {"motion_weight", "learn_motion_weight", "mean_text", "smoothing", "eps"}
    )
    prompts = "clip-spm"

    def __init__(self, options: ClipSpmOptions) -> None:
        super().__init__(options)
        width, tuned, without = options.vector_width, options.tuned, options.without
        self.uses_text = "spm" not in without
        together = options.protocol in ("joint", "support_anchors")
        self.transductive = together and "padm" not in without
        sizes = {"heads": options.heads, "head_width": options.head_width, "hidden": options.hidden}
        with seeded(options.seed):
            text = ClassText(width, options.text_width)
            hsmr = HSMR(width, options.motion)
            self.spm = SPM(
                width,
                prompt=options.prompt,
                guide_weight=tuned.guide_weight,
                gates=(int(tuned.text_gate * width), int(tuned.frame_gate * width)),
                slope=tuned.slope,
                **sizes,
            )
            padm = PADM(width, **sizes)
        # Removed after construction, so that the other parts have the same initial weights.
        self.text = text if self.uses_text else None
        self.hsmr = None if "hsmr" in without else hsmr
        self.padm = None if "padm" in without else padm
        if not self.uses_text:
            self.spm.prompter = nn.Sequential()
        self.motion_weight = nn.Parameter(
            torch.tensor(options.motion_weight), requires_grad=options.learn_motion_weight
        )

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return gated frames (… t d) and the input (… 1) or (… d) of a prompt, or plain frames."""
        frames = self._frames(features)
        if self.text is None:
            return {"gated": frames}
        return {"gated": self.spm.gated(frames), "summary": self.spm.summary(frames)}

    def _frames(self, features: Features) -> Tensor:
        return frame_vectors(features, self.options.frames, self.options.vector_width)

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> ClipSpmState:
        """Return the support, fused with its texts."""
        frames = nodes["named" if "named" in nodes else "gated"]
        if self.text is None:
            return ClipSpmState(frames, membership(labels, n, frames), None)
        texts = of_videos(self.text(text, n, frames), labels)  # (b s d)
        if "named" not in nodes:
            frames = self.spm.fuse(frames, texts)
        return ClipSpmState(frames, membership(labels, n, frames), texts.mean(1))

    def with_text(self, nodes: Nodes, text: Tensor) -> Nodes:
        """Return frames (v t d) that are fused with their texts, and what PADM makes of them."""
        if self.text is None:
            return nodes
        gated = nodes["gated"]
        class_text = self.text(text[:, None], 1, gated)[:, 0]  # (v d)
        named = self.spm.fuse(gated, class_text)
        if self.padm is None or self.options.protocol != "inductive":
            return {"named": named}
        projector = Projector(self.padm.transformer, fold=True)
        return {"own_text": class_text, **projector.project(named)}

    def bank_scorer(self, support: Nodes, query: Nodes, comparisons: int = 0) -> BankScorer | None:
        """Return a scorer of queries alone, after ``with_text``."""
        if self.padm is None or "value" not in support:
            return None
        return scorer_of_projected(self.spm, self.padm, self.options, support, query)

    def score(self, state: ClipSpmState, nodes: Nodes) -> Tensor:
        """Return logits (b q n), see option ``protocol``."""
        query = nodes["gated"]
        if state.prompt is not None:
            prompts = self.spm.prompts(state.prompt, nodes["summary"])  # (b q d)
            query = self.spm.fuse(query, prompts)
        return self._logits(state, query)

    def _logits(self, state: ClipSpmState, query: Tensor) -> Tensor:
        return logits_of_fused(self.padm, self.options, state.frames, state.member, query)

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropy and the regularisers, weighted as in the public code."""
        state, fused, losses = self._fused(support, query, batch)
        if self.hsmr is not None:
            sides = [self.hsmr(self._frames(x), self.spm) for x in (batch.support, batch.query)]
            losses["motion"] = self.motion_weight * (sides[0].mean() + sides[1].mean())
        weight = REGULARISATION / batch.query_labels.shape[1]
        logits = self._logits(state, fused)  # (b q n)
        return {
            "cross_entropy": cross_entropy(logits, batch.query_labels),
            **{name: weight * loss for name, loss in losses.items()},
        }

    def _fused(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> tuple[ClipSpmState, Tensor, dict[str, Tensor]]:
        """Return the state, fused queries (b q t d), and the text and consistency losses."""
        gated, gated_query = support["gated"], query["gated"]
        member = membership(batch.support_labels, batch.n, gated)
        if self.text is None:
            return ClipSpmState(gated, member, None), gated_query, {}
        texts = self.text(batch.text, batch.n, gated)  # (b n d)
        support_text, query_text_by_label = (
            of_videos(texts, x) for x in (batch.support_labels, batch.query_labels)
        )
        mean = (
            support_text.mean(1)
            if self.options.mean_text == "support"
            else torch.cat([support_text, query_text_by_label], 1).mean(1)
        )
        prompts = self.spm.prompts(mean, query["summary"])
        named = self.spm.fuse_both(gated, support_text)
        prompted = self.spm.fuse_both(gated_query, prompts)
        state = ClipSpmState(named[0], member, mean)
        if self.options.losses == "released":
            return state, prompted[0], {}
        support_prompts = self.spm.prompts(mean, support["summary"])
        generated = self.spm.fuse_both(gated, support_prompts)
        query_named = self.spm.fuse_both(gated_query, query_text_by_label)
        of_query, query_both = gaps(query_text_by_label, prompts, query_named, prompted)
        of_support, support_both = gaps(support_text, support_prompts, named, generated)
        tuned = self.options.tuned
        text, consistency = tuned.text_loss_weight, tuned.consistency_weight
        losses = {
            "text": text * of_query + (0.5 - text) * of_support,
            "consistency": consistency * query_both + (1 - consistency) * support_both,
        }
        return state, prompted[0], losses


def gaps(
    text: Tensor, prompt: Tensor, named: tuple[Tensor, Tensor], prompted: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return mean squared distances between videos fused with a text and with a prompt.

    Args:
        text: Text (b v d).
        prompt: Prompt (b v d).
        named: Frames (b v t d) and text (b v d) after the fusion.
        prompted: Frames and prompt after the fusion.

    Returns:
        Distance of the texts before plus after the fusion; distance of texts after the fusion
        plus frames.
    """
    pairs = ((text, prompt), (named[1], prompted[1]), (named[0], prompted[0]))
    guides, tokens, frames = (
        (first - second).square().flatten(2).sum(-1).mean() for first, second in pairs
    )
    return guides + tokens, tokens + frames
