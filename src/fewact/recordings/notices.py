"""Events as notices to other programs: a webhook, or a broker of MQTT with Home Assistant.

A notice never blocks the camera: it waits in a queue of its own thread, is tried a few times, and
is dropped with a count where the other side gives no answer.
"""

import json
import queue
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from fewact.cli.run import say
from fewact.core.errors import OptionError
from fewact.core.extras import check_extra
from fewact.recordings.formats import Event

ANSWER_TIMEOUT: Final = 10.0
"""Seconds after which a request without an answer has failed."""

TRIES: Final = 4
"""Number of times that a webhook is called for an event."""

FIRST_WAIT: Final = 1.0
"""Seconds before the second try; each later wait is twice as long."""

WAITING: Final = 1000
"""Number of events that wait at most; the oldest are dropped."""

LAST_WAIT: Final = 5.0
"""Seconds for which events that wait are sent at the end of the program."""

MQTT_PORT: Final = 1883
MQTT_TLS_PORT: Final = 8883
MQTT_PREFIX: Final = "fewact"
DISCOVERY: Final = "homeassistant"

Notify = Callable[[Event], None]


@contextmanager
def notices(
    webhook: str | None, mqtt: str | None, classes: Sequence[str]
) -> Iterator[list[Notify]]:
    """Yield functions that send an event, without waiting for an answer.

    Args:
        webhook: Address, ``http://…`` or ``https://…``, to which each event is posted as JSON.
        mqtt: Broker, ``mqtt://[user:password@]host[:port][/prefix]``, or ``mqtts://…`` with TLS.
        classes: Classes of the events.

    Raises:
        OptionError: An address is none of these.
        ExtraError: MQTT is not installed.
    """
    senders: list[Notify] = []
    with ExitStack() as stack:
        if webhook is not None:
            senders.append(stack.enter_context(_webhook(webhook)))
        if mqtt is not None:
            senders.append(stack.enter_context(_mqtt(mqtt, classes)))
        yield senders


def check_notices(webhook: str | None, mqtt: str | None) -> None:
    """Refuse addresses that cannot be used, before anything is watched."""
    if webhook is not None and urlsplit(webhook).scheme not in ("http", "https"):
        raise OptionError("not an address", where="--webhook", got=webhook, expected="http://…")
    if mqtt is not None:
        _broker(mqtt)
        check_extra("--mqtt", "mqtt", "paho")


@contextmanager
def _webhook(address: str) -> Iterator[Notify]:
    waiting: queue.Queue[bytes | None] = queue.Queue()
    ended = threading.Event()
    requested = delivered = 0

    def send(event: Event) -> None:
        nonlocal requested
        requested += 1
        if waiting.qsize() >= WAITING:
            waiting.get()
        waiting.put(event.to_json().encode())

    def work() -> None:
        nonlocal delivered
        while (body := waiting.get()) is not None and not ended.is_set():
            error = _post(address, body, ended)
            delivered += not error
            if error and not ended.is_set():
                say(f"An event was not sent: {address}: {error}")

    thread = threading.Thread(target=work, name="fewact-webhook", daemon=True)
    thread.start()
    try:
        yield send
    finally:
        waiting.put(None)
        thread.join(LAST_WAIT)
        ended.set()
        if requested > delivered:
            say(f"Events that were not sent to {address}: {requested - delivered}")


def _post(address: str, body: bytes, ended: threading.Event) -> str:
    """Post JSON to an address, several times if need be; return the last error, or nothing."""
    error = ""
    for number in range(TRIES):
        if number and ended.wait(FIRST_WAIT * 2 ** (number - 1)):
            break
        request = urllib.request.Request(
            address, body, {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT):
                return ""
        except (OSError, ValueError) as problem:
            error = str(problem)
    return error or "no answer"


def _broker(address: str) -> tuple[str, int, bool, str, str | None, str | None]:
    """Return host, port, whether TLS is used, prefix of topics, user and password."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise OptionError(
            "not the address of a broker",
            where="--mqtt",
            got=re.sub(r"//[^/@]*@", "//…@", address),
            expected="mqtt://host, or mqtts://user:password@host:8883/prefix",
        )
    is_tls = parts.scheme == "mqtts"
    prefix = parts.path.strip("/") or MQTT_PREFIX
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return (
        parts.hostname,
        port or (MQTT_TLS_PORT if is_tls else MQTT_PORT),
        is_tls,
        prefix,
        user,
        password,
    )


@contextmanager
def _mqtt(address: str, classes: Sequence[str]) -> Iterator[Notify]:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    host, port, is_tls, prefix, user, password = _broker(address)
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_queued_messages_set(WAITING)
    if user is not None:
        client.username_pw_set(user, password)
    if is_tls:
        client.tls_set()
    client.on_connect = _say_refusal
    requested = delivered = 0
    changed = threading.Condition()  # never held while the client is called: it has a lock, too

    def published(*_: object) -> None:
        nonlocal delivered
        with changed:
            delivered += 1
            changed.notify()

    client.on_publish = published
    client.connect_async(host, port)
    client.loop_start()
    known: set[str] = set()

    def publish(topic: str, content: dict[str, Any], *, retain: bool = False) -> None:
        nonlocal requested
        requested += 1
        client.publish(topic, json.dumps(content, ensure_ascii=False), qos=1, retain=retain)

    def send(event: Event) -> None:
        camera = slug(camera_of(event))
        topic = f"{prefix}/{camera}/event"
        if camera not in known:
            known.add(camera)
            name = f"fewact_{camera}"
            description = _description(name, camera, topic, classes)
            publish(f"{DISCOVERY}/event/{name}/config", description, retain=True)
        publish(topic, {"event_type": str(event.label), **event.to_dict()})

    try:
        yield send
    finally:
        with changed:
            changed.wait_for(lambda: delivered >= requested, timeout=LAST_WAIT)
        client.disconnect()
        client.loop_stop()
        if requested > delivered:
            say(f"Messages that were not sent to {host}: {requested - delivered}")


def _say_refusal(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
    if reason.is_failure:
        say(f"The broker of MQTT refuses: {reason}")


def _description(name: str, camera: str, topic: str, classes: Sequence[str]) -> dict[str, Any]:
    """Return what Home Assistant needs to know of a camera: an entity of events."""
    return {
        "name": camera,
        "unique_id": name,
        "state_topic": topic,
        "event_types": list(classes),
        "device": {"identifiers": ["fewact"], "name": "fewact"},
    }


def camera_of(event: Event) -> str:
    """Return the name of the camera of an event: what the name of its file says."""
    from pathlib import Path

    from fewact.recordings.joins import named_file

    if "://" in event.recording or not event.recording:
        return urlsplit(event.recording).hostname or "camera"
    path = Path(event.recording)
    name = named_file(path)
    return (name.camera[0] if name else "") or path.parent.name or path.stem


def slug(name: str) -> str:
    """Return a name for topics: letters, digits and ``_``.

    >>> slug("Front door")
    'front_door'
    """
    return re.sub(r"\W+", "_", name.casefold()).strip("_") or "camera"
