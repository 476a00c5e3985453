"""Arithmetic in int8: weights that are rounded when they are read, and processors that are exact.

Activations have eight bits without a sign, weights eight bits with one, a scale for each output
channel and the zero point 0. The scales of activations are part of a graph.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

LARGEST = 127
PROBE = Path(__file__).parent / "packaged" / "products-of-int8.onnx"


def rounded(tensors: Mapping[str, Tensor], scales: Mapping[str, float]) -> dict[str, Tensor]:
    """Return the weights of a graph in int8 under their names in it.

    Weights w (c …) of a layer become round(w / s) with s = max |w| / 127 for each of the c output
    channels, its biases round(b / (s a)) as int32, where a is the scale of the layer's input.

    Args:
        tensors: Weights in float32: ``NAME.weight`` and ``NAME.bias`` of each layer.
        scales: Scale of the input by the layer's name.
    """
    found: dict[str, Tensor] = {}
    for layer, scale_in in scales.items():
        weight, bias = (tensors[f"{layer}.{one}"].double() for one in ("weight", "bias"))
        scale = weight.flatten(1).abs().amax(1) / LARGEST  # (c)
        scale = torch.where(scale > 0, scale, 1.0).float()
        shape = (-1,) + (1,) * (weight.dim() - 1)
        most = torch.iinfo(torch.int32).max
        scale_bias = scale * scale_in
        found |= {
            f"{layer}.weight_quantized": (weight / scale.view(shape)).round().to(torch.int8),
            f"{layer}.weight_scale": scale,
            f"{layer}.weight_zero_point": torch.zeros(len(scale), dtype=torch.int8),
            f"{layer}.bias_quantized": (bias / scale_bias)
            .round()
            .clamp(-most, most)
            .to(torch.int32),
            f"{layer}.bias_quantized_scale": scale_bias,
            f"{layer}.bias_quantized_zero_point": torch.zeros(len(scale), dtype=torch.int32),
        }
    return found


def saturates() -> bool:
    """Return whether ONNX Runtime's sums of products of eight-bit numbers saturate here.

    x86 processors without VNNI add two products in 16 bits, so that features would be others.
    """
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        PROBE.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    size = 64
    left = np.full((size, size), 255, np.uint8)
    right = np.full((size, size), LARGEST, np.int8)
    (found,) = session.run(None, {"left": left, "right": right})
    return bool((found != 255 * LARGEST * size).any())
