"""Listening: sockets are closed on a fault, and an address that is open to others is named."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from fewact.cli import main
from fewact.core.errors import ModelError, OptionError
from fewact.page import server
from fewact.page.folder import PageFolder
from fewact.page.security import Guard


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """All sockets that are made."""
    made, real = [], socket.socket

    def make(*arguments: Any) -> socket.socket:
        made.append(real(*arguments))
        return made[-1]

    monkeypatch.setattr(server.socket, "socket", make)
    return made


def test_a_socket_that_cannot_listen_is_closed(sockets: list[socket.socket]) -> None:
    with pytest.raises(OptionError, match="cannot listen there"):
        server._listen("192.0.2.1", 0)  # an address for documentation, which no computer has
    assert [one.fileno() for one in sockets] == [-1]


def test_a_damaged_page_leaves_neither_socket_nor_lock(
    sockets: list[socket.socket], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    PageFolder(model).close()
    (model / "page" / "journal.jsonl").write_text("{}x")
    with pytest.raises(ModelError):
        server.serve(model, browser=False, options={}, say=lambda line: None)
    assert sockets == []
    (model / "page" / "journal.jsonl").unlink()
    PageFolder(model).close()


@pytest.mark.parametrize("host", ["ä" * 70, "x" * 300, "a\0b"])
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(OptionError, match="cannot listen there"):
        server._listen(host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "::1"])
def test_loopback_addresses_are_for_this_computer_only(host: str) -> None:
    try:
        listener = server._listen(host, 0)
    except OptionError:
        pytest.skip(f"{host} is no address of this computer")
    with listener:
        assert server._is_loopback(listener)


@pytest.mark.parametrize("address", ["192.0.2.1", "fe80::1%eth0", "2001:db8::1"])
def test_other_addresses_are_not(address: str) -> None:
    listener: Any = SimpleNamespace(getsockname=lambda: (address, 80))
    assert not server._is_loopback(listener)


@pytest.mark.parametrize(
    ("host", "address", "sent"),
    [
        ("127.0.0.1", ("127.0.0.1", 80), "127.0.0.1"),
        ("::1", ("::1", 80, 0, 0), "[::1]"),
        ("Computer.Local", ("192.0.2.1", 8000), "computer.local:8000"),
        ("Computer.Local", ("192.0.2.1", 80), "computer.local"),
        ("2001:DB8:0::1", ("2001:db8::1", 8000, 0, 0), "[2001:db8::1]:8000"),
    ],
)
def test_the_page_opens_at_the_address_as_browsers_send_it(
    host: str, address: tuple[Any, ...], sent: str
) -> None:
    listener: Any = SimpleNamespace(getsockname=lambda: address)
    hosts = server._hosts(host, listener)
    assert sent in hosts
    assert ("127.0.0.1" in hosts) == (address[1] == 80)

    app: Any = object()
    guard = Guard(app, token="secret", hosts=hosts)

    def status(origin: str, name: str = sent) -> int:
        headers = {"host": name, "origin": origin, "cookie": f"fewact-{address[1]}=secret"}
        scope = {
            **{"type": "http", "method": "POST", "path": "/api/undo", "query_string": b""},
            "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        }
        answer: Any = guard._respond_to(Request(scope))
        return 200 if answer is app else int(answer.status_code)

    assert status(f"http://{sent}") == 200
    assert status(f"http://{sent}", sent.upper()) == 200
    assert status(f"https://{sent}") == 403
    assert status("http://example.org") == 403
    assert status("http://example.org", "example.org") == 421


def test_help_says_which_addresses_other_computers_can_reach(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serve", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "unless it is a loopback address, such as 127.0.0.1, ::1 or localhost" in text
