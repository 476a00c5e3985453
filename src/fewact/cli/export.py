"""``fewact export`` and ``import``: the file of a model, its network as another."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.options import (
    Imports,
    Model,
    NewWeights,
    Overwrite,
    OverwriteModel,
    check_file,
    check_model_folder,
    check_output_files,
    missing_file,
)
from fewact.core.atomic import check_output_folder
from fewact.core.bounded import size_text
from fewact.core.errors import ModelError, OptionError
from fewact.core.extras import import_lab


def _check_exported(path: Path) -> Path:
    if not path.is_file():
        raise missing_file(path, ModelError, "fewact export MODEL --file FILE")
    return path


def export(
    model: Model,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="File to write: the model, as a .safetensors file.",
            callback=check_file,
        ),
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(
            "--onnx",
            metavar="FILE",
            help="File to write: its network, in the format ONNX.",
            callback=check_file,
        ),
    ] = None,
    overwrite: Overwrite = False,
    imports: Imports = None,
) -> None:
    """Export a model as one file, or its network as an ONNX file.

    The file is a copy of model.safetensors in the folder of the model. It can be used like the
    folder, and it is for `fewact import` and the page of `fewact serve`. It has what teaching
    saved, thumbnails included, but neither former versions nor the clips of the page.

    The ONNX file is for programs without fewact. It takes RGB frames and returns their features;
    its metadata say how frames are prepared. The comparison of clips is not exported.
    examples/onnx_encoder.py shows how to use the file.
    """
    if file is None and onnx is None:
        raise OptionError("nothing to export", expected="--file FILE or --onnx FILE")
    check_output_files(file, onnx, overwrite=overwrite)
    if file is not None:
        from fewact.classifier.file import copy_model

        copy_model(model, file)
        print(f"Saved to {file} ({size_text(os.path.getsize(file))})")
    if onnx is not None:
        _export_network(model, onnx)


def _export_network(model: Path, onnx: Path) -> None:
    from fewact import FewShotClassifier
    from fewact.classifier.file import read_header
    from fewact.features.precomputed import Precomputed

    exporting = import_lab("--onnx", "fewact.lab.networks.export")
    exporting.check_exported(read_header(model).backbone.spec.precision, str(model))
    backbone = FewShotClassifier.load(model, device="cpu", engine="torch").fitted_.backbone
    if isinstance(backbone, Precomputed):
        raise ModelError("the model uses precomputed features: it has no network", where=str(model))
    levels = exporting.export_encoder(backbone, onnx)
    height, width = backbone.card.input_size
    print(f"Input: frames (n, 3, {height}, {width}) uint8, RGB")
    print(f"Outputs: {', '.join(levels)}")
    print(f"Saved to {onnx} ({size_text(os.path.getsize(onnx))})")


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            help="File written by `fewact export --file`, or saved on the page of `fewact serve`.",
            callback=_check_exported,
        ),
    ],
    model: Annotated[Path, typer.Argument(help="Folder of the model; a new one is created.")],
    overwrite: OverwriteModel = False,
    weights: NewWeights = None,
    imports: Imports = None,
) -> None:
    """Make a model folder of the file of a model.

    The file is checked completely first, with the weights of its backbone. A model that is replaced
    is kept as a former version; `fewact undo` brings it back.
    """
    check_output_folder(model)
    check_model_folder(model, overwrite=overwrite)
    from fewact import FewShotClassifier
    from fewact.classifier.history import install

    install(file, model, lambda source: FewShotClassifier.load(source, "cpu", weights=weights))
    print(f"Saved to {model}. Next: fewact info {shlex.quote(str(model))}")
