"""What the libraries that run models raise for files and texts that they cannot use."""

from __future__ import annotations

from importlib.util import find_spec


def faults() -> tuple[type[Exception], ...]:
    """Of the libraries that are installed; onnxruntime's and safetensors' have no base class but Exception."""
    found: list[type[Exception]] = [OSError, ValueError, LookupError, TypeError, RuntimeError]
    if find_spec("safetensors") is not None:
        from safetensors import SafetensorError

        found.append(SafetensorError)
    if find_spec("onnxruntime") is not None:
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        found += [
            kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)
        ]
    return tuple(found)
