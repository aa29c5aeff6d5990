"""The one way out: to the configured host, proven, in time and size, or not at all. Real sockets on the loopback."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.models import Service, certificate, serving

from vault.door import Door
from vault.errors import ConfigError, EgressError

CANARY = "Quorzil Vembrath"
ASKED = {"input": [CANARY]}


def door(url: str, **options: Any) -> Door:
    settings = {"ca": None, "proxy": None, "loopback": True, "timeout_s": 5.0, **options}
    return Door(url, **settings)


def post(url: str, *, most_bytes: int = 100_000, **options: Any) -> Any:
    made = door(url, **options)
    try:
        return made.post("/embeddings", ASKED, {"authorization": "Bearer k"}, most_bytes=most_bytes)
    finally:
        made.close()


def refused(url: str, **options: Any) -> EgressError:
    with pytest.raises(EgressError) as caught:
        post(url, **options)
    assert CANARY not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(Service()) as made:
        yield made


def test_what_is_asked_arrives_and_the_answer_comes_back(service: Service) -> None:
    assert post(f"{service.url}/v1/")["object"] == "list"
    (asked,) = service.asked
    assert (asked.path, asked.document) == ("/v1/embeddings", ASKED)
    assert asked.headers["authorization"] == "Bearer k"
    assert asked.headers["host"] == service.url.removeprefix("http://")
    assert not {"cookie", "user-agent", "referer"} & set(asked.headers)


def test_one_connection_serves_many_requests(service: Service) -> None:
    ports = set()
    inner = service.document

    def answer(handler: Any, texts: list[str]) -> None:
        ports.add(handler.client_address)
        handler.reply(json.dumps(inner(handler.path, texts)).encode())

    service.answer = answer
    made = door(service.url)
    for _ in range(5):
        made.post("/embeddings", ASKED, {}, most_bytes=100_000)
    made.close()
    assert len(ports) == 1


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:9", False),
        ("http://localhost:9", False),
        ("http://192.0.2.1:9", True),
        ("http://example.org", True),
        ("http://127.0.0.1.example.org", True),
        ("ftp://127.0.0.1", True),
    ],
)
def test_without_tls_only_loopback_and_only_where_allowed(url: str, loopback: bool) -> None:
    with pytest.raises(ConfigError) as caught:
        door(url, loopback=loopback)
    assert caught.value.code == "egress.plain"


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        f"https://{'a' * 70}.example", "https://a..b", "https://[::1", "https://:443", "https://localhost:99999",
        "https://localhost:x", "https://localhost:0", "https://exämple.invalid", "https://example.invalid/ä",
    ],
)  # fmt: skip
def test_an_address_that_is_none_stops_the_start(address: str) -> None:
    for options in ({"url": address}, {"url": "https://example.invalid", "proxy": address}):
        with pytest.raises(ConfigError) as caught:
            door(**options)
        assert caught.value.code == "egress.address"
        assert address not in str(caught.value)


def test_tls_with_the_configured_authority(tmp_path: Path) -> None:
    with serving(Service(), certificate(tmp_path)) as service:
        assert post(service.url, ca=tmp_path / "ca.pem")["object"] == "list"
        assert len(service.asked) == 1


def test_a_certificate_nobody_vouches_for_is_refused_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    with serving(Service(), context) as service:
        assert refused(service.url).code == "egress.tls"
        assert service.received == b""


def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    with serving(Service(), certificate(tmp_path, host="127.0.0.2")) as service:
        assert refused(service.url, ca=tmp_path / "ca.pem").code == "egress.tls"
        assert service.received == b""


def test_a_service_without_tls_behind_https_is_refused(service: Service) -> None:
    assert refused(service.url.replace("http:", "https:")).code == "egress.tls"
    assert service.received == b""


def test_authorities_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    for name in ("bad.pem", "missing.pem"):
        with pytest.raises(ConfigError) as caught:
            door("https://127.0.0.1:9", ca=tmp_path / name)
        assert caught.value.code == "egress.ca"


def test_no_session_secrets_are_written_where_the_environment_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets"))
    with serving(Service(), context) as service:
        post(service.url, ca=tmp_path / "ca.pem")
    assert not (tmp_path / "secrets").exists()


# --- proxies --------------------------------------------------------------------------------------------------------


def test_a_proxy_of_the_environment_is_not_used(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Service()) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        post(service.url)
        assert proxy.received == b""
    assert len(service.asked) == 1


def test_the_configured_proxy_is_asked_for_a_tunnel_and_reads_nothing(tmp_path: Path) -> None:
    with serving(Service(), certificate(tmp_path)) as service, _tunnel() as (port, seen):
        answer = post(service.url, ca=tmp_path / "ca.pem", proxy=f"http://127.0.0.1:{port}")
        assert answer["object"] == "list"
        assert seen[0].startswith(b"CONNECT 127.0.0.1:")
        assert CANARY.encode() not in b"".join(seen)
        assert b"Bearer" not in b"".join(seen)
        assert CANARY.encode() in service.received


class _tunnel:  # noqa: N801 - used as a function
    """A proxy for one connection: answers CONNECT and passes bytes on, keeping what it saw."""

    def __enter__(self) -> tuple[int, list[bytes]]:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._seen: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self._listener.getsockname()[1], self._seen

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(5)

    def _run(self) -> None:
        client, _ = self._listener.accept()
        head = client.recv(65_536)
        self._seen.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        other = threading.Thread(target=self._pass, args=(server, client), daemon=True)
        other.start()
        self._pass(client, server)
        other.join(5)
        client.close()
        server.close()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # one side closes first
            while data := source.recv(65_536):
                self._seen.append(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(service: Service, status: int) -> None:
    with serving(Service()) as elsewhere:
        service.answer = lambda handler, _: handler.reply(b"", status, location=f"{elsewhere.url}/embeddings")
        assert refused(service.url).code == "egress.redirect"
        assert elsewhere.received == b""


@pytest.mark.parametrize("status", [204, 400, 401, 404, 429, 500, 503])
def test_a_refusal_names_its_number_and_nothing_of_its_words(service: Service, status: int) -> None:
    words = b"" if status == 204 else f"you sent {CANARY}".encode()
    service.answer = lambda handler, _: handler.reply(words, status)
    error = refused(service.url)
    assert error.code == "egress.status"
    assert str(status) in error.message


@pytest.mark.parametrize(
    "data",
    [
        b"", b'{"data": [{"emb', b"\xff\xfe", b"<html>", b'{"a": NaN}', b'{"a": Infinity}',
        b"[" * 200_000, b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)  # fmt: skip
def test_an_answer_that_is_not_json_is_refused(service: Service, data: bytes) -> None:
    service.answer = lambda handler, _: handler.reply(data)
    assert refused(service.url, most_bytes=1_000_000).code == "egress.reply"


def test_an_encoded_answer_was_not_asked_for(service: Service) -> None:
    service.answer = lambda handler, _: handler.reply(b"{}", content_encoding="gzip")
    assert refused(service.url).code == "egress.reply"
    assert service.asked[0].headers["accept-encoding"] == "identity"


def test_a_huge_answer_is_not_read_to_its_end(service: Service) -> None:
    sent = []

    def flood(handler: Any, _: list[str]) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(1 << 40))
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 65_536)
            sent.append(1)

    service.answer = flood
    assert refused(service.url).code == "egress.size"
    assert len(sent) < 1_000


@pytest.mark.parametrize("after", ["request", "headers", "half"])
def test_a_connection_that_breaks_off(service: Service, after: str) -> None:
    def cut(handler: Any, _: list[str]) -> None:
        if after != "request":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        if after == "half":
            handler.wfile.write(b'{"data": ')
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    service.answer = cut
    assert refused(service.url).code == "egress.broken"


def test_what_is_not_http_is_refused(service: Service) -> None:
    service.answer = lambda handler, _: handler.wfile.write(b"SSH-2.0-x\r\n\r\n")
    assert refused(service.url).code == "egress.broken"


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refused(f"http://127.0.0.1:{port}").code == "egress.unreachable"
    assert refused("https://nobody.invalid").code == "egress.unreachable"


def drip(chunk: bytes) -> Callable[[Any, list[str]], None]:
    """One byte every twentieth of a second: never silent long enough for a time-out of one read."""

    def answer(handler: Any, _: list[str]) -> None:
        handler.wfile.write(chunk)
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\nx-slow: ", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"]
)
def test_time_is_bounded_over_everything(service: Service, begun: bytes) -> None:
    service.answer = drip(begun)
    began = time.monotonic()
    assert refused(service.url, timeout_s=0.5).code in ("egress.timeout", "egress.broken")
    assert time.monotonic() - began < 20


def test_silence_ends_in_time(service: Service) -> None:
    release = threading.Event()
    service.answer = lambda _, __: release.wait(60) and None
    began = time.monotonic()
    assert refused(service.url, timeout_s=0.3).code == "egress.timeout"
    assert time.monotonic() - began < 20
    release.set()


def test_threads_do_not_share_their_time(service: Service) -> None:
    made = door(service.url, timeout_s=3.0)
    found: list[Any] = []

    def ask() -> None:
        found.extend(made.post("/embeddings", ASKED, {}, most_bytes=100_000)["object"] for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.close()
    assert found == ["list"] * 80


def test_a_child_made_by_fork_leaves_the_parents_connection_alone(service: Service) -> None:
    made = door(service.url)
    made.post("/embeddings", ASKED, {}, most_bytes=100_000)
    child = os.fork()
    if child == 0:
        try:
            made.post("/embeddings", ASKED, {}, most_bytes=100_000)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert made.post("/embeddings", ASKED, {}, most_bytes=100_000)["object"] == "list"
    made.close()
    assert len(service.asked) == 3
