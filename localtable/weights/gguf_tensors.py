"""GGUF tensors → one safetensors file in bfloat16. Runs inside the conversion's own process only.

transformers can do this too, but reads the header four times, holds all weights in memory and takes four times as
long; this streams one tensor after the other. What knows architectures stays the library's: names, row order and
arithmetic come from its tables, and whatever they don't explain is refused, never guessed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROWS_ELEMENTS = 1_000_000
"""Weights dequantised at once: few enough for their buffers to be used again. Measured on a 1.5B model: 201 million
weights a second, 73 to 120 with whole tensors."""

REARRANGING = frozenset({"llama", "gemma2", "gemma3", "nemotron", "lfm2"})
"""Architectures whose matrices transformers only rearranges, so that rounding them first changes nothing."""

SAME_MATRIX = 0.9
"""Cosine from which two embeddings are one matrix quantised twice. Measured: 0.996 and more where the published model
ties them (Q4_K against Q6_K, Q5_0 against Q8_0); two-bit types keep about 0.95; untied ones have far less."""


class ConversionRefusedError(Exception):
    """The file is sound, but converting it would not give the model that its publisher means."""


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    """Where one tensor of the result comes from."""

    name: str
    source: Any
    """gguf's ReaderTensor."""
    shape: tuple[int, ...]
    moved: bool
    """Whether the architecture rearranges or shifts it."""


def ties_embeddings(tensors: Mapping[str, Any]) -> bool:
    """Whether `output` and `token_embd` are the same matrix.

    Some publishers store it twice, in two quantisations, although the model ties them: a converter that believes the
    file makes a bigger, slower and slightly different model than the published one.
    """
    import numpy as np

    if "output.weight" not in tensors:
        return True
    one, other = tensors["token_embd.weight"], tensors["output.weight"]
    if one.shape.tolist() != other.shape.tolist():
        return False
    rows = np.linspace(0, one.data.shape[0] - 1, num=min(256, one.data.shape[0]), dtype=np.int64)
    a, b = (_values(tensor, rows).astype(np.float64).ravel() for tensor in (one, other))
    return bool(a @ b > SAME_MATRIX * np.sqrt((a @ a) * (b @ b)))


def plan_tensors(tensors: Mapping[str, Any], model: Any, processor: Any) -> list[PlannedTensor]:
    """Which tensor of the file becomes which of the model, in the order in which they are written.

    Raises:
        ConversionRefusedError: A tensor that the model has no place for, or a place that none fills.
    """
    from transformers.modeling_gguf_pytorch_utils import get_gguf_hf_weights_map

    names: dict[str, str] = get_gguf_hf_weights_map(model, processor)
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    sources = dict(tensors)
    if model.config.tie_word_embeddings:
        wanted.pop("lm_head.weight", None)
        output = sources.pop("output.weight", None)
        if output is not None and output.n_bytes > sources["token_embd.weight"].n_bytes:
            sources["token_embd.weight"] = output  # the finer of the two
    planned = {}
    for name, source in sources.items():
        target = names.get(name, "")
        if target not in wanted:
            raise ConversionRefusedError(f"its tensor {name!r} has no place in transformers' {type(model).__name__}")
        planned[target] = _planned(target, name, source, processor)
        if planned[target].shape != wanted[target]:
            raise ConversionRefusedError(
                f"its tensor {name!r} has the shape {planned[target].shape}, the model wants {wanted[target]}"
            )
    if missing := sorted(set(wanted) - set(planned)):
        raise ConversionRefusedError(f"it lacks {len(missing)} tensors of {type(model).__name__}: {missing[0]!r} …")
    return [planned[name] for name in sorted(planned)]


def _planned(target: str, name: str, source: Any, processor: Any) -> PlannedTensor:
    import numpy as np

    blank = np.broadcast_to(np.int16(0), tuple(reversed(source.shape.tolist())))
    placed = processor.process(weights=blank, name=name)
    return PlannedTensor(target, source, placed.weights.shape, placed.weights is not blank)


def write_safetensors(
    path: Path, planned: list[PlannedTensor], processor: Any, report: Callable[[int, int], None]
) -> None:
    """Write the planned tensors in their order; `report` hears bytes written and bytes in all."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in planned:
        start, end = end, end + 2 * math.prod(tensor.shape)
        header[tensor.name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    total = 8 + len(text) + end
    with path.open("wb", buffering=0) as file:  # the parent reads along, up to what was reported
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in planned:
            for rows in _bfloat16_rows(tensor, processor):
                file.write(rows)
                report(file.tell(), total)


def _bfloat16_rows(tensor: PlannedTensor, processor: Any) -> Iterator[bytes]:
    source = tensor.source
    if tensor.moved:
        values = _values(source)
        if len(source.shape) > 1:
            values = _bfloat16(values)
        values = processor.process(weights=values, name=source.name).weights
        yield (values if len(source.shape) > 1 else _bfloat16(values)).tobytes()
        return
    step = max(1, ROWS_ELEMENTS // int(source.shape[0]))
    num_rows = source.n_elements // int(source.shape[0])
    for start in range(0, num_rows, step):
        yield _bfloat16(_values(source, slice(start, start + step))).tobytes()


def _values(source: Any, rows: Any = None) -> Any:
    """Rows of the tensor as 32-bit floats, in its own shape where all are wanted."""
    import gguf

    if rows is None:
        return gguf.dequantize(source.data, source.tensor_type)
    return gguf.dequantize(source.data.reshape(-1, source.data.shape[-1])[rows], source.tensor_type)


def _bfloat16(values: Any) -> Any:
    """32-bit floats → bfloat16, rounded to nearest even, as 16-bit integers."""
    import numpy as np
    import torch

    writable = values if values.flags.writeable else np.array(values)  # norms are read straight from the file
    return torch.from_numpy(writable).to(torch.bfloat16).view(torch.int16).numpy()
