"""Layouts of the checkpoints that the public codes of methods save."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from fewact.core.errors import WeightsError
from fewact.lab.methods.clip_spm import PRESETS

NETWORK_OF_TENSOR = {
    "proj": "clip-vit-b16",
    "attnpool.c_proj.weight": "clip-rn50",
    "7.0.conv3.weight": "resnet50",
}
"""Backbone by a tensor of the image encoder that it alone has."""

RESNET_PARTS = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
"""Parts of torchvision's ResNet-50 by their positions in a list of its children."""

HEADS: Final = 8
"""Number of heads of each transformer of the public codes; no tensor shows it."""

UNSCALED_PIXELS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Mean and standard deviation of pixels that are only scaled to 0 … 1."""

EVEN_PIXELS = ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
"""Mean and standard deviation of the pixels in the settings of HyRSM and MoLo."""

CLIP_PIXELS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))

SELECTED = "its authors select on test episodes"
FIXED = "its authors test after a fixed number of episodes"


@dataclass(frozen=True)
class PublicCheckpoint:
    """Checkpoint of a public code.

    Args:
        source: Name and SHA-256 of its file.
        tensors: Weights by their names in the public code.
        settings: Settings of the training, where the file has them.
    """

    source: str
    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any]

    def size(self, name: str, axis: int) -> int:
        """Return a size of a tensor that the head of the public code has."""
        tensor = self.tensors.get(name)
        if tensor is None or tensor.ndim <= axis:
            got = f"no {name}" if tensor is None else f"{name} {tuple(tensor.shape)}"
            raise WeightsError(
                f"there is no head of {code_of(self).title}'s public code",
                where=self.source,
                got=got,
            )
        return tensor.shape[axis]

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting by its dotted name, such as ``TRAIN.HEAD``."""
        value: Any = self.settings
        for key in name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return default if value is None else value

    def part(self, prefixes: tuple[str, ...], *, of: bool = True) -> dict[str, Tensor]:
        """Return the tensors whose names begin so, without it; with ``of`` False, all others."""
        if not of:
            return {n: x for n, x in self.tensors.items() if not n.startswith(prefixes)}
        return {
            name.removeprefix(prefix): tensor
            for prefix in prefixes
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }

    @property
    def network(self) -> str:
        """Name of its image encoder.

        Raises:
            WeightsError: It has none that fewact knows.
        """
        encoder = self.part(ENCODER)
        network = next(
            (name for tensor, name in NETWORK_OF_TENSOR.items() if tensor in encoder), None
        )
        if network is None:
            raise WeightsError(
                f"there is no image encoder of {code_of(self).title}'s public code",
                where=self.source,
                got=", ".join(sorted(encoder or self.tensors)[-3:]),
                expected="ResNet-50, or CLIP's ViT-B/16 or ResNet-50",
            )
        return network

    def encoder(self) -> dict[str, Tensor]:
        """Return the image encoder under the names of torchvision or OpenAI."""
        encoder = self.part(ENCODER)
        if not any(name.startswith("7.") for name in encoder):
            return {f"visual.{name}": tensor for name, tensor in encoder.items()}
        split = ((*name.partition("."), tensor) for name, tensor in encoder.items())
        return {f"{RESNET_PARTS.get(stage, stage)}.{name}": x for stage, _, name, x in split}

    def head(self, layout: "Layout") -> dict[str, Tensor]:
        """Return the method's weights under the names of fewact, but for unused ones.

        Queries, keys and values, three layers of some codes, are one in fewact.
        """
        weights: dict[str, Tensor] = {}
        for name, tensor in self.part(ENCODER, of=False).items():
            if any(re.fullmatch(pattern, name) for pattern in layout.unused):
                continue
            layer, dot, parameter = name.rpartition(".")
            of_layer = f"{layout.names.get(layer, layer)}{dot}{parameter}"
            weights[layout.names.get(name, of_layer)] = tensor
        for name in {name.partition("#")[0] for name in weights if "#" in name}:
            parts = [weights.pop(f"{name}#{part}.weight", None) for part in "qkv"]
            projections = [part for part in parts if part is not None]
            if len(projections) == len(parts):
                weights[f"{name}.weight"] = torch.cat(projections)
        return weights


ENCODER = ("backbone.", "resnet.")
"""Prefixes of the image encoder's tensors."""


