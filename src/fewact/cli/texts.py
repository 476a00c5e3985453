"""Class names on the command line, for methods that read them: their encoder and their prompts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.errors import OptionError

if TYPE_CHECKING:
    from fewact.backbones.card import Card
    from fewact.checkpoint import Checkpoint
    from fewact.data import VideoList
    from fewact.methods.base import Method
    from fewact.text import ClassTexts

TextEncoder = Annotated[
    str | None,
    typer.Option(
        help="For methods that read class names: backbone (the one in its weights, the usual one), "
        "minilm, clip or siglip."
    ),
]
TextWeights = Annotated[
    str | None, typer.Option(help="Of the text encoder, where they are not the backbone's.")
]
Prompts = Annotated[
    str | None,
    typer.Option(
        help="clip-fsar, clip-spm, name, a template with {}, or a .txt file with one on each line; "
        "the method's own by default."
    ),
]


@dataclass(frozen=True)
class TextOptions:
    """What was asked for; None where nothing was."""

    encoder: str | None
    weights: str | None
    prompts: str | None

    @property
    def given(self) -> dict[str, str]:
        """What was asked for."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def refuse(self, why: str) -> None:
        """Refuse what was asked for and has no meaning.

        Raises:
            OptionError: Something was.
        """
        options = {"encoder": "--text-encoder", "weights": "--text-weights", "prompts": "--prompts"}
        for name, value in self.given.items():
            raise OptionError(why, where=options[name], got=value)


def texts_for(
    methods: Sequence["Method"],
    trained: "Checkpoint | None",
    videos: "VideoList",
    card: "Card",
    asked: TextOptions,
    *,
    backbone_weights: str,
    device: str,
) -> "ClassTexts | None":
    """Embeddings of the names of ``videos.classes``; None where none of the methods reads them.

    Args:
        methods: All of one kind.
        trained: What they were read from; its text encoder is the usual one then.
        videos: Whose classes.
        card: Of the features.
        asked: On the command line.
        backbone_weights: Where those of the backbone are.
        device: Of the text encoder.
    """
    from fewact.methods.base import TextMethod

    reading = [one for one in methods if isinstance(one, TextMethod) and one.uses_text]
    if not reading:
        asked.refuse("the method reads no class names")
        return None
    from fewact.evaluation.texts import TextModel, read_prompts, text_model
    from fewact.text import templates

    needs = None if trained is None else trained.header.text
    fitted = None if needs is None else TextModel.fitted(needs)
    usual = templates(reading[0].prompts) if fitted is None else fitted.prompts
    prompts = usual if asked.prompts is None else read_prompts(asked.prompts)
    if fitted is not None and asked.encoder is None:
        model = TextModel(fitted.encoder, asked.weights or fitted.weights, prompts)
    else:
        model = text_model(asked.encoder, asked.weights, prompts, card.name, backbone_weights)
    return model.texts(videos, device=device)
