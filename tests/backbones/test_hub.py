"""Weights from a hub: the real client against a server on this machine that speaks its protocol."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from safetensors.torch import save_file

from fewact import backbones
from fewact.backbones.weights import tensors_of
from fewact.errors import WeightsError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SCRIPT = """
import json, sys
from fewact import backbones
from fewact.errors import WeightsError
said = {}
for weights in sys.argv[1:]:
    name = "clip-vit" if "clip" in weights else "mobilenet-v2"
    try:
        made = backbones.create(name, weights=weights, device="cpu")
        said[weights] = made.text.digest if name == "clip-vit" else made.card.weights_sha256
    except WeightsError as error:
        said[weights] = f"refused: {error}"
print(json.dumps(said))
"""


class Hub(BaseHTTPRequestHandler):
    """Serves folders ``root/owner/name`` as repositories."""

    root: Path
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self.list_files(self.root.joinpath(*parts[2:4]), tree="tree" in parts[4:5])
        elif parts[2:3] == ["resolve"]:
            self.send_file(self.root.joinpath(*parts[:2], *parts[4:]))
        else:
            self.reply(404, b"{}")

    def list_files(self, repository: Path, *, tree: bool) -> None:
        if not repository.is_dir():
            self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        files = [path for path in repository.iterdir() if path.is_file()]
        listing: Any = (
            [
                {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": etag(p)}
                for p in files
            ]
            if tree
            else {
                "id": "/".join(repository.parts[-2:]),
                "sha": COMMIT,
                "siblings": [{"rfilename": path.name} for path in files],
            }
        )
        self.reply(200, json.dumps(listing).encode(), {"Content-Type": "application/json"})

    def send_file(self, path: Path) -> None:
        if path.is_file():
            self.reply(200, path.read_bytes(), {"ETag": f'"{etag(path)}"'})
        else:
            self.reply(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def reply(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.server.asked.append(f"{self.command} {self.path}")  # type: ignore[attr-defined]
        self.send_response(code)
        for name, value in {"X-Repo-Commit": COMMIT, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture
def requested() -> list[str]:
    """The requests that the hub had."""
    return []


@pytest.fixture
def hub(tmp_path: Path, requested: list[str]) -> Iterator[tuple[Path, str]]:
    """The folder of a hub's repositories and its address."""
    handler = type("Handler", (Hub,), {"root": tmp_path / "hub"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked = requested  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path / "hub", f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def ask(endpoint: str, home: Path, *weights: str, offline: bool = False) -> dict[str, str]:
    """What a process of its own makes of these weights; the client reads its settings once."""
    environment = os.environ | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
    }
    environment["HF_HUB_OFFLINE"] = str(int(offline))
    for name in ("HF_TOKEN", "HF_HUB_CACHE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *weights], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout)
    return said


@pytest.mark.slow
def test_weights_come_from_the_hub_and_failures_are_reported(
    hub, requested, tmp_path, random_backbone, tiny_folder
):
    pytest.importorskip("huggingface_hub")
    root, endpoint = hub
    network = random_backbone("mobilenet-v2").network
    (root / "owner" / "net").mkdir(parents=True)
    save_file(tensors_of(network), root / "owner" / "net" / "model.safetensors")
    (root / "owner" / "net" / "config.json").write_text("{}")
    (root / "owner" / "old").mkdir()
    (root / "owner" / "old" / "pytorch_model.bin").write_bytes(b"pickle")
    expected = backbones.create(
        "mobilenet-v2", weights=root / "owner" / "net" / "model.safetensors", device="cpu"
    ).card.weights_sha256

    shutil.copytree(tiny_folder("clip-vit"), root / "owner" / "clip")
    (root / "owner" / "clip" / "pytorch_model.bin").write_bytes(b"pickle")
    shutil.copytree(tiny_folder("clip-vit"), root / "owner" / "clip-mute")
    (root / "owner" / "clip-mute" / "merges.txt").unlink()
    texts = backbones.create_text(
        "clip", weights=f"local-dir:{tiny_folder('clip-vit')}", device="cpu"
    ).digest

    wrong = ("hf-hub:owner/old", "hf-hub:owner/none", "hf-hub:not a name")
    pinned, mute = f"hf-hub:owner/clip@{COMMIT}", "hf-hub:owner/clip-mute"
    said = ask(endpoint, tmp_path / "home", "hf-hub:owner/net", *wrong, pinned, mute)
    assert said["hf-hub:owner/net"] == expected
    assert said[pinned] == texts
    assert "there is no tokenizer in the folder of the weights (got vocab.json)" in said[mute]
    assert any(f"/owner/clip/resolve/{COMMIT}/merges.txt" in line for line in requested)
    assert not any("/owner/clip/" in line and "pytorch_model" in line for line in requested)
    for weights in wrong:
        assert said[weights].startswith(f"refused: {weights}: the hub has no such weights")
        assert "a repository with model.safetensors" in said[weights]

    asked_offline = ("hf-hub:owner/net", "hf-hub:owner/unseen", pinned)
    said = ask(endpoint, tmp_path / "home", *asked_offline, offline=True)
    assert said["hf-hub:owner/net"] == expected, "what was downloaded once is there without a hub"
    assert said[pinned] == texts
    assert "cannot be reached" in said["hf-hub:owner/unseen"]


def test_without_the_client_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"pip install 'fewact\[hf\]'"):
        backbones.create("resnet50", weights="hf-hub:owner/name")
