"""Options that several commands share."""

from typing import Annotated

import typer

Backbone = Annotated[str, typer.Option(help="Network for the features; see `fewact backbones`.")]
Weights = Annotated[
    str,
    typer.Option(
        help="Of the backbone: default, a .safetensors file, local-dir:FOLDER, hf-hub:OWNER/NAME."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
