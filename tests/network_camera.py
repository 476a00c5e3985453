"""A camera of the network: MPEG-TS over TCP on the loopback, at the pace of its times."""

import io
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream


@contextmanager
def network_camera(frames: Sequence[np.ndarray], fps: int) -> Iterator[str]:
    """Serve frames (h w 3) to one client, as they are recorded; yield the address."""
    parts = encoded(frames, fps)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = server.accept()
        begin = time.monotonic()
        with client, suppress(ConnectionError):  # the client may leave
            for due, content in parts:
                time.sleep(max(0.0, begin + due - time.monotonic()))
                client.sendall(content)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        thread.join()
    finally:
        server.close()


def encoded(frames: Sequence[np.ndarray], fps: int) -> list[tuple[float, bytes]]:
    """Return the time and the bytes of each packet."""
    parts = []
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as output:
        options = {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "keyint=10"}
        stream = cast(VideoStream, output.add_stream("libx264", rate=fps, options=options))
        stream.height, stream.width = frames[0].shape[:2]
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            for packet in stream.encode(frame):
                output.mux(packet)
            parts.append((i / fps, _taken(file)))
        output.mux(stream.encode(None))
    parts.append((len(frames) / fps, _taken(file)))
    return parts


def _taken(file: io.BytesIO) -> bytes:
    content = file.getvalue()
    file.seek(0)
    file.truncate()
    return content
