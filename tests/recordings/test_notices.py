"""Events are sent to a webhook, and to a broker of MQTT."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fewact.core.errors import OptionError
from fewact.recordings import notices
from fewact.recordings.formats import Event
from fewact.recordings.notices import camera_of, check_notices

EVENT = Event("wave", 1.0, 4.5, 0.9, recording="2026-05-02/14/porch/00.10.mp4")


class Server(ThreadingHTTPServer):
    """Keeps what is posted; the first requests fail."""

    def __init__(self, failures: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.failures, self.bodies = failures, list[dict[str, Any]]()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fails = self.server.failures > 0
        self.server.failures -= 1
        if not fails:
            self.server.bodies.append(json.loads(body))
        self.send_response(503 if fails else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(params=[0, 2])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(request.param) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_webhook_gets_each_event_also_after_failures(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "FIRST_WAIT", 0.01)
    address = f"http://127.0.0.1:{server.server_address[1]}/hook"
    with notices.notices(address, None, ["wave"]) as senders:
        for send in senders:
            send(EVENT)
            send(Event("clap", 5.0, 6.0))
    assert [body["label"] for body in server.bodies] == ["wave", "clap"]
    assert server.bodies[0] == EVENT.to_dict()


def test_a_webhook_without_an_answer_never_blocks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notices, "FIRST_WAIT", 30.0)
    monkeypatch.setattr(notices, "LAST_WAIT", 0.1)
    monkeypatch.setattr(notices, "WAITING", 10)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    begun = time.monotonic()
    with notices.notices(address, None, []) as (send,):
        for _ in range(50):
            send(EVENT)
    assert time.monotonic() - begun < 10
    assert f"Events that were not sent to {address}: 50" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["ftp://a/b", "localhost:80", "file:///etc/passwd"])
def test_addresses_of_webhooks_are_checked(address: str) -> None:
    with pytest.raises(OptionError) as refused:
        check_notices(address, None)
    assert refused.value.where == "--webhook"


@pytest.mark.parametrize("address", ["http://a", "mqtt://", "mqtt://host:port", "host"])
def test_addresses_of_brokers_are_checked(address: str) -> None:
    with pytest.raises(OptionError) as refused:
        check_notices(None, address)
    assert refused.value.where == "--mqtt"


def test_a_password_is_not_shown() -> None:
    with pytest.raises(OptionError) as refused:
        check_notices(None, "mqqt://me:secret@host")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("recording", "camera"),
    [
        ("2026-05-02/14/porch/00.10.mp4", "porch"),
        ("rtsp://10.0.0.5/stream", "10.0.0.5"),
        ("hall/monday.mp4", "hall"),
        ("0", "0"),
        ("", "camera"),
    ],
)
def test_the_camera_of_an_event(recording: str, camera: str) -> None:
    assert camera_of(Event("wave", 0, 1, recording=recording)) == camera


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if mosquitto is None:
        pytest.skip("the broker mosquitto is not installed")
    pytest.importorskip("paho.mqtt.client")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([mosquitto, "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def test_a_broker_gets_events_and_their_description(broker: int) -> None:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    messages: dict[str, dict[str, Any]] = {}
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _, __, m: messages.update({m.topic: json.loads(m.payload)})
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", broker)
    client.subscribe("#", qos=1)
    client.loop_start()
    assert subscribed.wait(10)
    with notices.notices(None, f"mqtt://127.0.0.1:{broker}/home", ["clap", "wave"]) as (send,):
        send(EVENT)
    for _ in range(200):
        if len(messages) == 2:
            break
        time.sleep(0.05)
    client.loop_stop()
    description = messages["homeassistant/event/fewact_porch/config"]
    assert description["event_types"] == ["clap", "wave"]
    event = messages[description["state_topic"]]
    assert event == {"event_type": "wave", **EVENT.to_dict()}


def test_a_broker_that_is_not_there_never_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("paho.mqtt.client")
    begun = time.monotonic()
    with notices.notices(None, "mqtt://127.0.0.1:1", ["wave"]) as (send,):
        send(EVENT)
    assert time.monotonic() - begun < 30
    assert "Messages that were not sent to 127.0.0.1: 2" in capsys.readouterr().err
