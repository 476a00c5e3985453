"""Fuzzer of what comes from elsewhere than files: clips in memory, frames of the camera, a hub.

Any exception but a ``UserError`` is a defect; so are a hang, and a file that is written elsewhere
than in the client's cache. Text of events with hostile names must be read back as it was.
"""

import csv
import io
import json
import os
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz._hostile import VALUES, changed_json, damaged
from tests.fuzz._mutations import mutate
from tests.fuzz._pool import Case, Worker
from tests.fuzz.report import Report, cases

TIMEOUT = 30.0
SIZES = (0, 1, 2, 3, 4, 7, 16, 33, 64)
NUMBERS = (-1.0, 0.0, 1e-9, 0.1, 25.0, 1e9, 1e308, float("nan"), float("inf"), -float("inf"))
LABELS = ("wave", 'a,"b', "a --> b", "<b>x</b>", "=1+1", "WEBVTT", "1", "\u202e", "é😀", "a;b")


def run(seed: int, seconds: float | None = None, count: int | None = None) -> Report:
    """Try hostile inputs."""
    with Worker(reader, (seed,), TIMEOUT, 0) as worker:
        return worker.report("inputs", seed, cases(seconds, count))


def reader(seed: int) -> Case:
    """Return the function that tries case after case."""
    keep = tempfile.TemporaryDirectory()
    root = Path(keep.name)
    os.environ["FEWACT_CACHE"] = str(root / "cache")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    hub = LyingHub(root / "hub")
    os.environ |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(root / "home")}
    os.environ["NO_PROXY"] = "127.0.0.1"
    warnings.simplefilter("ignore")
    from fewact import FewShotClassifier
    from fewact.core.errors import UserError
    from fewact.data import Frames

    draw = _frames_of(Random(0), 8, 32, 32)
    clips = {
        label: [Frames(draw ^ i, fps=8) for i in (2 * n, 2 * n + 1)] for n, label in enumerate("ab")
    }
    classifier = FewShotClassifier(method="pixels").fit(clips)
    hub.fill(classifier)
    videos = _videos(root)
    ways: tuple[Callable[[Random], None], ...] = (
        lambda random: _memory(random, classifier),
        lambda random: _memory(random, classifier),
        lambda random: _bytes(random, classifier, videos),
        lambda random: _camera(random, classifier),
        lambda random: hub.attempt(random),
        _events,
    )
    names = ("frames", "frames", "bytes of videos", "camera", "hub", "events")

    def attempt(number: int) -> str:
        which = number % len(ways)
        try:
            ways[which](Random(f"{seed} {number}"))
        except UserError:
            return f"{names[which]}: refused"
        finally:
            strange = {one.name for one in root.iterdir()} - {"cache", "hub", "home"}
            assert not strange, f"{names[which]}: wrote {sorted(strange)[:3]}"
        return f"{names[which]}: read"

    attempt.keep = keep, hub  # type: ignore[attr-defined]
    return attempt


def _frames_of(random: Random, *shape: int) -> Any:
    import numpy as np

    return np.random.default_rng(random.randrange(2**32)).integers(0, 255, (*shape, 3), np.uint8)


def _memory(random: Random, classifier: Any) -> None:
    """Predict from frames of odd shapes, types, rates, names and labels."""
    import numpy as np
    import torch

    from fewact.data import Frames

    shape = tuple(
        random.choice((*SIZES, 3, 3)) for _ in range(random.choice((0, 1, 3, 4, 4, 4, 5)))
    )
    if random.random() < 0.6:
        shape = (random.choice(SIZES), random.choice(SIZES), random.choice(SIZES), 3)
    kinds = (*["uint8"] * 8, "float32", "float64", "int64", "bool", "complex64", "U3", "O", "M8[s]")
    array: Any = np.zeros(shape, random.choice(kinds))
    if array.dtype == np.uint8:
        array = _frames_of(random, *shape)[..., 0]
    what = random.randrange(10)
    if what == 0:
        array = torch.zeros(shape) if random.random() < 0.5 else torch.zeros(shape).to(torch.uint8)
    elif what == 1:
        array = list(array) if array.ndim else [array, None]
    elif what == 2:
        array = [array, array[:1] if array.ndim else array]
    elif what == 3:
        array = random.choice((*VALUES, b"", b"abc", object(), np.float64(3), [np.zeros((2, 2))]))
    elif what == 4:
        array = np.broadcast_to(np.uint8(7), (random.choice((2, 9)), 4, 4, 3))[::-1, :, ::-1]
    elif what == 5:
        array = np.ma.masked_array(array)
    fps = random.choice((8.0, 8.0, *NUMBERS))
    name = random.choice(("", "a.mp4", "../../x", "\ud800", "a\nb", "/etc/passwd", "x" * 5000))
    clip = Frames(array, fps=fps, name=name) if random.random() < 0.8 else array
    what = random.randrange(3)
    if what == 0:
        classifier.predict(clip)
    elif what == 1:
        classifier.predict([clip, clip])
    else:
        from fewact import FewShotClassifier

        FewShotClassifier(method="pixels").fit({"a": [clip], "b": [clip]})


def _bytes(random: Random, classifier: Any, videos: dict[str, bytes]) -> None:
    """Predict from the damaged bytes of a video, or a segment of them."""
    from fewact.data import VideoBytes

    content: Any = videos[random.choice(sorted(videos))]
    if random.random() < 0.8:
        content = mutate(content, list(videos.values()), random)
    elif random.random() < 0.5:
        content = random.choice((b"", b"x", content[: random.randrange(len(content))], *VALUES))
    times = [random.choice((None, None, 0.1, 0.4, *NUMBERS)) for _ in range(2)]
    name = random.choice(("", "a.mp4", "../../x", "\ud800", "a\nb"))
    classifier.predict(VideoBytes(content, name, start=times[0], end=times[1]))


