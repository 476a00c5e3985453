"""ResNet-50 against transformers' own, layer by layer, in both layouts of weights."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fewact.core.errors import WeightsError
from fewact.lab import networks as lab
from fewact.lab.networks.resnet import ResNet50
from fewact.lab.networks.torch_weights import as_arrays, tensors_of
from tests.refused import refused


def create(weights, **options):
    return lab.create("resnet50", weights=weights, device="cpu", precision="float32", **options)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """Folders of transformers' ResNet-50 with random weights, and the model."""
    pytest.importorskip("transformers", reason="the reference ResNet is that of transformers 5")
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    model = ResNetForImageClassification(ResNetConfig()).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1)
            torch.nn.init.normal_(module.bias, std=0.1)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    root = tmp_path_factory.mktemp("transformers")
    model.save_pretrained(root / "classifier")
    model.resnet.save_pretrained(root / "model")
    return root, model.resnet


@pytest.fixture(scope="module")
def images():
    return torch.randn(1, 3, 96, 80, generator=torch.Generator().manual_seed(1))


def layers(network: ResNet50, images: torch.Tensor) -> list[torch.Tensor]:
    """What the stem and each stage give."""
    seen: list[torch.Tensor] = []
    parts = (network.layer1, network.layer2, network.layer3, network.layer4)
    hooks = [network.layer1.register_forward_pre_hook(lambda _, args: seen.append(args[0]))]
    hooks += [part.register_forward_hook(lambda *call: seen.append(call[2])) for part in parts]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.slow
def test_each_layer_agrees_with_transformers_in_both_layouts(theirs, images, tmp_path):
    root, reference = theirs
    with torch.no_grad():
        expected = reference(images, output_hidden_states=True)
    sha256 = set()
    for name in ("model", "classifier"):
        made = create(f"local-dir:{root / name}", last_stride=2)
        sha256.add(made.card.weights_sha256)
        for got, right in zip(layers(made.network, images), expected.hidden_states, strict=True):
            torch.testing.assert_close(got, right, rtol=1e-4, atol=1e-4)
    pooled = expected.pooler_output.flatten(1)
    with torch.no_grad():
        vectors = made.network(images, ("vectors",))["vectors"]
    torch.testing.assert_close(vectors, pooled, rtol=1e-4, atol=1e-4)

    torchvision = {**tensors_of(made.network), "fc.weight": torch.zeros(10, 2048)}
    save_file(torchvision, tmp_path / "torchvision.safetensors")
    again = create(tmp_path / "torchvision.safetensors", last_stride=1)
    sha256.add(again.card.weights_sha256)
    assert len(sha256) == 1, "the layout of the file changes no weight"
    coarse, fine = (layers(b.network, images) for b in (made, again))
    for got, right in zip(fine[:4], coarse[:4], strict=True):
        assert torch.equal(got, right)
    assert [tuple(x[4].shape) for x in (coarse, fine)] == [(1, 2048, 3, 3), (1, 2048, 6, 5)]
    assert again.card.digest != made.card.digest


def test_the_names_of_transformers_are_recognised(theirs):
    root, _ = theirs
    tensors = load_file(root / "classifier" / "model.safetensors")
    renamed = ResNet50.rename(as_arrays(tensors))
    assert len(renamed) == len(tensors)
    kept = {"classifier.1.weight", "classifier.1.bias"}
    assert {name for name in tensors if name in renamed} == kept
    assert {"conv1.weight", "layer4.2.bn3.running_var", "layer1.0.downsample.0.weight"} <= set(
        renamed
    )


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"downsample_in_bottleneck": True}, "downsample_in_bottleneck = True"),
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu'"),
        ({"model_type": "regnet"}, "model_type = 'regnet'"),
    ],
)
def test_a_configuration_of_another_network_is_refused(tmp_path: Path, changes, got):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "resnet", **changes}))
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with refused(WeightsError, got=got):
        create(f"local-dir:{tmp_path}")


def test_both_layouts_in_one_file_are_refused(tmp_path):
    twice = {
        "conv1.weight": torch.zeros(1),
        "resnet.embedder.embedder.convolution.weight": torch.ones(1),
    }
    save_file(twice, tmp_path / "a.safetensors")
    with refused(WeightsError, where="a.safetensors", what="two names"):
        create(tmp_path / "a.safetensors")


def test_a_smaller_resnet_is_refused(tmp_path, random_backbone):
    network = random_backbone("resnet50", last_stride=2).network
    fewer = {n: t for n, t in tensors_of(network).items() if not n.startswith("layer3.5")}
    save_file(fewer, tmp_path / "a.safetensors")
    with refused(WeightsError, got="15 missing (layer3.5.bn1.bias"):
        create(tmp_path / "a.safetensors")
