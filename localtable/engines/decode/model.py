"""A Hugging Face folder → a causal language model that answers with logits, and what the engine must know of it.

Only what is in the folder is loaded: safetensors, no code of the model's own, no network.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from localtable.engines.base import EngineSpec
from localtable.engines.decode.attention import grouped_attention_name
from localtable.engines.decode.cache import LayerShape
from localtable.errors import EngineLoadError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import Cache

_LENGTH_DEPENDENT_ROPE = ("dynamic", "longrope")
"""These turn a key by an angle that depends on the longest row beside it, so a kept key may be wrong elsewhere."""


class CausalModel:
    """A loaded model behind one call."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model
        self.device = device
        self.dtype: torch.dtype = model.dtype
        self.vocab_size = int(model.config.get_text_config(decoder=True).vocab_size)
        parameters = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in parameters
        self._keeps_logits = "logits_to_keep" in parameters
        self.weights_bytes = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
        self.eos_ids = _end_ids(model, self.vocab_size)
        cache = self._fill_probe()
        self.layer_shapes = _layer_shapes(cache, device)
        self.can_reuse = self._takes_positions and _keeps_everything(cache) and not _has_length_dependent_rope(model)
        """Whether keys and values of a beginning are the same whatever follows and stands beside it."""

    @property
    def kv_bytes_per_token(self) -> int:
        return sum(shape.bytes_per_token for shape in self.layer_shapes)

    def new_cache(self) -> Cache:
        """An empty cache of the model's own kind."""
        from transformers import DynamicCache

        return DynamicCache(config=self._model.config)

    def forward(
        self,
        token_ids: NDArray[np.int64],
        mask: NDArray[np.int64],
        positions: NDArray[np.int64],
        cache: Cache,
    ) -> torch.Tensor:
        """Run the model over new tokens and give back the logits after the last column.

        Args:
            token_ids: [num_seqs, num_new].
            mask: 1 where a column holds a token, [num_seqs, num_cached + num_new].
            positions: Each new token's place in its own sequence, [num_seqs, num_new].
            cache: Is filled.

        Returns:
            float32, [num_seqs, vocab_size].
        """
        import torch

        def tensor(array: NDArray[np.int64]) -> torch.Tensor:
            return torch.from_numpy(array).to(self.device)

        extra: dict[str, Any] = {"position_ids": tensor(positions)} if self._takes_positions else {}
        if self._keeps_logits:
            extra["logits_to_keep"] = 1
        with torch.inference_mode():
            output = self._model(
                input_ids=tensor(token_ids),
                attention_mask=tensor(mask),
                past_key_values=cache,
                use_cache=True,
                **extra,
            )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _fill_probe(self) -> Cache:
        """Two tokens' keys and values: they show what each layer keeps, better than any reading of a config."""
        cache = self.new_cache()
        places = np.arange(2)[None]  # [1, 2]
        self.forward(np.zeros_like(places), np.ones_like(places), places, cache)
        return cache


def load_model(spec: EngineSpec) -> CausalModel:
    """Load the model of `spec`: float32 on a CPU, the spec's dtype elsewhere.

    Raises:
        EngineLoadError: The folder has no such model, or it does not fit.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    folder = _check_folder(spec)
    device = _find_device(spec)
    # In bfloat16 one rounding of a logit is worth 13 % of a probability, and on a CPU float32 is no slower.
    dtype = torch.float32 if device.type == "cpu" else _find_dtype(spec)
    transformers.utils.logging.disable_progress_bar()
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            attn_implementation=grouped_attention_name() if device.type == "cpu" else "sdpa",
            output_loading_info=True,
        )
        _check_loaded(spec, report)
        return CausalModel(model.eval().to(device), device)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise EngineLoadError(
            f"{spec.model_id} does not fit into the memory of {spec.device} in {dtype}: {_first_line(error)}",
            hint="Take a smaller model, or free memory there.",
        ) from None
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, ImportError, SafetensorError) as error:
        raise EngineLoadError(
            f"{spec.model_id} can't be loaded from {folder}: {_first_line(error)}",
            hint="Check config.json and *.safetensors there, or fetch the model again.",
        ) from error


def _check_folder(spec: EngineSpec) -> Path:
    folder = spec.folder
    if folder is None or not (folder / "config.json").is_file():
        raise EngineLoadError(
            f"{spec.model_id}: {folder or 'no folder'} holds no config.json", hint="Name a Hugging Face folder."
        )
    if not any(folder.glob("*.safetensors")):
        raise EngineLoadError(
            f"{spec.model_id}: {folder} holds no *.safetensors; other weights can run code and are not loaded",
            hint="Convert the weights to safetensors.",
        )
    return folder


def _find_device(spec: EngineSpec) -> torch.device:
    import torch

    try:
        device = torch.device(spec.device)
    except RuntimeError:
        raise EngineLoadError(f"{spec.device!r} is no device", hint="Use cpu, mps or cuda:N.") from None
    num_cuda = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= num_cuda:
        raise EngineLoadError(f"{spec.device} is not here; torch sees {num_cuda} CUDA devices", hint="Use cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise EngineLoadError("mps is not here", hint="Use cpu.")
    return device


def _find_dtype(spec: EngineSpec) -> torch.dtype:
    import torch

    dtype = getattr(torch, spec.dtype, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise EngineLoadError(
            f"{spec.model_id}: the transformers engine can't compute in dtype {spec.dtype!r}",
            hint="Use bfloat16, float16 or float32.",
        )
    return dtype


def _check_loaded(spec: EngineSpec, report: dict[str, Any]) -> None:
    """Refuse a model of which transformers made parts up: it fills missing tensors with noise and only warns."""
    missing = sorted(report.get("missing_keys") or ())
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise EngineLoadError(
            f"{spec.model_id}: {len(missing)} tensors are missing from the weights: {shown}",
            hint="Fetch the model again.",
        )


def _end_ids(model: Any, vocab_size: int) -> frozenset[int]:
    end = model.generation_config.eos_token_id if model.generation_config else None
    if end is None:
        end = model.config.get_text_config(decoder=True).eos_token_id
    ends = [] if end is None else [end] if isinstance(end, int) else end
    return frozenset(token_id for token_id in ends if token_id < vocab_size)


def _layer_shapes(cache: Cache, device: torch.device) -> tuple[LayerShape, ...]:
    layers: list[Any] = [layer for layer in cache.layers if getattr(layer, "keys", None) is not None]
    return tuple(
        LayerShape(layer.keys.shape[1], layer.keys.shape[-1], layer.values.shape[-1], layer.keys.dtype, device)
        for layer in layers
    )


def _keeps_everything(cache: Cache) -> bool:
    """Not so for sliding windows, which forget, and for states, which can't be cut."""
    from transformers.cache_utils import DynamicLayer

    return all(type(layer) is DynamicLayer for layer in cache.layers)


def _has_length_dependent_rope(model: Any) -> bool:
    config = model.config.get_text_config(decoder=True)
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    return str(rope.get("rope_type", rope.get("type"))) in _LENGTH_DEPENDENT_ROPE


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
