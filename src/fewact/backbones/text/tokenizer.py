"""Tokenizers of text encoders, read from the folder of the weights.

transformers builds a tokenizer without a vocabulary without an error: it maps every word to the
same token, so that all texts get equal embeddings. Tokenizers are therefore checked here.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from fewact.backbones.hf import INSTALL, of_transformers, quiet
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OptionError, WeightsError

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


@dataclass(frozen=True)
class Tokenizer:
    """Tokenizer of a text encoder.

    Args:
        implementation: Tokenizer of transformers.
        longest: Largest number of tokens that the network reads.
        padding: Padding of shorter prompts.
        digest: SHA-256 of its files.
    """

    implementation: Any
    longest: int
    padding: Padding
    digest: str

    def tokens(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the tokens of prompts (n m) int64, and a mask (n m) that is 0 for padding.

        Raises:
            OptionError: A prompt is too long.
        """
        with quiet():
            id_lists: list[list[int]] = self.implementation(list(prompts))["input_ids"]
        for prompt, ids in zip(prompts, id_lists, strict=True):
            if len(ids) > self.longest:
                raise OptionError(
                    "the prompt is too long for this text encoder",
                    where=repr(prompt[:40]),
                    got=f"{len(ids)} tokens",
                    expected=f"at most {self.longest}",
                )
        length = self.longest if self.padding == "max_length" else max(map(len, id_lists))
        tokens = torch.full((len(id_lists), length), self.implementation.pad_token_id or 0)  # (n m)
        real = torch.zeros_like(tokens)
        for row, ids in enumerate(id_lists):
            tokens[row, : len(ids)] = torch.tensor(ids)
            real[row, : len(ids)] = 1
        return tokens, real


def read_tokenizer(
    folder: Path,
    *,
    tokenizer_class: str,
    vocabulary: int,
    longest: int,
    padding: Padding,
) -> Tokenizer:
    """Read the tokenizer of a folder and check its vocabulary.

    Args:
        folder: Folder of its files.
        tokenizer_class: Name of its class in transformers.
        vocabulary: Number of tokens in the network's vocabulary.
        longest: Largest number of tokens that the network reads.
        padding: Padding of shorter prompts.

    Raises:
        WeightsError: Files are missing or cannot be read, or the tokenizer is of another network.
    """
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
    sha = hashlib.sha256()
    for name in present:
        sha.update(name.encode() + hashlib.sha256(FILE.content(folder / name)).digest())
    return Tokenizer(tokenizer, longest, padding, sha.hexdigest())


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
