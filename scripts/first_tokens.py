"""localtable's workers up to one token each, as bare_vllm.py does it: `first_tokens.py together|one-by-one FOLDER…`."""

from __future__ import annotations

import json
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

from localtable.engines.base import EngineSpec, Request
from localtable.places import home
from localtable.scheduler.messages import Died, EngineHandle, Events, Ready
from localtable.scheduler.worker import Workers
from localtable.types import Sampling


def main() -> None:
    how, *folders = sys.argv[1:]
    with Workers(home()) as workers:
        waiting = list(folders)
        running: dict[EngineHandle, str] = {}
        loaded: dict[EngineHandle, Ready] = {}
        while waiting or running:
            while waiting and (how == "together" or not running):
                folder = waiting.pop(0)
                spec = EngineSpec("vllm", Path(folder).name, Path(folder), "bfloat16", 2048, 32, 512 * 2**20)
                handle = workers.start(spec)
                handle.submit([Request("first", tuple(range(10, 45)), Sampling(max_tokens=1), 1)])
                running[handle] = folder
            wait(list(running), 1)  # type: ignore[arg-type]
            for handle in list(running):
                for message in handle.poll():
                    if isinstance(message, Ready):
                        loaded[handle] = message
                        ready_at = time.time()
                    elif isinstance(message, Died):
                        raise message.error
                    elif isinstance(message, Events):
                        facts = {"started": ready_at - loaded[handle].load_s, "loaded": ready_at, "first": time.time()}
                        print(json.dumps({"folder": running.pop(handle), **facts}), flush=True)


if __name__ == "__main__":
    main()
