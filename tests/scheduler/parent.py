"""A main process for the tests of workers: loads one engine, says what happens, then waits to be ended."""

import json
import sys
from multiprocessing.connection import wait
from pathlib import Path

from localtable.engines.base import Completion, EngineSpec, Failure, Request
from localtable.scheduler.messages import Died, Events, Ready
from localtable.scheduler.worker import ForkServer, modules_to_preload
from localtable.types import Sampling


def main(kind: str, folder: str, home: str) -> None:
    home_path = Path(home)
    modules = modules_to_preload(kind, "cpu") if kind != "scripted" else ["localtable.scheduler.worker_loop"]
    spec = EngineSpec(kind, "model", None if kind == "scripted" else Path(folder), "bfloat16", 512, 8, 64 * 2**20)
    server = ForkServer(modules, "cpu", home_path, home_path / "server.log")
    worker = server.start(spec, home_path / "worker.log")
    worker.submit([Request("first", (1, 2, 3), Sampling(max_tokens=4), seed=1)])
    say({"server": server.pid})
    while True:
        try:
            wait([worker, sys.stdin], 60)
            for message in worker.poll():
                if isinstance(message, Ready):
                    say({"ready": message.info.kind, "worker": worker.pid})
                elif isinstance(message, Events):
                    say(
                        {
                            "done": [
                                isinstance(e, Completion) for e in message.events if isinstance(e, Completion | Failure)
                            ]
                        }
                    )
                elif isinstance(message, Died):
                    say({"died": str(message.error)})
                    return
        except KeyboardInterrupt:
            worker.submit([Request("after Ctrl-C", (1, 2, 3), Sampling(max_tokens=4), seed=1)])
            say({"interrupted": True})


def say(fact: dict[str, object]) -> None:
    print(json.dumps(fact), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
