"""The conversion's own process: `python -m localtable.weights.gguf_convert FILE FOLDER`.

It runs apart so that its memory goes when it ends and a crash can't take the caller along. Standard output carries
JSON lines: `{"written": bytes, "of": bytes}` while weights are written, `{"refused": reason}` where it declines;
standard input stays open as long as somebody waits.
Nothing of it depends on time, place or versions, so the same GGUF gives the same bytes twice.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localtable.weights.gguf_tensors import (
    REARRANGING,
    ConversionRefusedError,
    plan_tensors,
    ties_embeddings,
    write_safetensors,
)
from localtable.weights.gguf_tokenizer import write_tokenizer

REPORT_EVERY_BYTES = 32_000_000
WEIGHTS_NAME = "model.safetensors"


def main() -> int:
    """Convert; the exit code is 3 where the conversion is refused."""
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    _prepare_process()
    try:
        convert(source, out)
    except ConversionRefusedError as refusal:
        _report({"refused": str(refusal)})
        return 3
    return 0


def _end_with_the_caller() -> None:
    # The caller holds the other end of standard input; it closes however the caller ends, kill -9 included.
    os.read(0, 1)  # not sys.stdin: its lock would be held when the interpreter ends
    os._exit(1)


def convert(source: Path, out: Path) -> None:
    """Write the model in `source` as a Hugging Face folder.

    Raises:
        ConversionRefusedError: The file holds something that transformers would drop or misread.
    """
    import gguf

    reader = gguf.GGUFReader(str(source))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    architecture = reader.get_field("general.architecture").contents()
    _refuse_unsupported(architecture, reader.fields)
    model, processor = _skeleton(source, architecture, ties_embeddings(tensors))
    planned = plan_tensors(tensors, model, processor)
    write_tokenizer(source, out, context_length=model.config.max_position_embeddings)
    _write_configs(model, reader.fields, out)
    write_safetensors(out / WEIGHTS_NAME, planned, processor, _Progress())


def _prepare_process() -> None:
    """Make what the conversion calls fast; for a process that does nothing else."""
    import gguf
    import numpy as np

    class PlainReader(gguf.GGUFReader):  # type: ignore[misc]  # gguf has no types
        # The header's 300,000 strings are slices; slices of a memory map cost four times those of a plain array.
        data = property(
            lambda self: self.__dict__["data"], lambda self, value: self.__dict__.update(data=np.asarray(value))
        )

    gguf.GGUFReader = functools.cache(PlainReader)  # transformers reads the header once more
    # Called once a module, 319 times for a 0.5B model, with two different arguments.
    gguf.get_tensor_name_map = functools.cache(gguf.get_tensor_name_map)


def _refuse_unsupported(architecture: str, fields: Mapping[str, Any]) -> None:
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES, TENSOR_PROCESSORS

    if architecture not in GGUF_SUPPORTED_ARCHITECTURES:
        raise ConversionRefusedError(f"transformers knows no architecture {architecture!r} in this form")
    if architecture in TENSOR_PROCESSORS and architecture not in REARRANGING:
        raise ConversionRefusedError(f"the tensors of the architecture {architecture!r} need more than renaming")
    scaling = fields.get(f"{architecture}.rope.scaling.type")
    if scaling is not None and scaling.contents() != "none":
        raise ConversionRefusedError(f"it scales positions ({scaling.contents()!r}), which transformers would drop")


def _skeleton(source: Path, architecture: str, tied: bool) -> tuple[Any, Any]:
    """The model without weights, and what knows how its tensors are stored."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor, load_gguf_checkpoint

    settings = load_gguf_checkpoint(str(source), return_tensors=False)["config"]
    settings["tie_word_embeddings"] = tied
    config = AutoConfig.for_model(**{name: _shortest(value) for name, value in settings.items()})
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return model, TENSOR_PROCESSORS.get(architecture, TensorProcessor)(config=settings)


def _shortest(value: Any) -> Any:
    """GGUF stores 32-bit floats: 1e-05 comes out as 9.999999747378752e-06 unless it is written as short as it was."""
    import numpy as np

    if isinstance(value, float) and float(np.float32(value)) == value:
        return float(str(np.float32(value)))
    return value


def _write_configs(model: Any, fields: Mapping[str, Any], out: Path) -> None:
    ids = {}
    for name in ("bos", "eos", "padding"):
        field = fields.get(f"tokenizer.ggml.{name}_token_id")
        if field is not None:
            ids[f"{'pad' if name == 'padding' else name}_token_id"] = int(field.contents())
    config = json.loads(model.config.to_json_string()) | ids
    config["architectures"] = [type(model).__name__]
    config["dtype"] = "bfloat16"
    # The form's version, not the writer's: that would give the same weights another hash with every release.
    config["transformers_version"] = "5.0.0"
    for name in ("_name_or_path", "_model_name_or_path"):
        config.pop(name, None)
    for name, content in (("config.json", config), ("generation_config.json", ids)):
        (out / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _report(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class _Progress:
    """Tells the parent how far the weights are; it sums what is written while the next tensors are computed."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self, written: int, total: int) -> None:
        if written == total or written - self._last >= REPORT_EVERY_BYTES:
            self._last = written
            _report({"written": written, "of": total})


if __name__ == "__main__":
    sys.exit(main())
