"""``fewact convert``: a published checkpoint as one of fewact."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fewact.core.atomic import check_output_folder


def convert(
    file: Annotated[
        Path,
        typer.Argument(
            help="Checkpoint of CLIP-SPM's public code: .safetensors, or .pt with --sha256."
        ),
    ],
    benchmark: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Benchmark that it was trained on: hmdb51, ucf101, kinetics100, ssv2-small or "
            "ssv2-full.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the checkpoint."),
    ],
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="SHA-256 of the file, which a .pt file needs."),
    ] = None,
) -> None:
    """Convert a published checkpoint of CLIP-SPM to one of fewact.

    The image encoder and the method are converted; frames are then prepared as in the public code.
    CLIP's text encoder is not in the file: `fewact evaluate` gets it by --text-weights. A .pt file
    is read without running what is in it, and only if its hash is the one you pass.
    """
    check_output_folder(output)
    from fewact.training.published import convert

    found = convert(file, output, benchmark, sha256=sha256)
    print(f"{found.backbone.name}, {found.trained_on.name}")
    print(
        f"Saved to {output}. Next: fewact evaluate {shlex.quote(str(output))} "
        f"--data {found.trained_on.name} --text-encoder clip --text-weights WEIGHTS"
    )
