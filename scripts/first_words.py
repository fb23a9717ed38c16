"""The debate command up to one token of each model, as bare_vllm.py does it: `first_words.py debate FOLDER…`.

Everything that `localtable debate` does until then is done: question and panel read, tokenizers, lengths, engines.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from localtable.config import load_question, parse_panel
from localtable.errors import InterruptedRun
from localtable.places import home, packaged
from localtable.runner import RunOptions, hold_debate
from localtable.runner.events import RunEvent, TextArrived
from localtable.scheduler.pool import EngineLoaded, EngineLoading
from localtable.types import Stop


def main() -> None:
    folders = sys.argv[2:]
    seats = [{"name": f"seat {i}", "model": folder} for i, folder in enumerate(folders)]
    data = {"name": "first", "seats": seats, "sampling": {"max_tokens": 64}}
    panel = parse_panel(data, "the panel", Path.cwd(), default_stop=Stop("unanimous"))
    times: dict[str, dict[str, float]] = {seat.card.id: {} for seat in panel.model_seats}
    model_of = {seat.name: seat.card.id for seat in panel.model_seats}

    def tell(event: RunEvent) -> None:
        match event:
            case EngineLoading(model_id):
                times[model_id]["started"] = time.time()
            case EngineLoaded(model_id):
                times[model_id]["loaded"] = time.time()
            case TextArrived(seat=seat):
                times[model_of[seat]].setdefault("first", time.time())

    def all_spoke() -> bool:
        return all("first" in found for found in times.values())

    question = load_question(packaged("examples") / "questions/open-models.yaml")
    options = RunOptions(home=home(), engine="vllm", tell=tell, should_stop=all_spoke, stream=True)
    with suppress(InterruptedRun):
        hold_debate(question, panel, options)
    for folder, found in zip(folders, times.values(), strict=True):
        print(json.dumps({"folder": folder, **found}), flush=True)


if __name__ == "__main__":
    main()
