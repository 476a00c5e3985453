"""Tiny models of transformers with random weights, and tokenizers for them."""

import json
from pathlib import Path
from typing import Any

import torch

VISION = {
    "hidden_size": 128,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "max_position_embeddings": 24,
}
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "</s>", "a", "photo", "of", "cat", "dogs", "two")
WORDS += ("were", "running", "surfing", "jumping")


def clip() -> Any:
    from transformers import CLIPConfig, CLIPModel

    letters = len(clip_vocabulary())
    text = {"vocab_size": letters, "bos_token_id": letters - 2, "eos_token_id": letters - 1}
    config = CLIPConfig(text_config={**TEXT, **text}, vision_config=VISION, projection_dim=24)
    return stirred(CLIPModel, config)


def metaclip() -> Any:
    from transformers import MetaClip2Config, MetaClip2Model

    text = {"vocab_size": len(WORDS), "bos_token_id": 2, "eos_token_id": 4, "pad_token_id": 0}
    config = MetaClip2Config(text_config={**TEXT, **text}, vision_config=VISION, projection_dim=24)
    return stirred(MetaClip2Model, config)


def siglip() -> Any:
    from transformers import SiglipConfig, SiglipModel

    text = {"vocab_size": len(WORDS), "bos_token_id": 2, "eos_token_id": 4, "pad_token_id": 0}
    text |= {"projection_size": VISION["hidden_size"]}
    config = SiglipConfig(text_config={**TEXT, **text}, vision_config=VISION)
    return stirred(SiglipModel, config)


def videomae() -> Any:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    config = VideoMAEConfig(**VISION, num_frames=16, tubelet_size=2, num_labels=3)
    return stirred(VideoMAEForVideoClassification, config)


def dinov2() -> Any:
    from transformers import Dinov2Config, Dinov2Model

    small = {name: value for name, value in VISION.items() if name != "intermediate_size"}
    return stirred(Dinov2Model, Dinov2Config(**{**small, "image_size": 48}, mlp_ratio=2))


def vjepa2() -> Any:
    from transformers import VJEPA2Config, VJEPA2ForVideoClassification

    small = {name: VISION[name] for name in ("hidden_size", "num_hidden_layers", "patch_size")}
    config = VJEPA2Config(
        **small,
        **{"num_attention_heads": 2, "crop_size": 32, "mlp_ratio": 2.0, "num_labels": 3},
        **{"num_pooler_layers": 1, "pred_hidden_size": 24, "pred_num_attention_heads": 1},
        pred_num_hidden_layers=1,
    )
    return stirred(VJEPA2ForVideoClassification, config)


def bert() -> Any:
    from transformers import BertConfig, BertModel

    return stirred(BertModel, BertConfig(**TEXT, vocab_size=len(WORDS)))


MODELS = {"clip-vit": clip, "siglip": siglip, "dinov2": dinov2}
MODELS |= {"videomae": videomae, "vjepa2": vjepa2}


def stirred(kind: Any, config: Any) -> Any:
    """A model none of whose tensors is as it is made, so that one left out shows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
    return model.eval()


def save(name: str, folder: Path) -> None:
    """Save a tiny model as transformers does, with a tokenizer and a preprocessor."""
    MODELS[name]().save_pretrained(folder)
    if name == "clip-vit":
        save_letters(folder)
    if name == "siglip":
        save_words(folder)
    if name == "dinov2":
        crop = {"crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 36}}
        folder.joinpath("preprocessor_config.json").write_text(json.dumps(crop))


def clip_vocabulary() -> dict[str, int]:
    """A vocabulary of letters for CLIP's tokenizer."""
    letters = [chr(number) for number in range(33, 127)]
    tokens = letters + [f"{letter}</w>" for letter in letters]
    return {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}


def known_vocabulary() -> tuple[dict[str, int], list[str]]:
    """A vocabulary as large as CLIP's, and merges, that read CLIP's known sentence as CLIP does."""
    words = {"a</w>": 320, "photo</w>": 1125, "of</w>": 539, "cat</w>": 2368}
    merges = ["p h", "ph o", "pho t", "phot o</w>", "o f</w>", "c a", "ca t</w>"]
    words |= {"<|startoftext|>": 49406, "<|endoftext|>": 49407}
    parts = [*"photofca", "o</w>", "f</w>", "t</w>", "ph", "pho", "phot", "ca"]
    rest = iter(number for number in range(49408) if number not in words.values())
    vocabulary = words | {part: next(rest) for part in dict.fromkeys(parts)}
    vocabulary |= {f"word{number}": number for number in rest}
    return vocabulary, merges


def save_letters(
    folder: Path, vocabulary: dict[str, int] | None = None, merges: list[str] | None = None
) -> None:
    """The two files of CLIP's tokenizer, as the hub has them."""
    folder.joinpath("vocab.json").write_text(json.dumps(vocabulary or clip_vocabulary()))
    folder.joinpath("merges.txt").write_text("\n".join(["#version: 0.2", *(merges or [])]) + "\n")


def save_words(folder: Path) -> None:
    """A tokenizer of whole words in one file."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", WORDS.index("</s>"))]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", eos_token="</s>"
    ).save_pretrained(folder)