@dataclass(frozen=True)
class Layout:
    """How the head of a checkpoint is read.

    Args:
        options: Options of the method that shapes or settings show.
        names: Names in fewact of layers and tensors, by their names in the public code.
        unused: Patterns of tensors that are not needed: tables that are computed, layers that are
            never applied, and classifiers of the training classes.
        hidden: Options that neither shapes nor settings show; the recipe decides them.
        initial: Prefixes of the method's tensors that the public code does not save.
    """

    options: dict[str, Any]
    names: dict[str, str]
    unused: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    initial: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """Public code of a method.

    Args:
        method: Name of the method in fewact.
        title: Name of the method in messages.
        mark: Tensor by which its checkpoints are recognised.
        pixels: Mean and standard deviation that frames are normalised with.
        selection: How its authors select a checkpoint.
        layout: Reads the layout, for a checkpoint and the benchmark that it was trained on.
    """

    method: str
    title: str
    mark: str
    pixels: tuple[tuple[float, ...], tuple[float, ...]]
    selection: str
    layout: Callable[[PublicCheckpoint, str], Layout]


def renamed(theirs: str, ours: str, parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the names of the layers of a module under their new names."""
    return {f"{theirs}.{name}": f"{ours}.{new}" for name, new in parts}


TRANSFORMER_BLOCK = (
    *(("0.norm", "norm"), ("0.fn.to_qkv", "project"), ("0.fn.to_out.0", "out")),
    *((f"0.fn.to_{part}", f"project#{part}") for part in "qkv"),
    *(("1.net.0", "widen"), ("1.net.3", "narrow")),
)
"""Layers of the transformer block."""

TUPLES = (("k_linear", "keys"), ("v_linear", "values"), ("norm_k", "norm"))
"""Layers of TRX's attention between tuples."""


def trx(file: PublicCheckpoint, benchmark: str) -> Layout:
    """Return the layout of TRX."""
    first = "transformers.0"
    rows, width = (file.size(f"{first}.pe.pe", axis) for axis in (1, 2))
    numbers = sorted({n.split(".")[1] for n in file.tensors if n.startswith("transformers.")})
    sizes = {i: file.size(f"transformers.{i}.k_linear.weight", 1) // width for i in numbers}
    names = [renamed(f"transformers.{i}", f"attention.{n}", TUPLES) for i, n in sizes.items()]
    return Layout(
        {
            "frames": _tokens(rows),
            "vector_width": width,
            "cardinalities": tuple(sizes.values()),
            "key_width": file.size(f"{first}.k_linear.weight", 0),
        },
        {theirs: ours for part in names for theirs, ours in part.items()},
        unused=(r"transformers\.\d+\.(pe\.pe|norm_v\.\w+)",),
    )


def _tokens(rows: int) -> int:
    """Return the number of tokens for which the public code of TRX makes a table of positions."""
    return -(-2 * rows // 3)


def strm(file: PublicCheckpoint, benchmark: str) -> Layout:
    """Return the layout of STRM, which does not save the query–class projection."""
    width = file.size("attn_pat.pe.pe", 2)
    attention = (("query_proj", "queries"), ("key_proj", "keys"), ("value_conv", "values"))
    return Layout(
        {
            "frames": file.size("fr_enrich.Tok_MLP.inp_fc.weight", 0),
            "map_channels": width,
            "grid": round(_tokens(file.size("attn_pat.pe.pe", 1)) ** 0.5),
            "cardinality": file.size("transformers.0.k_linear.weight", 1) // width,
            "key_width": file.size("transformers.0.k_linear.weight", 0),
            "query_class": "frozen",
        },
        {
            **renamed("transformers.0", "attention", TUPLES),
            **renamed("attn_pat", "patch", attention),
            "attn_pat.gamma": "patch.gate",
            **{
                f"{theirs}.{name}": f"{ours}.{index}"
                for theirs, ours, layers in (
                    ("attn_pat.Bot_MLP", "patch.layers", ("inp_fc", "hid_fc", "out_fc")),
                    ("fr_enrich.Tok_MLP", "frame.time", ("inp_fc", "out_fc")),
                    ("fr_enrich.Bot_MLP", "frame.channels", ("inp_fc", "out_fc")),
                )
                for index, name in zip((0, 2, 4), layers, strict=False)
            },
        },
        unused=(r"(transformers\.0|attn_pat|fr_enrich)\.pe\.pe", r"transformers\.0\.norm_v\.\w+"),
        initial=("query_class.",),
    )


def team(file: PublicCheckpoint, benchmark: str) -> Layout:
    """Return the layout of TEAM."""
    return Layout(
        {
            "frames": _tokens(file.size("DPM.pe.pe", 1)),
            "vector_width": file.size("DPM.AP", 2),
            "tokens": file.size("DPM.AP", 1),
        },
        {
            **{"DPM.AP": "patterns", "DPM.ln": "norm"},
            **{"DPM.mlp.inp_fc": "mlp.0", "DPM.mlp.out_fc": "mlp.2"},
        },
        unused=(r"DPM\.pe\.pe",),
    )


def _positions(file: PublicCheckpoint) -> dict[str, float]:
    a, b = (file.setting(f"TRAIN.POSITION_{letter}") for letter in "AB")
    divisor, weight = (10.0, 1.0) if a is None or b is None else (float(a), float(b))
    return {"feature_divisor": divisor, "position_weight": weight}


def _with_settings(file: PublicCheckpoint, layout: Layout, options: dict[str, Any]) -> Layout:
    """Return a layout with options of the settings; without settings, their names are hidden."""
    if not file.settings:
        return replace(layout, hidden=tuple(options))
    return replace(layout, options=layout.options | options)


def _heads_and_frames(file: PublicCheckpoint) -> dict[str, int]:
    return {
        "frames": file.setting("DATA.NUM_INPUT_FRAMES", 8),
        "heads": file.setting("TRAIN.HEAD") or HEADS,
    }


def hyrsm(file: PublicCheckpoint, benchmark: str) -> Layout:
    """Return the layout of HyRSM, which is the same for its heads of one shot and of five."""
    inner = (
        *((f"w_{part}s", f"project#{part}") for part in "qkv"),
        *(("layer_norm", "norm"), ("fc", "out")),
    )
    intra = (("norm", "norm"), ("fn.to_qkv", "project"), ("fn.to_out.0", "out"))
    layout = Layout(
        {"vector_width": file.size("layer2.0.weight", 0)},
        {
            **renamed("temporal_atte_before", "intra", intra),
            **renamed("temporal_atte", "relation.inter", inner),
            "layer2.0": "relation.fuse",
        },
        unused=(r"pe\.pe", r"classification_layer\.\w+"),
    )
    five = str(file.setting("VIDEO.HEAD.NAME", "")).endswith("5shot")
    options = {
        **_heads_and_frames(file),
        "shot_aggregation": "prototype" if five else "mean",
        **_positions(file),
    }
    return _with_settings(file, layout, options)


def _bidirectional(file: PublicCheckpoint) -> None:
    if file.setting("TRAIN.SINGLE_DIRECT"):
        raise WeightsError(
            "the checkpoint matches in one direction alone",
            where=file.source,
            got="TRAIN.SINGLE_DIRECT",
            expected="both directions, as published",
        )


def molo(file: PublicCheckpoint, benchmark: str) -> Layout:
    """Return the layout of MoLo."""
    _bidirectional(file)
    channels = file.size("motion_up.weight", 0)
    names = {
        "class_token": "appearance.token",
        "class_token_motion": "motion.token",
        "scale": "appearance.contrast_scale",
        "scale_motion": "motion.contrast_scale",
        **renamed("temporal_atte_before.layers.0", "appearance.transformer", TRANSFORMER_BLOCK),
        **renamed("temporal_atte_before_motion.layers.0", "motion.transformer", TRANSFORMER_BLOCK),
        "motion_reduce": "differences.reduce",
        "motion_conv": "differences.convolve",
        "motion_up": "differences.restore",
        **{
            f"up{i}.conv.double_conv.{layer}": f"decoder.{4 * i - 3 + layer}"
            for i in (1, 2, 3)
            for layer in (0, 1)
        },
        "outc.conv": "decoder.12",
    }
    shown = {
        "map_channels": channels,
        "reduction": channels // file.size("motion_reduce.weight", 0),
        "hidden": file.size("temporal_atte_before.layers.0.1.net.0.weight", 0),
    }
    options = {
        **_heads_and_frames(file),
        **_positions(file),
        "motion_weight": file.setting("TRAIN.LOGIT_BALANCE_COFF") or 0.3,
    }
    # Fixed factors of the contrast, which only training needs, are not saved.
    unsaved = tuple(ours for theirs, ours in names.items() if "scale" in theirs)
    initial = () if "scale" in file.tensors else unsaved
    unused = (r"pe\.pe", r"classification_layer\.\w+")
    return _with_settings(file, Layout(shown, names, unused, initial=initial), options)


def clip_fsar(file: PublicCheckpoint, benchmark: str) -> Layout:
    """Return the layout of CLIP_PIXELS-FSAR."""
    _bidirectional(file)
    layout = Layout(
        {
            "vector_width": file.size("context2.layers.0.0.norm.weight", 0),
            "hidden": file.size("context2.layers.0.1.net.0.weight", 0),
        },
        {
            **renamed("context2.layers.0", "transformer", TRANSFORMER_BLOCK),
            "scale": "contrast_scale",
        },
    )
    mode = "combined" if file.setting("TRAIN.COMBINE") else "visual"
    mode = "text" if file.setting("TRAIN.EVAL_TEXT") else mode
    options: dict[str, Any] = {
        "frames": file.setting("DATA.NUM_INPUT_FRAMES", 8),
        "merge": "before" if file.setting("TRAIN.MERGE_BEFORE") else "after",
        "mode": mode,
    }
    if mode != "visual":
        options["text_temperature"] = None
    if mode == "combined":
        options["text_weight"] = file.setting("TRAIN.TEXT_COFF") or 0.9
    return _with_settings(file, layout, options)


def clip_spm(file: PublicCheckpoint, benchmark: str) -> Layout:
    """Return the layout of CLIP_PIXELS-SPM, whose gates' width differs between benchmarks."""
    names = {
        "mo_alpha1": "motion_weight",
        **{f"motion_conv{i}": f"hsmr.{name}" for i, name in ((1, "first"), (2, "second"))},
        **{
            f"gate_{side}.{layer}": f"spm.{ours}_gate.{name}"
            for side, ours in (("text", "text"), ("vision", "frame"))
            for layer, name in ((0, "first"), (2, "second"))
        },
        **{f"token_tr.mlp.net.{layer}": f"spm.prompter.{layer}" for layer in (0, 3)},
        **renamed("context1.layers.0", "padm.transformer", TRANSFORMER_BLOCK),
        **renamed("context2.layers.0", "spm.transformer", TRANSFORMER_BLOCK),
    }
    gate, width = (file.size("gate_text.0.weight", axis) for axis in (0, 1))
    fitting = [name for name, tuned in PRESETS.items() if int(tuned.text_gate * width) == gate]
    if fitting and benchmark not in fitting:
        raise WeightsError(
            "the gate of texts has the width of another benchmark",
            where=file.source,
            got=f"{benchmark}, width {gate}",
            expected=", ".join(fitting),
        )
    options = {
        "vector_width": width,
        "head_width": file.size("context2.layers.0.0.fn.to_q.weight", 0) // HEADS,
        "hidden": file.size("context2.layers.0.1.net.0.weight", 0),
        "heads": HEADS,
        "protocol": "joint",
    }
    return Layout(options, names, unused=("scale",))


CODES = (
    Code("clip_spm", "CLIP-SPM", "mo_alpha1", UNSCALED_PIXELS, SELECTED, clip_spm),
    Code("strm", "STRM", "attn_pat.gamma", UNSCALED_PIXELS, FIXED, strm),
    Code("trx", "TRX", "transformers.0.k_linear.weight", UNSCALED_PIXELS, FIXED, trx),
    Code("molo", "MoLo", "motion_reduce.weight", EVEN_PIXELS, SELECTED, molo),
    Code("team", "TEAM", "DPM.AP", EVEN_PIXELS, SELECTED, team),
    Code("hyrsm", "HyRSM", "layer2.0.weight", EVEN_PIXELS, SELECTED, hyrsm),
    Code(
        "clip_fsar",
        "CLIP-FSAR",
        "context2.layers.0.0.norm.weight",
        CLIP_PIXELS,
        SELECTED,
        clip_fsar,
    ),
)
"""Public codes, each recognised by its mark if no one before it is."""


def code_of(file: PublicCheckpoint) -> Code:
    """Return the public code of a checkpoint.

    Raises:
        WeightsError: The checkpoint is of none of them.
    """
    for code in CODES:
        if code.mark in file.tensors:
            return code
    raise WeightsError(
        "this is no checkpoint of a public code that can be converted",
        where=file.source,
        got=", ".join(sorted(file.part(ENCODER, of=False) or file.tensors)[:3]),
        expected=", ".join(f"{code.title} ({code.mark})" for code in CODES),
    )
