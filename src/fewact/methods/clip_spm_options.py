"""Options of ``clip_spm``, with the values of its public run script for each dataset."""

from dataclasses import asdict
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from pydantic.dataclasses import dataclass

from fewact.methods.clip_spm_parts import Motion, Prompt
from fewact.methods.common.effects import Effect, refuse_without_effect

Preset = Literal["hmdb51", "ucf101", "kinetics100", "ssv2-small", "ssv2-full"]
Protocol = Literal["inductive", "joint", "support_anchors", "support_anchors_inductive"]
Part = Literal["hsmr", "spm", "padm"]


@plain_dataclass(frozen=True)
class Tuned:
    """Hyper-parameters that the public run script sets for each dataset.

    Args:
        guide_weight: α, weight of a text or motion that is added to the frames.
        consistency_weight: w_c, weight of the queries in the consistency loss.
        text_loss_weight: w_t, weight of the queries in the text loss, of 0.5 in total.
        text_gate: r_t, hidden width of the gate of texts, relative to the vectors' length.
        frame_gate: r_v, hidden width of the gate of frames, relative to the vectors' length.
        slope: δ, negative slope of the gates' leaky ReLU.
    """

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


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
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
    consistency_weight: Annotated[float, Field(ge=0, le=1)] | None = None
    text_loss_weight: Annotated[float, Field(ge=0, le=0.5)] | None = None
    text_gate: PositiveFloat | None = None
    frame_gate: PositiveFloat | None = None
    slope: NonNegativeFloat | None = None
    protocol: Protocol = "inductive"
    losses: Literal["released", "paper"] = "released"
    motion: Motion = "linear"
    prompt: Prompt = "scalar"
    mean_text: Literal["support", "all"] = "support"
    motion_weight: NonNegativeFloat = 1.0
    without: Annotated[tuple[Part, ...], BeforeValidator(_parts)] = ()
    learn_motion_weight: bool = False
    smoothing: NonNegativeFloat = 0.5
    eps: NonNegativeFloat = 0.01
    heads: PositiveInt = 8
    head_width: PositiveInt = 256
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        motion = "hsmr" not in self.without
        text = "spm" not in self.without
        paper = text and self.losses == "paper"
        without, losses = f"without={','.join(self.without)}", f"losses={self.losses}"
        effects = (
            Effect("motion", motion, without, "another value of without"),
            Effect("motion_weight", motion, without, "another value of without"),
            Effect("learn_motion_weight", motion, without, "another value of without"),
            Effect("prompt", text, without, "another value of without"),
            Effect("mean_text", text, without, "another value of without"),
            Effect("losses", text, without, "another value of without"),
            Effect("text_loss_weight", paper, losses if text else without, "losses paper"),
            Effect("consistency_weight", paper, losses if text else without, "losses paper"),
        )
        refuse_without_effect(self, effects)

    @property
    def tuned(self) -> Tuned:
        """Values of the preset, replaced by options that were set."""
        preset = asdict(PRESETS[self.preset])
        own = {name: getattr(self, name) for name in preset}
        return Tuned(**{**preset, **{k: v for k, v in own.items() if v is not None}})
