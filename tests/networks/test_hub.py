"""Weights from a hub: the real client against a server on this machine that speaks its protocol."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fewact import networks
from fewact.core.arrays import save_tensors
from fewact.core.errors import WeightsError
from fewact.networks.hub import hub_client
from fewact.networks.packaged import PACKAGED_NETWORKS
from fewact.networks.weights import random
from tests.hub import COMMIT, serving, settings, silent
from tests.lab.networks import tiny

SCRIPT = """
import json, sys
from fewact import networks
from fewact.core.errors import WeightsError
said = {}
for weights in sys.argv[1:]:
    name = "clip-vit" if "clip" in weights else "mobilenet-v2"
    try:
        made = networks.create(name, weights=weights, device="cpu")
        said[weights] = made.text.digest if name == "clip-vit" else made.card.weights_sha256
    except WeightsError as error:
        said[weights] = f"refused: {error}"
print(json.dumps(said))
"""


@pytest.fixture
def requested() -> list[str]:
    """The requests that the hub had."""
    return []


@pytest.fixture
def hub(tmp_path: Path, requested: list[str]) -> Iterator[tuple[Path, str]]:
    """The folder of a hub's repositories and its address."""
    with serving(tmp_path / "hub", requested) as endpoint:
        yield tmp_path / "hub", endpoint


def ask(endpoint: str, home: Path, *weights: str, offline: bool = False) -> dict[str, str]:
    """What a process of its own makes of these weights; the client reads its settings once."""
    environment = settings(endpoint, home, offline=offline)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *weights], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout)
    return said


@pytest.mark.slow
def test_weights_come_from_the_hub_and_failures_are_reported(
    hub: tuple[Path, str], requested: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("huggingface_hub")
    root, endpoint = hub
    (root / "owner" / "net").mkdir(parents=True)
    content = save_tensors(random(PACKAGED_NETWORKS["mobilenet-v2"].shapes))
    (root / "owner" / "net" / "model.safetensors").write_bytes(content)
    (root / "owner" / "net" / "config.json").write_text("{}")
    (root / "owner" / "old").mkdir()
    (root / "owner" / "old" / "pytorch_model.bin").write_bytes(b"pickle")
    expected = networks.create(
        "mobilenet-v2", weights=root / "owner" / "net" / "model.safetensors", device="cpu"
    ).card.weights_sha256

    (clip := tmp_path / "clip").mkdir()
    tiny.save("clip-vit", clip)
    shutil.copytree(clip, root / "owner" / "clip")
    (root / "owner" / "clip" / "pytorch_model.bin").write_bytes(b"pickle")
    shutil.copytree(clip, root / "owner" / "clip-mute")
    (root / "owner" / "clip-mute" / "merges.txt").unlink()
    texts = networks.create_text("clip", weights=f"local-dir:{clip}", device="cpu").digest

    wrong = ("hf-hub:owner/old", "hf-hub:owner/none", "hf-hub:not a name")
    pinned, mute = f"hf-hub:owner/clip@{COMMIT}", "hf-hub:owner/clip-mute"
    said = ask(endpoint, tmp_path / "home", "hf-hub:owner/net", *wrong, pinned, mute)
    assert said["hf-hub:owner/net"] == expected
    assert said[pinned] == texts
    assert "there is no tokenizer in the folder of the weights (got vocab.json)" in said[mute]
    assert any(f"/owner/clip/resolve/{COMMIT}/merges.txt" in line for line in requested)
    assert not any("/owner/clip/" in line and "pytorch_model" in line for line in requested)
    for weights in wrong:
        assert said[weights].startswith(f"refused: {weights}: the ")
        assert "a repository with model.safetensors" in said[weights]

    asked_offline = ("hf-hub:owner/net", "hf-hub:owner/unseen", pinned)
    said = ask(endpoint, tmp_path / "home", *asked_offline, offline=True)
    assert said["hf-hub:owner/net"] == expected, "what was downloaded once is there without a hub"
    assert said[pinned] == texts
    assert "cannot be reached" in said["hf-hub:owner/unseen"]

    with silent() as address:
        said = ask(address, tmp_path / "home", "hf-hub:owner/net", "hf-hub:owner/unseen")
    assert said["hf-hub:owner/net"] == expected
    assert "cannot be reached" in said["hf-hub:owner/unseen"]


def test_messages_of_the_client_about_each_attempt_are_not_shown() -> None:
    code = (
        "from fewact.core.errors import WeightsError\n"
        "from fewact.networks.hub import hub_client\n"
        "with hub_client(WeightsError, 'owner/net') as hub:\n"
        "    hub.hf_hub_download\n"
        "    from huggingface_hub.utils.logging import get_logger\n"
        "    get_logger('huggingface_hub.utils._http').warning('Retrying')\n"
        "get_logger('huggingface_hub').warning('later')\n"
    )
    pytest.importorskip("huggingface_hub")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "later\n"


def test_the_reason_of_the_client_is_quoted_once():
    pytest.importorskip("huggingface_hub")
    with (
        pytest.raises(WeightsError, match=r"\(got ConnectError: no route\)") as refused,
        hub_client(WeightsError, "owner/net") as hub,
    ):
        raise hub.errors.LocalEntryNotFoundError("Got: ConnectError: no route")
    assert "cannot be reached" in refused.value.what


def test_an_unreachable_hub_is_one_line_with_the_cause_of_the_network():
    pytest.importorskip("huggingface_hub")
    with (
        pytest.raises(WeightsError) as refused,
        hub_client(WeightsError, "owner/net") as hub,
    ):
        raise hub.errors.LocalEntryNotFoundError("Please check it. " * 20) from OSError("no route")
    assert str(refused.value) == (
        "owner/net: the hub cannot be reached, and nothing was downloaded before "
        "(got no route). Try again online."
    )


def test_without_the_client_its_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError) as raised:
        networks.create("mobilenet-v2", weights="hf-hub:owner/name")
    assert "pip install huggingface_hub" in raised.value.hint
