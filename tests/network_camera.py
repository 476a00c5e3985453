"""Cameras of the network on the loopback, at the pace of their times.

MPEG-TS, RTSP over TCP, and Motion JPEG, which stores no times.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream

from fewact.video.writing import jpeg

Parts = Sequence[tuple[float, list[bytes]]]

SDP = """\
v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track
""".replace("\n", "\r\n")

RTSP = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n",
    "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
    "PLAY": "Session: 1\r\nRange: npt=now-\r\n",
}


@contextmanager
def network_camera(frames: Sequence[np.ndarray], fps: int) -> Iterator[str]:
    """Serve frames (h w 3) to one client, as they are recorded; yield the address."""
    parts = encoded(frames, fps, "mpegts")
    with serving(lambda client: play(client, parts)) as port:
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def rtsp_camera(frames: Sequence[np.ndarray], fps: int) -> Iterator[str]:
    """Serve frames (h w 3) by RTSP with packets interleaved; yield the address."""
    rtp = encoded(frames, fps, "rtp")
    parts = [(due, [interleaved(packet) for packet in packets]) for due, packets in rtp]

    def serve(client: socket.socket) -> None:
        requests = client.makefile("r", newline="\r\n")
        for line in requests:
            command, headers = line.partition(" ")[0], dict(headers_of(requests))
            head = f"RTSP/1.0 200 OK\r\nCSeq: {headers['CSeq']}\r\n{RTSP.get(command, '')}\r\n"
            client.sendall((head + (SDP if command == "DESCRIBE" else "")).encode())
            if command == "PLAY":
                break
        play(client, parts)

    with serving(serve) as port:
        yield f"rtsp://127.0.0.1:{port}/camera"


@contextmanager
def jpeg_camera(frames: Sequence[np.ndarray], fps: int) -> Iterator[str]:
    """Serve frames (h w 3) as Motion JPEG by HTTP; yield the address."""
    part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
    images = [jpeg(frame) for frame in frames]
    parts = [(i / fps, [part % (len(image), image)]) for i, image in enumerate(images)]

    def serve(client: socket.socket) -> None:
        dict(headers_of(client.makefile("r", newline="\r\n")))
        type = "multipart/x-mixed-replace; boundary=frame"
        client.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: {type}\r\n\r\n".encode())
        play(client, parts)

    with serving(serve) as port:
        yield f"http://127.0.0.1:{port}/"


def headers_of(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield the headers of a request, up to the empty line."""
    for line in lines:
        if not line.strip():
            return
        name, _, value = line.partition(":")
        yield name, value.strip()


def interleaved(packet: bytes) -> bytes:
    """Return an RTP packet for channel 0, or an RTCP packet for channel 1."""
    channel = int(packet[1] in range(200, 205))
    return b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one client; yield the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        client, _ = server.accept()
        with client, suppress(ConnectionError):  # the client may leave
            serve(client)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
        thread.join()
    finally:
        server.close()


def play(client: socket.socket, parts: Parts) -> None:
    """Send each part when it is due."""
    begin = time.monotonic()
    for due, contents in parts:
        time.sleep(max(0.0, begin + due - time.monotonic()))
        client.sendall(b"".join(contents))


class Sink:
    """A file whose single writes are kept: of RTP each is a packet."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, content: bytes) -> int:
        """Keep a part."""
        self._written.append(bytes(content))
        return len(content)

    def take(self) -> list[bytes]:
        """Return what was written since the last call."""
        taken, self._written = self._written, []
        return taken


def encoded(frames: Sequence[np.ndarray], fps: int, format: str) -> Parts:
    """Return the time and the packets of each frame."""
    parts, file = [], Sink()
    with av.open(file, "w", format=format, options={"packetsize": "1400"}) as output:
        options = {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "keyint=10"}
        stream = cast(VideoStream, output.add_stream("libx264", rate=fps, options=options))
        stream.height, stream.width = frames[0].shape[:2]
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            for packet in stream.encode(frame):
                output.mux(packet)
            parts.append((i / fps, file.take()))
        output.mux(stream.encode(None))
    parts.append((len(frames) / fps, file.take()))
    return parts
