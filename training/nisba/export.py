"""The names of a model as ONNX, for onnxruntime and tokenizers alone: ``nisba export --model runs/quickstart``."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.onnx.errors import OnnxExporterError

from nisba.files import atomic_folder, digest
from nisba.predict import load

MODEL, EXAMPLE, WEIGHTS = "model.onnx", "onnx_example.py", "weights.sha256"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INPUTS = ("input_ids", "attention_mask")
OPSET = 18  # of the operators
LARGEST = 2**31 - 1  # bytes that one ONNX file holds
TOLERANCE = 1e-4  # between logits of the file and of the model


class ExportError(RuntimeError):
    """A model that cannot be exported, or packages that are missing for it."""


class Names(nn.Module):
    """The name head as a function of tensors, W × L → W × L × tags. What else an encoder can be given it fills in itself."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def export(model_folder: Path, output: Path, *, opset: int = OPSET) -> Path:
    """Write ``model.onnx`` into the folder ``output``, with tokenizer and configuration, and a script that finds names with them.

    The file takes int64 ``input_ids`` and ``attention_mask``, W × L of any size up to the encoder's longest window, and gives
    float32 ``logits``, W × L × tags (``id2label`` in ``config.json``). It is compared with the model before it takes its place.

    ``weights.sha256`` says of which weights it is. Returns the path of ``model.onnx``. Raises ExportError, ModelError, OSError.
    """
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ExportError(f"export needs the package {package}: pip install 'nisba[onnx]'") from error
    predictor = load(model_folder, device="cpu")
    names = Names(predictor.model.names.float())
    size = sum(weight.numel() * weight.element_size() for weight in names.parameters())
    if size > LARGEST:
        raise ExportError(f"{model_folder}: {size / 1e9:.1f} GB of weights; an ONNX file holds 2 GB")
    notice = model_folder / "NOTICE"
    with atomic_folder(output, marker=MODEL) as partial, exact():
        write(names, partial / MODEL, opset)
        gap = max(difference(names, partial / MODEL, shape) for shape in ((1, 5), (3, predictor.window)))
        if not gap <= TOLERANCE:
            raise ExportError(f"{model_folder}: the exported logits differ from the model's by {gap:.1e}")
        predictor.tokenizer.backend_tokenizer.save(str(partial / "tokenizer.json"))
        predictor.model.names.config.to_json_file(str(partial / "config.json"))
        (partial / EXAMPLE).write_text(script(), encoding="utf-8")
        (partial / WEIGHTS).write_text(digest(model_folder / "model.safetensors") + "\n", encoding="utf-8")
        if notice.is_file():
            (partial / "NOTICE").write_bytes(notice.read_bytes())
    return output / MODEL


def script() -> str:
    """A program of a few lines that finds names with the file, the tokenizer and the configuration."""
    return (resources.files("nisba") / "templates" / EXAMPLE).read_text(encoding="utf-8")


def write(names: Names, file: Path, opset: int) -> None:
    """Trace the head and save it. Raises ExportError where the encoder does something that ONNX cannot say."""
    axes = {0: "batch", 1: "sequence"}
    with quiet():
        try:
            program = torch.onnx.export(
                names,
                sample((2, 16)),
                dynamo=True,
                input_names=INPUTS,
                output_names=("logits",),
                dynamic_shapes=(axes, axes),
                opset_version=opset,
                verbose=False,
            )
        except OnnxExporterError as error:
            raise ExportError(f"the encoder cannot be exported: {str(error).strip().splitlines()[0]}") from error
    if program is None:
        raise ExportError("the encoder cannot be exported")
    anonymous(program.model)
    program.save(file, external_data=False)


def anonymous(model: Any) -> None:
    """Take the exporter's notes off the graph and all its parts: they hold lines and paths of the code that was traced."""
    parts = [model, model.graph, *model.functions.values(), *model.graph.all_nodes()]
    values = [
        *model.graph.inputs,
        *model.graph.initializers.values(),
        *(v for node in model.graph.all_nodes() for v in node.outputs),
    ]
    for part in (*parts, *values):
        part.doc_string = None
        part.metadata_props.clear()


def difference(names: Names, file: Path, shape: tuple[int, int]) -> float:
    """The largest difference between a logit of the file and one of the model."""
    inputs = sample(shape)
    session = importlib.import_module("onnxruntime").InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {name: tensor.numpy() for name, tensor in zip(INPUTS, inputs, strict=True)})
    with torch.inference_mode():
        expected = names(*inputs)
    return float((torch.from_numpy(found) - expected)[inputs[1].bool()].abs().max())


def sample(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Sub-words and attention mask of that shape; of the last window the second half is padding."""
    windows, length = shape
    ids = torch.arange(windows * length).view(shape) % 97 + 3  # any but what is often a padding token
    attention = torch.ones_like(ids)
    attention[-1, (length + 1) // 2 :] = 0
    return ids, attention


@contextmanager
def exact() -> Iterator[None]:
    """Single precision throughout: ``predict.prefer_onednn`` lets some processors round."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that are not installed and on names of axes."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
