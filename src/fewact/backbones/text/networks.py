"""Networks of text encoders, each with the pooling of its training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from fewact.backbones import openai
from fewact.backbones.clip import FAMILIES, half
from fewact.backbones.hf import check_model_type, configure, make_model
from fewact.backbones.text.tokenizer import Padding, Tokenizer, read_tokenizer
from fewact.backbones.weights import Weights


class TextNetwork(nn.Module, ABC):
    """Network of a text encoder: tokens to one vector for each prompt.

    Args:
        weights: Weights whose configuration describes the network.
    """

    config: Any
    width: int
    longest: int
    """Largest number of tokens of a prompt."""
    tokenizer_class: str = "AutoTokenizer"
    """Name of the tokenizer's class in transformers."""
    padding: ClassVar[Padding] = "longest"

    @abstractmethod
    def __init__(self, weights: Weights) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Return vectors (n d) of tokens (n m); ``real`` (n m) is 0 for padding, 1 elsewhere."""

    def read_tokenizer(self, folder: Path) -> Tokenizer:
        """Read the tokenizer of a folder and check that it fits the network."""
        return read_tokenizer(
            folder,
            tokenizer_class=self.tokenizer_class,
            vocabulary=self.config.vocab_size,
            longest=self.longest,
            padding=self.padding,
        )

    @classmethod
    @abstractmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors that the network needs, of any layout, under its own names."""


class ClipText(TextNetwork):
    """CLIP's text transformer with its projection, from transformers' or OpenAI's layout."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        found = check_model_type(weights, ("clip", "metaclip_2"))
        family = FAMILIES.get(found, "CLIP")
        self.config = half(family, "text", weights) if found else self._without_config(weights)
        self.width = self.config.projection_dim
        self.longest = self.config.max_position_embeddings
        self.text_model = make_model(f"{family}TextModel", self.config)
        self.text_projection = nn.Linear(self.config.hidden_size, self.width, bias=False)
        # CLIP's class is named here, since OpenAI's layout has no file that names it.
        self.tokenizer_class = "CLIPTokenizer" if family == "CLIP" else "AutoTokenizer"

    @staticmethod
    def _without_config(weights: Weights) -> Any:
        try:
            facts = openai.text_facts(weights)
        except KeyError:
            facts = {}  # Loading the weights reports what is missing.
        return configure("CLIPTextConfig", facts, where=weights.source)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Return the projected state of each prompt's last token (n d)."""
        vectors: Tensor = self.text_projection(self.text_model(input_ids=tokens).pooler_output)
        return vectors

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the text half's tensors, of either layout, under transformers' names."""
        return _beginning(openai.rename(tensors), "text_model.", "text_projection.")


class SiglipText(TextNetwork):
    """SigLIP's text transformer, from transformers' layout."""

    padding = "max_length"  # to the full length, as in training

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        check_model_type(weights, ("siglip",))
        facts = weights.config.get("text_config") or {}
        self.config = configure("SiglipTextConfig", facts, where=weights.source)
        self.width = self.config.projection_size
        self.longest = self.config.max_position_embeddings
        self.text_model = make_model("SiglipTextModel", self.config)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Return the state of the last position (n d), padding or not, as in training."""
        vectors: Tensor = self.text_model(input_ids=tokens).pooler_output
        return vectors

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the text half's tensors."""
        return _beginning(tensors, "text_model.")


class SentenceText(TextNetwork):
    """Small BERT trained on pairs of sentences; a vector is the unit mean of the tokens' states."""

    longest = 256

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        check_model_type(weights, ("bert",))
        self.config = configure("BertConfig", weights.config, where=weights.source)
        self.width = self.config.hidden_size
        self.bert = make_model("BertModel", self.config, add_pooling_layer=False)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Return the unit mean (n d) of the states of all tokens but padding."""
        states = self.bert(input_ids=tokens, attention_mask=real).last_hidden_state  # (n m d)
        kept = real[..., None].to(states.dtype)  # (n m 1)
        return F.normalize((states * kept).sum(1) / kept.sum(1), dim=-1)

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all tensors but those of the pooling layer, which is not used."""
        kept = _beginning(tensors, "embeddings.", "encoder.")
        return {f"bert.{name}": tensor for name, tensor in kept.items()}


def _beginning(tensors: Mapping[str, Tensor], *starts: str) -> dict[str, Tensor]:
    """Return tensors whose names begin so, without position ids of earlier transformers."""
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name.startswith(starts) and not name.endswith("embeddings.position_ids")
    }
