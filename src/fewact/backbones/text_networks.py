"""The networks of text encoders, each with the pooling that it was trained with."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from fewact.backbones import openai
from fewact.backbones.clip import FAMILIES, half
from fewact.backbones.hf import check_model_type, configure, of_transformers, quiet
from fewact.backbones.tokenizer import Tokenizer, read_tokenizer
from fewact.backbones.weights import Weights


class TextNetwork(nn.Module, ABC):
    """The network of a text encoder: tokens to a vector a prompt.

    Args:
        weights: Describe it; ``rename`` says which of them are put into it.
    """

    config: Any
    width: int

    @abstractmethod
    def __init__(self, weights: Weights) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Vectors (n d) of tokens (n m); ``real`` (n m) is 1 for those that are no padding."""

    @abstractmethod
    def read_tokenizer(self, folder: Path) -> Tokenizer:
        """The tokenizer of a folder, checked against the network."""

    @classmethod
    @abstractmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those tensors of any layout that the network reads, under its own names."""


class ClipText(TextNetwork):
    """CLIP's text transformer with its projection, from transformers' or OpenAI's layout."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        found = check_model_type(weights, ("clip", "metaclip_2"))
        family = FAMILIES.get(found, "CLIP")
        self.config = half(family, "text", weights) if found else self._without_config(weights)
        self.width = self.config.projection_dim
        with quiet():
            self.text_model = of_transformers(f"{family}TextModel")(self.config)
        self.text_projection = nn.Linear(self.config.hidden_size, self.width, bias=False)
        # CLIP's needs no file that names its class, which OpenAI's layout does not have.
        self.tokenizer_kind = "CLIPTokenizer" if family == "CLIP" else "AutoTokenizer"

    @staticmethod
    def _without_config(weights: Weights) -> Any:
        try:
            facts = openai.text_facts(weights)
        except KeyError:
            facts = {}  # What is missing is told when they are loaded.
        return configure("CLIPTextConfig", facts, where=weights.source)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """The projected state of each prompt's end (n d), which sees nothing after it."""
        vectors: Tensor = self.text_projection(self.text_model(input_ids=tokens).pooler_output)
        return vectors

    def read_tokenizer(self, folder: Path) -> Tokenizer:
        """CLIP's byte pairs, whose vocabulary and tokens of a sentence are known."""
        return read_tokenizer(
            folder,
            kind=self.tokenizer_kind,
            vocabulary=self.config.vocab_size,
            longest=self.config.max_position_embeddings,
        )

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The text half's tensors, of either layout, under transformers' names."""
        return _beginning(openai.rename(tensors), "text_model.", "text_projection.")


class SiglipText(TextNetwork):
    """SigLIP's text transformer, from transformers' layout."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        check_model_type(weights, ("siglip",))
        facts = weights.config.get("text_config") or {}
        self.config = configure("SiglipTextConfig", facts, where=weights.source)
        self.width = self.config.projection_size
        with quiet():
            self.text_model = of_transformers("SiglipTextModel")(self.config)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """The state of the last place (n d), padding or not: so it was trained."""
        vectors: Tensor = self.text_model(input_ids=tokens).pooler_output
        return vectors

    def read_tokenizer(self, folder: Path) -> Tokenizer:
        """Always padded to the full length: so it was trained."""
        return read_tokenizer(
            folder,
            kind="AutoTokenizer",
            vocabulary=self.config.vocab_size,
            longest=self.config.max_position_embeddings,
            padding="max_length",
        )

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The text half's tensors."""
        return _beginning(tensors, "text_model.")


class SentenceText(TextNetwork):
    """A small BERT trained on pairs of sentences: the mean of its tokens' states, of length 1."""

    LONGEST: ClassVar[int] = 256

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        check_model_type(weights, ("bert",))
        self.config = configure("BertConfig", weights.config, where=weights.source)
        self.width = self.config.hidden_size
        with quiet():
            self.bert = of_transformers("BertModel")(self.config, add_pooling_layer=False)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """The unit mean of the states of what is no padding (n d)."""
        states = self.bert(input_ids=tokens, attention_mask=real).last_hidden_state  # (n m d)
        kept = real[..., None].to(states.dtype)  # (n m 1)
        return F.normalize((states * kept).sum(1) / kept.sum(1), dim=-1)

    def read_tokenizer(self, folder: Path) -> Tokenizer:
        """BERT's word pieces."""
        return read_tokenizer(
            folder, kind="AutoTokenizer", vocabulary=self.config.vocab_size, longest=self.LONGEST
        )

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All but the pooling layer, which is not used."""
        kept = _beginning(tensors, "embeddings.", "encoder.")
        return {f"bert.{name}": tensor for name, tensor in kept.items()}


def _beginning(tensors: Mapping[str, Tensor], *starts: str) -> dict[str, Tensor]:
    """Tensors whose names begin so; the places' numbers, of earlier transformers, are left out."""
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name.startswith(starts) and not name.endswith("embeddings.position_ids")
    }
