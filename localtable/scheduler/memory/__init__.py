"""How many bytes an engine takes: weights, keys and values, activations, and what stays when it sleeps.

Figures come from the card's architecture, as vLLM 0.32 reckons them; what an engine reported when it was loaded goes
before them (`calibration.py`). `scripts/check_memory.py` puts both side by side.
"""

from localtable.scheduler.memory.activations import activations_bytes, graphs_bytes
from localtable.scheduler.memory.engine import (
    ACTIVATION_BYTES,
    EngineBytes,
    choose_sleep_level,
    engine_bytes,
    least_cache_bytes,
    useful_bytes,
)
from localtable.scheduler.memory.figures import missing_figures, require_context, require_figures
from localtable.scheduler.memory.kv import KvShape, kv_bytes_per_token, kv_cache_bytes, kv_shape
from localtable.scheduler.memory.observation import Observation, observe
from localtable.scheduler.memory.settings import DTYPE_BYTES, EngineSettings, can_split, cpu_settings
from localtable.scheduler.memory.weights import rank_weights_bytes, weights_bytes

__all__ = [
    "ACTIVATION_BYTES",
    "DTYPE_BYTES",
    "EngineBytes",
    "EngineSettings",
    "KvShape",
    "Observation",
    "activations_bytes",
    "can_split",
    "choose_sleep_level",
    "cpu_settings",
    "engine_bytes",
    "graphs_bytes",
    "kv_bytes_per_token",
    "kv_cache_bytes",
    "kv_shape",
    "least_cache_bytes",
    "missing_figures",
    "observe",
    "rank_weights_bytes",
    "require_context",
    "require_figures",
    "useful_bytes",
    "weights_bytes",
]
