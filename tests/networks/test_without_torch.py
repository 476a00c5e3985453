"""The networks that come with fewact, where PyTorch is not installed."""

import subprocess
import sys

BLOCKED = """
import sys

sys.modules |= dict.fromkeys(("torch", "transformers", "onnx"))
"""

FEATURES = """
import numpy as np
from fewact import networks
from fewact.core.errors import ExtraError

for name in ("auto", *networks.names()):
    assert networks.describe(name).vectors
networks.BackboneSpec(name="clip-vit-b16", precision="bfloat16").check()
networks.TextSpec()
frames = np.random.default_rng(0).integers(0, 256, (2, 120, 90, 3), np.uint8)
for options in (
    {"name": "auto", "size": 160},
    {"name": "auto"},
    {"name": "efficientnet-lite0-lite1"},
    {"name": "mobilenet-v2", "weights": "random"},
):
    backbone = networks.create(**options)
    found = backbone.features(backbone.prepare(frames), ("shallow", "middle", "maps", "vectors"))
    assert all(np.isfinite(values).all() for values in found.values())
for options in (
    {"name": "resnet50", "weights": "random"},
    {"engine": "torch"},
    {"precision": "bfloat16"},
):
    try:
        networks.create(**options)
    except ExtraError as error:
        assert 'pip install "fewact[lab]"' in str(error), error
    else:
        raise AssertionError(options)
try:
    networks.create_text()
except ExtraError:
    pass
assert not [name for name in sys.modules if name.startswith(("fewact.lab", "safetensors.torch"))]
"""


def test_features_are_computed_without_torch() -> None:
    code = BLOCKED + FEATURES
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
