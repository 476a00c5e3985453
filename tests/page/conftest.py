"""Servers of a page, in processes of their own or in this one, and a client like the page."""

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact.video import EveryNth, read_frames, write_video
from tests.page.teaching import begun_in, video

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from fewact.page import server as page_server
from fewact.page.children import DECODER_LIMITS, ChildProcess
from fewact.page.folder import PageFolder
from fewact.page.session import PageSession
from fewact.page.worker import Advisor, Worker

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


class Answers:
    """A child process that answers at once, in this process."""

    def __init__(self, **answers: Any) -> None:
        """Take the answer of each method, or a function that returns it."""
        self.answers, self.called = answers, list[str]()

    async def call(
        self, method: str, *arguments: Any, seconds: float, blob: bytes = b""
    ) -> tuple[Any, bytes]:
        self.called.append(method)
        await asyncio.sleep(0.001)
        answer = self.answers[method]
        result = answer(*arguments) if callable(answer) else answer
        if method == "teach":
            self.answers["open"] = result
        return result, b""

    def close(self) -> None: ...


class WorkerHere:
    """The worker or advisor of a model in this process, where torch is loaded already."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._worker, self._one_call = make, None, threading.Lock()

    async def call(
        self, method: str, *arguments: Any, seconds: float, blob: bytes = b""
    ) -> tuple[Any, bytes]:
        return await asyncio.to_thread(self._call, method, arguments, blob)

    def _call(self, method: str, arguments: Any, blob: bytes) -> tuple[Any, bytes]:
        with self._one_call, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._worker = self._worker or self._make()
            values = json.loads(json.dumps(arguments))
            result = getattr(self._worker, method)(*values, **({"blob": blob} if blob else {}))
        result, data = result if isinstance(result, tuple) else (result, b"")
        return json.loads(json.dumps(result)), data

    def close(self) -> None: ...


class Here(Server):
    """A server in this process: it starts at once."""

    def __init__(self, model: Path, decoder: ChildProcess, loop: asyncio.AbstractEventLoop) -> None:
        """Start it in a thread's loop, with a decoder that others use, too."""
        self.model, self._loop, self._folder = model, loop, PageFolder(model)
        page: Any = PageSession(self._folder, {})
        options = {"device": "cpu", "engine": "auto"}
        page.worker = WorkerHere(lambda: Worker(str(model), options))
        page.advisor, page.decoder = WorkerHere(lambda: Advisor(str(model), nice=0)), Answers()
        page.decoder.call = decoder.call
        self._listener = page_server._listen("127.0.0.1", 0)
        self.port, self.token = self._listener.getsockname()[1], "secret"
        self.url = f"{self.origin}/?token={self.token}"
        hosts = page_server._hosts("127.0.0.1", self._listener)
        self._server = page_server.PageServer(page, token=self.token, hosts=hosts)
        serving = self._server.serve(sockets=[self._listener])
        self._done = asyncio.run_coroutine_threadsafe(serving, loop)

    def kill(self) -> None:
        if not self._done.done():
            self._loop.call_soon_threadsafe(self._server.handle_exit, signal.SIGTERM, None)
            self._done.result(60)
            self._folder.close()
            self._listener.close()

    def stop(self) -> str:
        self.kill()
        return ""


EMPTY: dict[str, Any] = {"model": None, "examples": [], "faults": []}


@pytest.fixture(scope="session")
def shared() -> Iterator[tuple[ChildProcess, asyncio.AbstractEventLoop]]:
    """A decoder, and the loop of a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    decoder = ChildProcess("fewact.page.decoder:Decoder", limits=DECODER_LIMITS)
    yield decoder, loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    decoder.close()
    loop.close()


@pytest.fixture
def serve(tmp_path: Path, shared: Any) -> Iterator[Callable[..., Here]]:
    """Start servers in this process, which are stopped at the end."""
    servers: list[Here] = []

    def start(model: Path | None = None) -> Here:
        servers.append(Here(model or tmp_path / "model", *shared))
        return servers[-1]

    with warnings.catch_warnings():  # the worker replaces ``showwarning``
        yield start
        for server in servers:
            server.kill()


@pytest.fixture
def server(serve: Callable[..., Here]) -> Here:
    """A server of a new page in this process."""
    return serve()


@pytest.fixture
def serve_apart(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers in processes of their own, which are stopped at the end."""
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


@pytest.fixture
def person(chromium: Any, server: Here) -> Any:
    """Somebody who has a new page open."""
    from tests.page.browser import Person

    return Person(chromium, server)


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


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("videos")
    return [video(folder / f"{i}.mp4", i).read_bytes() for i in range(7)]


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    return begun_in(tmp_path)
