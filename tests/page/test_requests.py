"""Hundreds of malformed and hostile requests: each is refused, and leaves nothing behind."""

import gzip
import io
import itertools
import json
import os
import random
import socket
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.data import FeatureClip
from tests.page.conftest import Server, files_of

pytestmark = pytest.mark.slow
COUNT = 700
CLOSED = b"HTTP/1.1 499"
"""A client that hangs up gets no answer."""

PATHS = ("/static/", "/media/", "/strip/")
ESCAPES = (
    *[
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "....//app.py",
        "..%5capp.py",
        "%00",
        "texts.json",
    ],
    *["/etc/passwd", "%2fetc%2fpasswd", "journal.jsonl", "..%c0%afapp.py", "lock%2fserve"],
    "A" * 5000,
)
ROUTES = (
    *(f"/api/clips/{what}" for what in ("label", "remove", "restore", "forget")),
    *("/api/classes", "/api/classes/rename", "/api/classes/remove"),
)
BODIES = (
    b"", b"{", b"[]", b"null", b'{"ids": "all"}', b'{"ids": ["../../x"]}', b'{"name": 7}',
    b'{"ids": ["0123456789abcdef"], "label": "x", "more": 1}', b'{"name": "a\\u0000b"}',
    b'{"name": "none"}', b'{"name": "x", "to": ["y"]}', b"[" * 60_000, b"\xff\xfe", b" " * 70_000,
)  # fmt: skip


def bomb() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clip.mp4", bytes(64 << 20))
    return content.getvalue()


