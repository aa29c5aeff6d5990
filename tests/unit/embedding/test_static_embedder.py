"""The bundled embedder: right numbers, offline, checked files, safe from several threads."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vault.embedding.static import MODEL_FOLDER, StaticEmbedder
from vault.errors import EmbedderError

# The first six numbers of model2vec 0.10's vectors for the shipped files.
MODEL2VEC = {
    "The patient prefers morning appointments.": (-0.05933, -0.07735, -0.17559, 0.0085, 0.04512, -0.15626),
    "Señor Müller's naïve café in 東京 costs €5 – or ¥700?": (
        0.18521,
        -0.042,
        0.41159,
        -0.16241,
        0.13137,
        -0.16961,
    ),
}
OFFLINE = """
import socket, sys, threading
class Refused(socket.socket):
    def __init__(self, *args, **kwargs):
        raise SystemExit("a socket was opened")
socket.socket = Refused
from vault.embedding.static import StaticEmbedder
StaticEmbedder().embed(["hello world"] * 100)
hubs = {"huggingface_hub", "httpx", "requests", "tokenizers", "model2vec", "torch"} & set(sys.modules)
assert not hubs, hubs
assert threading.active_count() == 1
"""


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODEL_FOLDER, tmp_path / "model"))


@pytest.mark.parametrize("text", MODEL2VEC)
def test_vectors_are_those_of_model2vec(embedder: StaticEmbedder, text: str) -> None:
    assert embedder.embed([text])[0, :6] == pytest.approx(MODEL2VEC[text], abs=1e-3)


def test_equals_the_installed_model2vec(embedder: StaticEmbedder) -> None:
    model2vec = pytest.importorskip("model2vec", reason="model2vec is not installed")
    reference = model2vec.StaticModel.from_pretrained(str(MODEL_FOLDER))
    texts = [
        *MODEL2VEC,
        "",
        "x" * 150,
        "tab\tand\nline",
        "½ Ⅷ ﬁne",
        "word " * 900,
        "e\u0301te\u0301 \u200b end",
    ]
    assert embedder.embed(texts) == pytest.approx(reference.encode(texts), abs=1e-3)


def test_near_texts_are_nearer(embedder: StaticEmbedder) -> None:
    asked, near, far = embedder.embed(
        [
            "When is her doctor's appointment?",
            "She visits the clinic on Monday.",
            "The server ran out of disk.",
        ]
    )
    assert asked @ near > asked @ far + 0.1


def test_tokens_count_as_their_label(embedder: StaticEmbedder) -> None:
    token, word = embedder.embed(["write to [EMAIL:k7q2m9]", "write to email"])
    assert token == pytest.approx(word, abs=1e-6)


@pytest.mark.parametrize("text", ["", "   ", "\u200b\ufeff", "\x00", "𓀀𓀁"])
def test_text_without_known_words_is_zero(embedder: StaticEmbedder, text: str) -> None:
    assert not embedder.embed([text]).any()


def test_no_text_gives_no_rows(embedder: StaticEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 256)


def test_a_vector_does_not_depend_on_its_batch(embedder: StaticEmbedder) -> None:
    texts = ["one red car", "two long words here", ""]
    together = embedder.embed(texts)
    for row, text in enumerate(texts):
        assert np.array_equal(together[row], embedder.embed([text])[0])


def test_a_very_long_text_is_embedded_whole(embedder: StaticEmbedder) -> None:
    mixed, start = embedder.embed(["apple " * 5000 + "zebra " * 5000, "apple"])
    assert np.linalg.norm(mixed) == pytest.approx(1.0, abs=1e-5)
    assert mixed @ start < 0.9


def test_threads_share_one_load() -> None:
    fresh = StaticEmbedder()
    texts = [f"fact number {n} about a red car" for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: fresh.embed([text])[0], texts))
    assert np.array_equal(np.array(rows), fresh.embed(texts))


def test_needs_no_network_no_thread_and_no_model_library() -> None:
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(EmbedderError) as caught:
        StaticEmbedder(copy).embed(["hello"])
    assert caught.value.code == "embedder.integrity"


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    with pytest.raises(EmbedderError) as caught:
        StaticEmbedder(copy).load()
    assert caught.value.code == "embedder.missing"


@pytest.mark.parametrize(
    "manifest", [None, b"{", b"[]", b"{}", b'{"name": "n", "version": "v", "dimension": 2}']
)
def test_a_bad_manifest_is_refused(copy: Path, manifest: bytes | None) -> None:
    if manifest is None:
        (copy / "manifest.json").unlink()
    else:
        (copy / "manifest.json").write_bytes(manifest)
    with pytest.raises(EmbedderError) as caught:
        StaticEmbedder(copy)
    assert caught.value.code == "embedder.manifest"


def _rewrite(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and enter its hash in the manifest, as someone would who builds a model."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tokenizer.json", b'{"model": {"vocab": {"one": 0}}}'),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b'{"model": {"vocab": [' + b"0," * 29524 + b"0]}}"),
        ("tokenizer.json", b"not json"),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 64),
        ("model.safetensors", (2).to_bytes(8, "little") + b"{}"),
        ("model.safetensors", (4).to_bytes(8, "little") + b"null"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(copy: Path, name: str, data: bytes) -> None:
    _rewrite(copy, name, data)
    with pytest.raises(EmbedderError) as caught:
        StaticEmbedder(copy).load()
    assert caught.value.code == "embedder.format"


def test_the_manifest_names_what_it_is() -> None:
    manifest = json.loads((MODEL_FOLDER / "manifest.json").read_text())
    embedder = StaticEmbedder()
    assert (embedder.name, embedder.dimension) == ("static-minilm-256", 256)
    assert embedder.version == manifest["version"]
    assert manifest["source"]["sha256"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def test_the_shipped_files_stay_small() -> None:
    assert sum(path.stat().st_size for path in MODEL_FOLDER.iterdir()) < 16 * 1024 * 1024
