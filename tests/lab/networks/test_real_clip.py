"""Real CLIP or SigLIP weights, which ``FEWACT_TEST_CLIP`` names: ``hf-hub:…`` or ``local-dir:…``.

They have never been at hand where fewact was written: this is what shows that they work.
"""

import os

import pytest
import torch

from fewact.lab import networks as lab
from fewact.lab.networks import TorchBackbone
from fewact.lab.networks.text import embed_classes, words
from fewact.networks.weights import folder_of, read
from fewact.video import Segments, read_frames

WEIGHTS = os.environ.get("FEWACT_TEST_CLIP", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not WEIGHTS, reason="FEWACT_TEST_CLIP names no weights of CLIP"),
]


@pytest.fixture(scope="module")
def backbone() -> TorchBackbone:
    name = "siglip" if read(WEIGHTS).config.get("model_type") == "siglip" else "clip-vit"
    return lab.create(name, weights=WEIGHTS, device="cpu", precision="float32")


def test_features_and_texts_are_those_of_transformers(backbone):
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModel.from_pretrained(folder_of(WEIGHTS)).eval()
    images = torch.randint(0, 256, (2, 3, *backbone.card.input_size), dtype=torch.uint8)
    got = backbone.tensors(images, ("vectors",))["vectors"]
    prompts = ["a photo of surfing", "a photo of someone who applies eye makeup"]
    tokens, _ = backbone.text.tokenizer.tokens(prompts)
    with torch.no_grad():
        seen = model.get_image_features(pixel_values=backbone.normalise(images)).pooler_output
        read = model.get_text_features(input_ids=tokens).pooler_output
    torch.testing.assert_close(got, seen, rtol=0, atol=1e-5 * float(seen.abs().max()))
    named = backbone.text.encode(prompts)
    torch.testing.assert_close(named, read, rtol=0, atol=1e-5 * float(read.abs().max()))


def test_class_names_alone_classify_most_real_clips(backbone, assets):
    classes = sorted(path for path in (assets / "clips" / "ucf7").iterdir() if path.is_dir())
    texts = embed_classes(backbone.text, [words(path.name) for path in classes]).embeddings
    right = []
    for number, path in enumerate(classes):
        for clip in sorted(path.glob("*.mp4"))[::10]:
            frames = torch.from_numpy(backbone.prepare(read_frames(clip, Segments(8))))
            vector = backbone.tensors(frames, ("vectors",))["vectors"].mean(0)
            right.append(int((texts @ vector).argmax()) == number)
    assert sum(right) > 0.7 * len(right), f"{sum(right)} of {len(right)}"
