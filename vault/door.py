"""The one way out: every request that leaves this process goes through here, to the configured host and no other.

https alone, unless loopback is allowed by name; certificates are checked against the system's authorities or the
configured ones; no redirect is followed, no proxy, certificate or password is taken from the environment; time and
size are bounded, the time over everything from the first look-up to the last byte. What goes wrong becomes an
EgressError that says what, never what was sent or answered.
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import ssl
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import SplitResult, urlsplit

import httpcore2 as httpcore

from vault.errors import ConfigError, EgressError

_LOCAL_NAME: Final = "localhost"
_JSON: Final = {"content-type": "application/json"}
_IDENTITY: Final = ("accept-encoding", "identity")


class Door:
    """Sends to one host and returns what it answers. Safe from several threads, and in a child made by fork.

    Raises ConfigError for an address that may not be spoken to, or authorities that cannot be read.
    """

    def __init__(
        self, url: str, *, ca: Path | None, proxy: str | None, loopback: bool, timeout_s: float
    ) -> None:
        parts = _parts(url)
        self.host = parts.hostname or ""
        plain = parts.scheme == "http" and loopback and _is_loopback(self.host)
        if parts.scheme != "https" and not plain:
            raise ConfigError(
                "egress.plain", "only https is spoken; http to this machine's loopback where that is allowed"
            )
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._deadline = _Deadline()
        self._context = _context(ca)
        self._proxy = httpcore.Proxy(_parts(proxy).geturl()) if proxy is not None else None
        self._pool = self._new_pool()
        _live.add(self)

    def _new_pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=self._context, proxy=self._proxy, network_backend=self._deadline, max_connections=16
        )

    def post(self, path: str, document: object, headers: Mapping[str, str], *, most_bytes: int) -> Any:
        """The JSON that the host answers to `document`; raises EgressError for anything else than 200 and JSON."""
        body = json.dumps(document, allow_nan=False).encode()
        return _parsed(self.send(path, body, {**_JSON, **headers}, most_bytes=most_bytes))

    def send(self, path: str, body: bytes, headers: Mapping[str, str], *, most_bytes: int) -> bytes:
        """What the host answers to `body`; raises EgressError for anything else than 200."""
        sent = [_IDENTITY, *headers.items()]
        self._deadline.set(self._timeout_s)
        try:
            with self._pool.stream(
                "POST",
                self._url + path,
                headers=sent,
                content=body,
                extensions={"timeout": {"pool": self._timeout_s}},
            ) as response:
                _check(response)
                return _read(response.iter_stream(), most_bytes)
        except httpcore.TimeoutException:
            raise EgressError("egress.timeout", "the service did not answer in time") from None
        except httpcore.ConnectError as error:
            _raise_unreachable(error)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError):
            raise EgressError("egress.broken", "the connection to the service broke off") from None

    def leave(self) -> None:
        """In a child made by fork: the parent's connections stay the parent's."""
        self._pool = self._new_pool()

    def close(self) -> None:
        self._pool.close()


def _parts(address: str) -> SplitResult:
    """What would fail at the first request, with an error of another library, is refused here."""
    try:
        parts = urlsplit(address.encode("ascii").decode())
        usable = bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            "egress.address", "an address is needed, in ASCII: a scheme, a host, a port up to 65535"
        )
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == _LOCAL_NAME


def _context(ca: Path | None) -> ssl.SSLContext:
    """Checks names and certificates; what the environment says about either is not read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca is not None:
            context.load_verify_locations(cafile=ca)
        else:
            built_in = ssl.get_default_verify_paths()
            places = (Path(built_in.openssl_cafile), Path(built_in.openssl_capath))
            file, folder = (place if place.exists() else None for place in places)
            if file is not None or folder is not None:
                context.load_verify_locations(cafile=file, capath=folder)
    except (OSError, ssl.SSLError):
        raise ConfigError("egress.ca", "the file of certificate authorities cannot be read") from None
    return context


def _raise_unreachable(error: httpcore.ConnectError) -> NoReturn:
    causes = (error.__cause__, error.__context__)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        raise EgressError(
            "egress.tls", "the service could not prove that it is the configured host"
        ) from None
    raise EgressError("egress.unreachable", "the service cannot be reached") from None


def _check(response: httpcore.Response) -> None:
    status = response.status
    if 300 <= status < 400:
        raise EgressError("egress.redirect", "the service points elsewhere; nothing was sent there")
    if status != 200:
        raise EgressError("egress.status", f"the service refused the request (HTTP {status})")
    encodings = {value.lower() for name, value in response.headers if name.lower() == b"content-encoding"}
    if encodings - {b"identity"}:
        raise EgressError("egress.reply", "the service answered in a form that was not asked for")


def _read(chunks: Iterable[bytes], most_bytes: int) -> bytes:
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > most_bytes:
            raise EgressError("egress.size", "the service answered more than was asked for")
        parts.append(chunk)
    return b"".join(parts)


def _parsed(answer: bytes) -> Any:
    try:
        return json.loads(answer, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise EgressError("egress.reply", "the service answered in a form that was not asked for") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


class _Deadline(httpcore.NetworkBackend):
    """Gives every step of a request what is left of its time, so that a slow drip does not go on for ever."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self._local = threading.local()

    def set(self, seconds: float) -> None:
        """Begin a request of this thread."""
        self._local.until = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float:
        rest: float = self._local.until - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout
        return min(rest, math.inf if timeout is None else timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        made = self._inner.connect_tcp(host, port, self.left(timeout), local_address, socket_options)
        return _Stream(made, self)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        made = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(made, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


_live: weakref.WeakSet[Door] = weakref.WeakSet()


def _leave_in_child() -> None:
    for door in list(_live):
        door.leave()


os.register_at_fork(after_in_child=_leave_in_child)
