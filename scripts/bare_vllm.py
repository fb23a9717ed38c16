"""vLLM without localtable, as fast to its first token as a careful script gets it: the yardstick of bench_startup.py.

    python scripts/bare_vllm.py HOW FOLDER…

HOW is a comma-separated list of
    together | one-by-one    several models: forked from one server, all at once, or each when the last has answered
    frozen                   no garbage collection while importing, and what is imported exempt from it afterwards
    trimmed                  what localtable leaves out of vLLM's start left out here too
    spinning                 OpenMP threads that spin while they wait, as the runtimes do by default

One folder is loaded in this very process. Prints one JSON line for each first token.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import multiprocessing.forkserver
import os
import sys
import time

HOW = set(os.environ.get("BARE_VLLM_HOW", "").split(","))
QUIET = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_PLUGINS": "",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


def import_all() -> None:
    if "frozen" in HOW:
        gc.disable()
    import vllm.model_executor.model_loader.default_loader
    import vllm.renderers.hf
    import vllm.v1.engine.llm_engine
    import vllm.v1.executor.uniproc_executor
    import vllm.v1.worker.cpu_worker  # noqa: F401

    if "frozen" in HOW:
        gc.freeze()
        gc.enable()
    if "trimmed" in HOW:
        from localtable.engines.vllm_startup import skip_needless_work

        skip_needless_work()


def first_token(folder: str) -> None:
    from vllm import EngineArgs, SamplingParams
    from vllm.inputs.engine import tokens_input
    from vllm.v1.engine.llm_engine import LLMEngine

    started = time.time()
    engine = LLMEngine.from_engine_args(
        EngineArgs(
            model=folder,
            enforce_eager=True,
            max_model_len=2048,
            max_num_seqs=32,
            max_num_batched_tokens=4096,
            enable_chunked_prefill=False,
            block_size=32,
            kv_cache_memory_bytes=512 * 2**20,
            disable_log_stats=True,
            load_format="safetensors",
            generation_config="vllm",
        )
    )
    loaded = time.time()
    engine.add_request("first", tokens_input(list(range(10, 45))), SamplingParams(max_tokens=1))
    while engine.has_unfinished_requests():
        engine.step()
    print(json.dumps({"folder": folder, "started": started, "loaded": loaded, "first": time.time()}), flush=True)


def child(folder: str) -> None:
    first_token(folder)
    os._exit(0)


def main() -> None:
    os.environ["BARE_VLLM_HOW"] = sys.argv[1]
    os.environ.update(QUIET if "spinning" in sys.argv[1] else QUIET | PASSIVE)
    HOW.update(sys.argv[1].split(","))
    folders = sys.argv[2:]
    if len(folders) == 1:
        import_all()
        first_token(folders[0])
        os._exit(0)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bare_vllm_preload"])
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    running = []
    for folder in folders:
        process = context.Process(target=child, args=(folder,))
        process.start()
        running.append(process)
        if "one-by-one" in HOW:
            process.join()
    for process in running:
        process.join()
    multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]  # so that its CPU time and its children's are counted


if __name__ == "__main__":
    main()
