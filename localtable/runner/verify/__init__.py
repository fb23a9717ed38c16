"""Whether a store still says what follows from its own turns: every derived fact is derived once more and compared."""

from localtable.runner.verify.disagreement import Disagreement
from localtable.runner.verify.replay import Replay
from localtable.runner.verify.whole import verify_store

__all__ = ["Disagreement", "Replay", "verify_store"]
