"""Put first on the path of a child process: every attempt to reach a network is written down and refused.

Sockets of the own machine's file system (AF_UNIX) stay, since an event loop wakes itself through a pair of them.
"""

import os
import socket
from typing import Any

_RECORD = os.environ.get("MEMVAULT_TEST_ATTEMPTS", "")


class NetworkRefusedError(OSError):
    """Something asked for the network."""


def _refuse(what: str) -> NetworkRefusedError:
    with open(_RECORD, "a", encoding="utf-8") as file:  # noqa: PTH123 - as early and as plain as can be
        file.write(what + "\n")
    return NetworkRefusedError(f"refused: {what}")


class _Socket(socket.socket):
    def __init__(self, family: int = -1, kind: int = -1, proto: int = -1, fileno: Any = None) -> None:
        if fileno is None and family not in {socket.AF_UNIX}:
            raise _refuse(f"socket family {family}")
        super().__init__(family, kind, proto, fileno)


def _function(name: str) -> Any:
    def refused(*_args: object, **_kwargs: object) -> Any:
        raise _refuse(name)

    return refused


if _RECORD:
    socket.socket = _Socket  # type: ignore[misc]
    for _name in (
        "getaddrinfo",
        "gethostbyname",
        "gethostbyname_ex",
        "gethostbyaddr",
        "create_connection",
        "create_server",
    ):
        setattr(socket, _name, _function(_name))
