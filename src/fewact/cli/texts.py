"""Options for methods that use class names: text encoder and prompts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from fewact.cli.option_groups import OptionGroup
from fewact.core.errors import OptionError

if TYPE_CHECKING:
    from fewact.backbones import TextSpec


@dataclass(frozen=True, kw_only=True)
class TextOptions(OptionGroup):
    """Text encoder and prompts; None means that nothing was requested."""

    heading: ClassVar[str] = "Class names (for methods that use text)"

    text_encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Text encoder: backbone (the encoder in its weights), minilm, clip or siglip "
            "(default: backbone).",
        ),
    ] = None
    text_weights: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Weights of the text encoder (default: those of the backbone).",
        ),
    ] = None
    prompts: Annotated[
        str | None,
        typer.Option(
            metavar="TEMPLATES",
            help="Templates for class names: clip-fsar, clip-spm, name, a template with {}, or a "
            ".txt file with one template on each line (default: those of the method).",
        ),
    ] = None

    @property
    def requested(self) -> dict[str, str]:
        """Options that were requested, by the names of ``TextSpec``."""
        values = {
            "encoder": self.text_encoder,
            "weights": self.text_weights,
            "prompts": self.prompts,
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def spec(self) -> "TextSpec":
        """The requested text encoder and prompts."""
        from fewact.backbones import TextSpec

        return TextSpec(**self.requested)

    def refuse(self) -> None:
        """Refuse the requested options, for a method that does not use class names.

        Raises:
            OptionError: An option was requested.
        """
        from fewact.evaluation.command import flag_of

        for name, value in self.requested.items():
            where = flag_of("text", name)
            raise OptionError("the method does not use class names", where=where, got=value)
