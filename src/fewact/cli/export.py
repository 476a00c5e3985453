"""``fewact export``: the network of a model as one ONNX file."""

import os
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.options import Model
from fewact.io.bounded import size_text
from fewact.io.outputs import check_output_file


def export(
    model: Model,
    onnx: Annotated[Path, typer.Option("--onnx", metavar="FILE", help="ONNX file to write.")],
) -> None:
    """Export the network of a model as an ONNX file, for programs without fewact.

    The file takes RGB frames and returns their features; its metadata say how frames are prepared.
    The comparison of clips is not exported. examples/onnx_encoder.py shows how to use the file.
    """
    check_output_file(onnx)
    from fewact import FewShotClassifier
    from fewact.backbones.engines.single_file import export_encoder
    from fewact.errors import ModelError
    from fewact.features.precomputed import Precomputed

    backbone = FewShotClassifier.load(model, device="cpu", engine="torch").backbone_
    if isinstance(backbone, Precomputed):
        raise ModelError("the model uses precomputed features: it has no network", where=str(model))
    levels = export_encoder(backbone, onnx)
    height, width = backbone.card.input_size
    print(f"Input: frames (n, 3, {height}, {width}) uint8, RGB")
    print(f"Outputs: {', '.join(levels)}")
    print(f"Saved to {onnx} ({size_text(os.path.getsize(onnx))})")
