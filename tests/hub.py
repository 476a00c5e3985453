"""A server on this machine that speaks the protocol of the Hugging Face hub."""

import base64
import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


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

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        answer: Any = {}
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            folder = self.root / asked.get("organization", "owner") / asked["name"]
            folder.mkdir(parents=True, exist_ok=True)
            answer = {"url": f"http://127.0.0.1/{folder.parent.name}/{folder.name}"}
        elif parts[4:5] == ["preupload"]:
            files = json.loads(body)["files"]
            answer["files"] = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in files
            ]
        elif parts[4:5] == ["commit"]:
            self.commit(self.root.joinpath(*parts[2:4]), body)
            url = f"http://127.0.0.1/{parts[2]}/{parts[3]}/commit/{COMMIT}"
            answer = {"commitUrl": url, "commitOid": COMMIT}
        self.reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def commit(self, repository: Path, body: bytes) -> None:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                (repository / value["path"]).write_bytes(base64.b64decode(value["content"]))
            elif line["key"] == "deletedFile":
                (repository / value["path"]).unlink()

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


@contextmanager
def serving(root: Path, requested: list[str]) -> Iterator[str]:
    """Serve the repositories of a folder, noting the requests; yield the address."""
    handler = type("Handler", (Hub,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked = requested  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def silent() -> Iterator[str]:
    """Yield the address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def settings(endpoint: str, home: Path, *, offline: bool = False) -> dict[str, str]:
    """The environment of a process whose client uses this hub; the client reads it once."""
    environment = os.environ | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_OFFLINE": str(int(offline)),
        "HF_HUB_ETAG_TIMEOUT": "1",
    }
    for name in ("HF_TOKEN", "HF_HUB_CACHE"):
        environment.pop(name, None)
    return environment
