"""A second model, and services on the loopback that embed in the wire formats of OpenAI, Azure and Ollama."""

from __future__ import annotations

import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vault import Principal, Vault
from vault.embedding.interface import Embedder, identity, model_id
from vault.embedding.static import StaticEmbedder
from vault.embedding.unit import unit_rows
from vault.flows.change import subject_of
from vault.flows.context import Caller, calling
from vault.flows.points import open_points
from vault.index.points import models_of

NARROW: Final = 64  # the second model's dimension
_STATIC = StaticEmbedder()
_TURN = np.random.default_rng(7).normal(size=(_STATIC.dimension, NARROW)).astype(np.float32)


class NarrowEmbedder:
    """The shipped model seen through a fixed random projection: near texts stay near, in fewer dimensions."""

    name = "narrow"
    version = "1"
    dimension = NARROW
    address = None

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return unit_rows(_STATIC.embed(texts) @ _TURN)


def configure(vault: Vault, *embedders: Embedder) -> None:
    """The first is the configured one of this open vault; the others are found by their identity."""
    stages = vault._opened()
    known = {identity(one): one for one in embedders}
    stages.embedder = lambda: embedders[0]
    stages.embedder_named = known.__getitem__


def stored_models(vault: Vault, tenant: str = "clinic") -> Counter[frozenset[str]]:
    """How many points have vectors of which models: the shipped one, the narrow one, that of `service_lines`."""
    known = {model_id(identity(one)): one.name for one in (_STATIC, NarrowEmbedder())}
    known[model_id(f"openai:m 1 {NARROW}")] = "openai:m"
    stages, found = vault._opened(), Counter[frozenset[str]]()
    caller = Caller(Principal(tenant, "counter", ("operator",)), "operations")
    with calling(stages, caller, "index.verify") as call:
        for row in call.records.subjects():
            subject = subject_of(call, row.s)
            assert subject is not None
            for _, data in open_points(call.tenant, subject, row.s, call.records.points(row.s)):
                found[frozenset(known.get(model, "another") for model in models_of(data))] += 1
    return found


def configured(vault: Vault, lines: str) -> Path:
    """Close it and write another `[embedder]` into its configuration."""
    folder = vault.folder
    vault.close()
    path = folder / "memvault.toml"
    head, _, tail = path.read_text().partition("[embedder]")
    rest = tail[tail.index("\n[limits]") :]
    path.write_text(f"{head}[embedder]\n{lines}\n{rest}")
    return folder


def service_lines(url: str, **more: str) -> str:
    values = "".join(f"{name} = {value}\n" for name, value in more.items())
    return f"""provider = "openai"
model = "m"
[embedder.remote]
url = "{url}"
dimension = {NARROW}
loopback = true
{values}"""


# --- services -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    document: Any


@dataclass(eq=False)
class Service:
    """Answers as the three do, unless `answer` does something else; keeps every byte that came."""

    dimension: int = NARROW
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    answer: Callable[[_Handler, list[str]], None] | None = None

    def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        rows: list[list[float]] = (NarrowEmbedder().embed(texts) * 3.0).tolist()  # not of length 1
        return rows

    def document(self, path: str, texts: Sequence[str]) -> dict[str, Any]:
        vectors = self.vectors(texts)
        if path.startswith("/api/embed"):
            return {"model": "m", "embeddings": vectors}
        data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        return {"object": "list", "data": data[::-1], "model": "m", "usage": {"total_tokens": 1}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        service = self.server.service
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        service.received += self.requestline.encode() + bytes(self.headers) + body
        document = json.loads(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        service.asked.append(Asked(self.path, headers, document))
        texts = document["input"]
        if service.answer is not None:
            service.answer(self, texts)
        else:
            self.reply(json.dumps(service.document(self.path, texts)).encode())

    def reply(self, data: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on the screen."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: Service

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what is tested."""


@contextmanager
def serving(service: Service, context: ssl.SSLContext | None = None) -> Iterator[Service]:
    """The service on a port of the loopback, with TLS where a context is given."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.service = service
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    service.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path, *, host: str = "127.0.0.1") -> ssl.SSLContext:
    """A server's context with a certificate of its own for one address; `folder/ca.pem` is what to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test service")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(secret + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context