def _camera(random: Random, classifier: Any) -> None:
    """Push frames of odd sizes and times to a stream."""
    from fewact.core.errors import UserError
    from fewact.recordings import Stream

    stream = Stream.of(classifier, fps=random.choice((None, None, 8.0, *NUMBERS)))
    time = random.choice((0.0, 0.0, 1e5, *NUMBERS))
    height, width = random.choice(SIZES[1:]), random.choice(SIZES[1:])
    refused = 0
    for _ in range(random.choice((3, 12, 30))):
        if random.random() < 0.1:
            height, width = random.choice(SIZES), random.choice(SIZES)
        frame = _frames_of(random, height, width)
        if random.random() < 0.05:
            frame = random.choice(
                (frame[:, 0] if width else None, frame.astype("float32"), frame[..., :1], None, "x")
            )
        try:
            stream.push(frame, time)
        except UserError:
            refused += 1
        time += random.choice((0.1, 0.1, 0.1, 0.1, 0.0, -1.0, 1e-12, 5.0, 1e7))
    stream.state.to_dict()
    stream.close()
    if refused:
        raise UserError(f"{refused} frames")


def _events(random: Random) -> None:
    """Write events with hostile names; read them back."""
    from fewact.recordings.event_text import counts, events_text
    from fewact.recordings.formats import Event

    events = [
        Event(
            random.choice(LABELS), t, t + random.choice((0.0, 0.5, 1e5)), 0.5, random.randrange(4)
        )
        for t in sorted(random.uniform(0, 1e5) for _ in range(random.randrange(6)))
    ]
    rows = list(csv.reader(io.StringIO(events_text(Path("e.csv"), events, {}))))
    assert [row[2] for row in rows[1:]] == [one.label for one in events]
    found = json.loads(events_text(Path("e.json"), events, {"file": random.choice(LABELS)}))
    assert found["counts"] == counts(events)
    assert found["events"] == [one.to_dict() for one in events]
    assert [Event(**one).to_dict() for one in found["events"]] == found["events"]
    for name in ("e.vtt", "e.srt"):
        lines = events_text(Path(name), events, {}).splitlines()
        cues = [line for line in lines if line.count(":") == 4 and " --> " in line]
        assert len(cues) == len(events)
        assert name == "e.srt" or not any("<" in line for line in lines)


def _videos(root: Path) -> dict[str, bytes]:
    from tests.fuzz._containers import containers

    return containers()


class LyingHub:
    """A hub on this machine whose answers are damaged.

    Args:
        root: Folder of its repositories.
    """

    def __init__(self, root: Path) -> None:
        from http.server import ThreadingHTTPServer

        from tests.hub import Hub

        lies = self

        class Handler(Hub):
            def reply(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
                lies.reply(self, super().reply, code, body, headers or {})

        Handler.root = self.root = root
        self.random = Random(0)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.asked = []  # type: ignore[attr-defined]
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        self.files: dict[str, bytes] = {}

    def fill(self, classifier: Any) -> None:
        """Keep the files of a model."""
        folder = self.root / "owner" / "model"
        classifier.save(folder)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}

    def attempt(self, random: Random) -> None:
        """Read a model or weights from a repository of a new name, so that no cache has it."""
        import shutil

        from fewact import FewShotClassifier
        from fewact.networks import weights

        name = f"owner/r{random.randrange(10**9)}"
        self.random = random
        folder = self.root / name
        folder.mkdir(parents=True)
        for file, content in self.files.items():
            (folder / file).write_bytes(content)
        if random.random() < 0.7:
            file = random.choice(sorted(self.files))
            (folder / file).write_bytes(damaged(Path(file), self.files[file], random))
        try:
            if random.random() < 0.5:
                FewShotClassifier.from_pretrained(name)
            else:
                (folder / "model.safetensors").write_bytes(
                    damaged(Path("x.safetensors"), self.files["model.safetensors"], random)
                )
                weights.read(f"hf-hub:{name}")
        finally:
            shutil.rmtree(folder)

    def reply(
        self, handler: Any, send: Callable[..., None], code: int, body: bytes, headers: Any
    ) -> None:
        """Answer, sometimes with a lie."""
        random = self.random
        what = random.randrange(16)
        headers = dict(headers)
        if what == 0 and headers.get("Content-Type") == "application/json":
            body = json.dumps(changed_json(json.loads(body), random)).encode()
        elif what == 1:
            body = body[: len(body) // 2]
        elif what == 2:
            code = random.choice((401, 403, 404, 410, 418))
        elif what == 3:
            headers["ETag"] = random.choice(('""', '"../../x"', '"' + "a" * 300 + '"', "x\ty"))
        elif what == 4:
            headers["X-Repo-Commit"] = random.choice(("../../../x", "", "a" * 300, "0" * 40))
        elif what == 5 and body[:1] == b"{" and b"siblings" in body:
            listing = json.loads(body)
            names = ("../../x.safetensors", "/tmp/fewact-x/config.json", "a/../../config.json")
            listing["siblings"].append({"rfilename": random.choice((*names, "", ".", "\0"))})
            body = json.dumps(listing).encode()
        send(code, body, headers)
