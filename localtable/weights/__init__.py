"""Weights on this machine: fetched once from a card's sources, checked by content, converted once if need be.

This room knows cards and files, never engines or debates. After a fetch nothing in it opens a socket.
"""

from localtable.weights.hashing import FileSum
from localtable.weights.progress import ConsoleProgress, Progress, SilentProgress, gigabytes
from localtable.weights.source import describe
from localtable.weights.store import ModelFiles, WeightStore

__all__ = [
    "ConsoleProgress",
    "FileSum",
    "ModelFiles",
    "Progress",
    "SilentProgress",
    "WeightStore",
    "describe",
    "gigabytes",
]
