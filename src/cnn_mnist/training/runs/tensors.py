"""A .safetensors file that holds its own checksum, so corruption is detected."""

import hashlib
import json

import safetensors.torch
from torch import Tensor

NO_SHA256 = "0" * 64


def pack(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """A .safetensors file; its metadata holds the file's SHA-256 with zeros in that place."""
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    content = safetensors.torch.save(plain, {**(metadata or {}), "sha256": NO_SHA256})
    return _with_sha256(content, NO_SHA256, hashlib.sha256(content).hexdigest())


def unpack(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A file's tensors and metadata; its checksum is verified, or missing in old files."""
    tensors = safetensors.torch.load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = dict(header.get("__metadata__", {}))
    if metadata.keys() - {"history"}:
        found = metadata.get("sha256", "")
        if hashlib.sha256(_with_sha256(content, found, NO_SHA256)).hexdigest() != found:
            raise ValueError(
                "its checksum is wrong; restore it from a copy, or train the run again"
            )
    return tensors, metadata


def _with_sha256(content: bytes, old: str, new: str) -> bytes:
    return content.replace(f'"sha256":"{old}"'.encode(), f'"sha256":"{new}"'.encode(), 1)
