"""What a session has seen of its engines, kept for the next plan: loads, bytes, and how fast they really were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from localtable.engines.base import EngineInfo
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.devices import Machine
from localtable.scheduler.memory import Observation, observe
from localtable.scheduler.seating import Seated
from localtable.scheduler.timeline import Interval
from localtable.store import Store

LEAST_S = 5.0
"""Of generating, below which a speed says little."""


class Learning:
    """Writes down what engines took and how long it lasted."""

    def __init__(self, calibration: Calibration, seated: Mapping[str, Seated], machine: Machine) -> None:
        """Nothing is written before something was seen.

        Args:
            calibration: Where it goes.
            seated: The models, by card id.
            machine: What they run on.
        """
        self._calibration = calibration
        self._seated = seated
        self._machine = machine
        self._loaded: set[str] = set()
        self._generating: defaultdict[str, float] = defaultdict(float)

    def loaded(self, model_id: str, info: EngineInfo, seconds: float) -> None:
        """An engine is ready."""
        first = model_id not in self._loaded
        self._loaded.add(model_id)
        self._remember(model_id, observe(info, seconds, first=first))

    def spent(self, intervals: Iterable[Interval]) -> None:
        """Engines did something for a while."""
        for interval in intervals:
            if interval.phase == "generate":
                self._generating[interval.model_id] += interval.ended_s - interval.began_s

    def ended(self, store: Store) -> None:
        """The session is over: what its engines generated, and how long they took, say how fast they are.

        One time for prompts and decoding together can't tell the two apart, so the formulas' share of each is kept and
        both are scaled alike.
        """
        rows = store.query(
            "SELECT model, sum(prompt_tokens - cached_tokens), sum(completion_tokens) FROM generations"
            " WHERE session = ? AND origin IS NULL GROUP BY model",
            store.session,
        )
        for model_id, prompt, completion in list(rows):
            seconds, seat = self._generating[model_id], self._seated.get(model_id)
            if seat is None or seconds < LEAST_S or not completion:
                continue
            num_rows, context = seat.wish.max_num_seqs, seat.wish.max_model_len / 2
            prefill, decode = seat.speed.prefill_s(1), seat.speed.decode_s(num_rows, context)
            scale = seconds / (prompt * prefill + completion * decode)
            self._remember(
                model_id,
                Observation(
                    prefill_tokens_per_s=1 / (prefill * scale), decode_tokens_per_s={num_rows: 1 / (decode * scale)}
                ),
            )

    def _remember(self, model_id: str, seen: Observation) -> None:
        seat = self._seated.get(model_id)
        if seat is not None:
            device = self._machine.devices[seat.spot.devices[0]]
            self._calibration.remember(seat.wish.card, seat.settings, device, seen)
