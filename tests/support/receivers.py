"""Receivers on the loopback that keep every byte: of OpenTelemetry's protocol, and of whatever speaks HTTP POST.

`Recorded` is what the leak tests look through; a receiver of another protocol adds itself with the same three members.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Recorded(Protocol):
    """Something that was told of calls, and what it holds."""

    name: str

    def raw(self) -> bytes:
        """Every byte of every body, paths of requests included, headers left out."""

    def strings(self) -> Iterator[str]:
        """Every string and every number of bytes in it, parsed, one by one; bytes as hex."""


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class OtlpReceiver:
    """A collector: takes traces and metrics as protobuf. `status` and `hang_s` make it a bad one."""

    name: str = "otlp"
    status: int = 200
    hang_s: float = 0.0
    reset: bool = False
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def raw(self) -> bytes:
        return b"\n".join(one.path.encode() + b"\n" + one.body for one in list(self.requests))

    def strings(self) -> Iterator[str]:
        for message in self.messages():
            yield from _strings(message)

    def messages(self) -> Iterator[Message]:
        for one in list(self.requests):
            kind = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}[
                one.path
            ]
            yield kind.FromString(one.body)

    def spans(self) -> list[Any]:
        return [
            span
            for message in self.messages()
            if isinstance(message, ExportTraceServiceRequest)
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> dict[str, Any]:
        """The newest of each."""
        return {
            metric.name: metric
            for message in self.messages()
            if isinstance(message, ExportMetricsServiceRequest)
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def _strings(message: Message) -> Iterator[str]:
    for descriptor, value in message.ListFields():
        values = value if descriptor.is_repeated else [value]
        for one in values:
            if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
                yield from _strings(one)
            elif isinstance(one, bytes):
                yield one.hex()
            elif isinstance(one, str):
                yield one


@contextmanager
def receiving(receiver: OtlpReceiver) -> Iterator[OtlpReceiver]:
    """The receiver on a free port of the loopback, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if receiver.hang_s:
                time.sleep(receiver.hang_s)
            if receiver.reset:
                self.connection.close()
                self.close_connection = True
                return
            if receiver.status == 200:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Request(self.path, headers, body))
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that gave up

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