def not_videos(clip: bytes) -> list[bytes]:
    noise = random.Random(0)
    return [
        b"", b"x", b"not a video", b"<html><script>alert(1)</script></html>", bytes(100_000),
        noise.randbytes(50_000), bomb(), gzip.compress(bytes(1 << 20)), clip[:40], clip[:200],
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"RIFF\xff\xff\xff\x7fAVI LIST", b"\x1aE\xdf\xa3" + bytes(1000), b"GIF89a\xff\xff\xff\xff",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"YUV4MPEG2 W99999 H99999\n",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole model as a file; the page refuses it too, since it was taught from features."""
    draw = np.random.default_rng(0)
    clips = [
        FeatureClip(f"{label}{i}", draw.normal(size=(4, 16)).astype(np.float32), label)
        for label in ("wave", "throw")
        for i in range(3)
    ]
    folder = tmp_path_factory.mktemp("model") / "model"
    FewShotClassifier(method="protonet").fit(clips).save(folder)
    return (folder / "model.safetensors").read_bytes()


def not_models(model: bytes) -> Iterator[bytes]:
    """Yield files that are no models of clips: taught from features, damaged, and other files."""
    yield model
    yield from (bomb(), bytes(100_000), b"[" * 100_000)
    for length in (0, 2**62, 2**64 - 1, len(model)):
        yield length.to_bytes(8, "little") + model[8:]
    noise = random.Random(3)
    for cut in range(0, len(model), len(model) // 20):
        yield model[:cut]
    for _ in range(30):
        at = noise.randrange(len(model))
        yield model[:at] + bytes([model[at] ^ 1 << noise.randrange(8)]) + model[at + 1 :]


FRAMES = (
    *("", "width=-1&height=1&time=0", "width=99999&height=99999&time=0", "width=1&height=1&time=x"),
    *("width=0&height=0&time=0", "width=1&height=1", "width=1&height=1&time=-1", "width=1&time=1"),
    *("width=1&height=1&time=1e3", "width=1&height=1&time=NaN", "width=+1&height=1&time=0"),
    *("width=1.0&height=1&time=0", "width=%201&height=1&time=0", "width=1&height=1&time=999999999"),
    *("width=%EF%BC%91&height=1&time=0", "width=1&width=9&height=1&time=0", "width=1%00&height=1"),
    *("width=2&height=1&time=0", "width=4&height=4&time=0", "width=641&height=640&time=0"),
    *("width=1&height=1&time=0&stream=../../x", "width=1&height=1&time=0&stream=" + "x" * 5000),
)
"""Queries of frames of the camera. The last ones are right: there is no model yet."""


def attacks(server: Server, clip: bytes, model: bytes) -> Iterator[Callable[[], int]]:
    """Yield functions that each send a request and return its status."""
    port = server.port

    def plain(
        method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Callable[[], int]:
        def send() -> int:
            try:
                return server.request(method, path, body, **headers)[0]
            except (ConnectionResetError, BrokenPipeError):  # it did not read so large a body
                return int(CLOSED[9:])

        return send

    def raw(content: bytes, *, end: bool = True) -> Callable[[], int]:
        def send() -> int:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(content)
                if end:
                    connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(64) or CLOSED
            assert answer.startswith(b"HTTP/1.1 "), (content[:80], answer)
            return int(answer[9:12])

        return send

    def head(path: str, length: int, more: str = "") -> bytes:
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {server.origin}\r\n"
            f"Cookie: fewact-{port}={server.token}\r\nContent-Length: {length}\r\n{more}\r\n"
        ).encode()

    for path, escape in itertools.product(PATHS, ESCAPES):
        yield plain("GET", path + escape)
    for path, body in itertools.product(ROUTES, BODIES):
        yield plain("POST", path, body, Content_Type="application/json")
        yield plain("POST", path, body, Content_Type="text/plain")
    for content in not_videos(clip):
        yield plain("POST", "/api/clips?name=../../a.mp4", content)
        yield plain("POST", "/api/clips?label=wave&name=a.zip", content)
    for query in (
        *["label=none%00", "pieces=0", "pieces=9999", "pieces=x", "label="],
        "label=" + "x" * 256,
    ):
        yield plain("POST", f"/api/clips?{query}", clip)
    for length in (1 << 31, 1 << 40, 10**30):
        yield raw(head("/api/clips", length) + b"x", end=False)
    for size in (0, 1, 100, len(clip) - 1):
        yield raw(head("/api/clips?name=a.mp4", len(clip)) + clip[:size])
    yield raw(head("/api/classes", 10**6, "Content-Type: application/json\r\n"), end=False)
    for host in ("example.org", f"evil.org:{port}", "", "127.0.0.1", f"127.0.0.1:{port}@evil.org"):
        yield plain("GET", "/api/state", Host=host or "x")
        yield plain("POST", "/api/undo", b"", Host=host or "x")
    mine, other = f"127.0.0.1:{port}", "http://127.0.0.1:1"
    for origin in ("http://evil.org", "null", f"https://{mine}", f"http://{mine}.evil.org", other):
        yield plain("POST", "/api/teach", b"", Origin=origin)
        yield plain("GET", "/api/state", Origin=origin)
    name = f"fewact-{port}"
    for cookie in ("", "a=b", f"{name}=", f"{name}={'x' * 4000}", f"{name}=\u00e9"):
        yield plain("GET", "/api/state", Cookie=cookie)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        yield plain(method, "/api/state", b"")
        yield plain(method, "/", b"")
    for id in ("x", "..", "0123456789abcdef", "%2e%2e%2fjournal.jsonl"):
        yield plain("POST", f"/api/clips/{id}/predict", b"")
        yield plain(
            "POST",
            f"/api/clips/{id}/segment",
            b'{"start":0,"end":1,"label":"x"}',
            Content_Type="application/json",
        )
    for query in FRAMES:
        yield plain("POST", f"/api/live?{query}", b"1234")
    frame = "/api/live?width=640&height=640&time=0&stream=a"
    for size in (0, 1, 4 * 640 * 640 - 1, 4 * 640 * 640 + 1, 30 << 20):
        yield plain("POST", frame, bytes(size))
    yield plain("POST", frame, clip)
    yield plain("GET", frame)
    yield plain("POST", frame, bytes(4 * 640 * 640), Origin="http://evil.org")
    for length, sent in ((4 * 640 * 640, 100), (1 << 40, 100), (10**30, 4)):
        yield raw(head(frame, length) + bytes(sent))
    for i, content in enumerate((*not_models(model), *not_videos(clip))):
        yield plain("POST", f"/api/import?name=../../{i}.zip", content)
    yield plain("POST", "/api/import", model, Origin="http://evil.org")
    yield plain("POST", "/api/import", model, Cookie="")
    yield plain("GET", "/api/import?name=/etc/passwd")
    for length in (1 << 31, 1 << 40, 10**30):
        yield raw(head("/api/import", length) + model, end=False)
    for size in (0, 1, 100, len(model) - 1):
        yield raw(head("/api/import?name=a.zip", len(model)) + model[:size])
    chunked = head("/api/import", 9).replace(b"Content-Length: 9", b"Transfer-Encoding: chunked")
    yield raw(chunked + b"4\r\nPK\x03\x04\r\n0\r\n\r\n")
    for junk in (
        b"\r\n\r\n\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G" * 70_000,
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ):
        yield raw(junk)
    for part in (b"GET / HTTP/1.1\r\n", b"P", head("/api/clips", 1000)[:-2]):
        yield raw(part, end=False)  # a slow loris
    noise = random.Random(1)
    while True:  # random bytes for every route
        route = noise.choice([*ROUTES, "/api/clips?name=a.webm"])
        body = noise.randbytes(noise.randrange(1, 2000))
        yield plain("POST", route, body, Content_Type="application/json")


def test_hostile_requests_are_refused_and_leave_nothing(
    serve_apart: Callable[..., Server], clip: bytes, model: bytes
) -> None:
    server = serve_apart()
    (kept,) = server.upload(clip, "label=wave")[1]["ids"]
    server.kill()
    os.mkfifo(server.model / "page" / "00000000000000ff.mp4")
    server = serve_apart(server.model)  # a video that is a pipe
    before = files_of(server.model), (server.model / "page" / "journal.jsonl").read_bytes()
    listed = list(itertools.islice(attacks(server, clip, model), COUNT))
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda attack: attack(), listed))
    wrong = [(i, status) for i, status in enumerate(statuses) if not 400 <= status < 500]
    assert wrong == []
    assert len(statuses) == COUNT
    assert server.request("GET", "/media/00000000000000ff")[0] == 404
    assert server.request("GET", f"/media/{kept}")[2] == clip
    after = files_of(server.model), (server.model / "page" / "journal.jsonl").read_bytes()
    assert after == before
    assert not Path("/tmp/fewact-escaped").exists()
    assert {path.name for path in server.model.parent.iterdir()} == {server.model.name}
    assert list(server.state()["clips"]) == [kept]
    assert server.upload(clip)[0] == 201
    assert json.loads(server.request("GET", "/api/state")[2])["jobs"] is not None
