"""A running ``fewact serve``, and a client that behaves like the page."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact.video import EveryNth, read_frames, write_video

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

START = "import sys; from fewact.cli import main; sys.exit(main(sys.argv[1:]))"


class Server:
    """A server of a model folder in a process of its own."""

    def __init__(self, model: Path, before: str = "", options: Sequence[str] = ()) -> None:
        """Start it with options; ``before`` is Python code that runs first."""
        self.model = model
        self.process = subprocess.Popen(
            [sys.executable, "-c", before + START, "serve", str(model), "--no-browser", *options],
            stderr=subprocess.PIPE,
            bufsize=0,  # a buffer may take a part of the next line, which ``stop`` would not return
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line)
        assert found, line + self.process.stderr.read().decode()
        self.url, self.port, self.token = found[0], int(found[1]), found[2]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request with the page's own headers; ``headers`` replaces some, "" drops one."""
        own = {
            "Host": f"127.0.0.1:{self.port}",
            "Cookie": f"fewact-{self.port}={self.token}",
            "Origin": self.origin,
        }
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in {**own, **more}.items() if value}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        content = json.dumps(body).encode()
        status, _, answer = self.request("POST", path, content, Content_Type="application/json")
        return status, json.loads(answer)

    def state(self) -> Any:
        return json.loads(self.request("GET", "/api/state")[2])

    def upload(self, content: bytes, query: str = "name=clip.mp4") -> tuple[int, Any]:
        status, _, answer = self.request("POST", f"/api/clips?{query}", content)
        return status, json.loads(answer)

    def wait(self, done: Callable[[Any], Any], seconds: float = 120) -> Any:
        """Return the state as soon as it is as it should be."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.state()
            if done(state):
                return state
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {state}")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        """Stop as Ctrl+C does; return what was written to stderr."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[1].decode()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers, which are stopped at the end."""
    servers: list[Server] = []

    def start(model: Path | None = None, before: str = "", options: Sequence[str] = ()) -> Server:
        servers.append(Server(model or tmp_path / "model", before, options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def camera(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real clip as a camera shows it."""
    from tests.page.browser import clips_of

    (clip,) = clips_of(assets, "a04_clap", "s3_t1")
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    frames = read_frames(clip, EveryNth(1))
    height, width = frames.shape[1:3]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F15:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            planes = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuvj420p")
            file.write(b"FRAME\n" + planes.to_ndarray().tobytes())
    return path


@pytest.fixture(scope="module")
def started(camera: Path) -> Iterator[Any]:
    """Chromium; of a module, for no event loop of another library runs beside Playwright's."""
    from tests.page.browser import launched

    with launched(camera) as browser:
        yield browser


@pytest.fixture
def chromium(started: Any) -> Iterator[Any]:
    """Chromium without a page; those that a test opens are closed, or they go on working."""
    yield started
    for context in started.contexts:
        context.close()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of video."""
    frames = np.zeros((12, 48, 64, 3), np.uint8)
    for i in range(12):
        frames[i, 10:30, 4 * i : 4 * i + 12] = 200
    return write_video(tmp_path_factory.mktemp("clip") / "a.mp4", frames, 12).read_bytes()


def files_of(model: Path) -> set[str]:
    """Names of the files below a model folder, without lock and journal."""
    names = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    return names - {"page/lock/serve", "page/journal.jsonl"}
