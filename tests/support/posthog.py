"""A receiver that speaks PostHog's batch protocol on the loopback, and vaults whose telemetry goes there.

It takes what PostHog takes (docs: `POST /batch/`, plain or gzip), keeps every byte, and answers as PostHog does;
told to, it hangs, resets or fails instead.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID

from vault import Principal, Vault

KEY: Final = "phc_" + "a1B2" * 10
MODES: Final = ("hangs", "resets", "fails")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else self.body)


@dataclass(eq=False)
class Receiver:
    """What came, and how to answer: `takes`, or one of MODES. `Recorded`, like the receivers of other protocols."""

    name: ClassVar[str] = "posthog"
    mode: str = "takes"
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def received(self) -> bytes:
        """Every byte, headers included."""
        return b"\n".join(
            one.line.encode() + json.dumps(one.headers).encode() + one.body for one in self.requests
        )

    def raw(self) -> bytes:
        return b"\n".join(one.line.encode() + b"\n" + one.body for one in list(self.requests))

    def strings(self) -> Iterator[str]:
        for one in list(self.requests):
            yield from _strings(one.document)

    def events(self) -> list[dict[str, Any]]:
        return [event for one in self.requests for event in one.document["batch"]]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    else:
        yield str(value)


def refusal(document: Any) -> str | None:
    """Why PostHog would refuse a batch, or None."""
    if not isinstance(document, dict) or not str(document.get("api_key", "")).startswith("phc_"):
        return "API key not provided"
    batch = document.get("batch")
    if not isinstance(batch, list) or not batch:
        return "batch is empty"
    for event in batch:
        if not event.get("event") or not event.get("distinct_id"):
            return "event without a name or distinct_id"
        UUID(event["uuid"])
        datetime.fromisoformat(event["timestamp"])
        if not isinstance(event["properties"], dict):
            return "properties are no object"
    return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.requests.append(Request(self.requestline, headers, body))
        if receiver.mode == "hangs":
            receiver.released.wait(120)
            self.close_connection = True
        elif receiver.mode == "resets":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif receiver.mode == "fails":
            self.reply({"type": "server_error", "detail": body.decode("latin-1")}, 500)
        elif self.path != "/batch/":
            self.reply({"detail": "not found"}, 404)
        else:
            problem = refusal(receiver.requests[-1].document)
            self.reply(
                {"status": "Ok"} if problem is None else {"detail": problem}, 200 if problem is None else 400
            )

    def reply(self, document: Any, status: int) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on the screen."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver

    def get_request(self) -> Any:
        self.receiver.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is what is tested."""


@contextmanager
def receiving(mode: str = "takes") -> Iterator[Receiver]:
    """A receiver on a port of the loopback."""
    server = _Server(("127.0.0.1", 0), _Handler)
    receiver = server.receiver = Receiver(mode, f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def set_telemetry(folder: Path, url: str | None, **more: object) -> Path:
    """Write the `[telemetry]` of a closed vault: on and going to `url`, or off with None; and `more`."""
    values: dict[str, object] = (
        {"enabled": False} if url is None else {"enabled": True, "endpoint": url, "key": KEY}
    )
    path = folder / "memvault.toml"
    head, _, tail = path.read_text().partition("[telemetry]")
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in {**values, **more}.items())
    path.write_text(f"{head}[telemetry]\n{lines}\n{tail[tail.index('[cli]') :]}")
    return folder


def set_pack(folder: Path, telemetry: dict[str, Any] | None) -> None:
    """Let a closed vault have the pack `baseline`, or one that extends it with this `telemetry.yaml`."""
    name = "baseline"
    if telemetry is not None:
        pack = folder / "own"
        pack.mkdir(exist_ok=True)
        about = {"id": "own", "version": "1.0.0", "title": "t", "min_engine": "0.4.0", "disclaimer": "d"}
        (pack / "pack.yaml").write_text(json.dumps({**about, "extends": ["baseline"]}))
        (pack / "telemetry.yaml").write_text(json.dumps(telemetry))
        name = "./own"
    path = folder / "memvault.toml"
    lines = [
        f'pack = "{name}"' if line.startswith("pack = ") else line for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")


def operator_of(vault: Vault, name: str = "root", tenant: str = "clinic") -> Any:
    return vault.admin(Principal(tenant, name, ("operator",)))


def switched_on(vault: Vault, url: str, **more: object) -> Path:
    """Agree, close, and let the configuration say on: the next one to open the folder sends to `url`."""
    operator_of(vault).telemetry_enable()
    vault.close()
    return set_telemetry(vault.folder, url, **more)
