"""What a control group leaves a process of the machine: memory and processors, in both of Linux's versions.

A container sees the whole machine's memory, and is killed where it takes more than its group may. Groups nest, and the
tightest of them counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
UNLIMITED = 2**60
"""Version 1 writes "no limit" as a number near 2^63."""


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """What the groups of this process allow; None where none of them says anything."""

    memory_bytes: int | None = None
    """The tightest limit."""
    free_bytes: int | None = None
    """What the fullest group has left, file pages that the kernel gives back among it."""
    cores: float | None = None


def read_limits(root: Path = ROOT, membership: Path = MEMBERSHIP) -> CgroupLimits:
    """The limits that hold for this process."""
    memory = [found for group in _groups(root, membership, "memory") if (found := _memory(group))]
    cores = [quota for group in _groups(root, membership, "cpu") if (quota := _cores(group))]
    return CgroupLimits(
        memory_bytes=min((limit for limit, _ in memory), default=None),
        free_bytes=min((free for _, free in memory), default=None),
        cores=min(cores, default=None),
    )


def _groups(root: Path, membership: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's groups for a controller, from its own up to the root."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controller if controllers else root
        # In a container the path may be the host's, which is not to be seen here: what is there of it counts.
        own = top / path.lstrip("/")
        yield from (group for group in (own, *own.parents) if group.is_relative_to(top) and group.is_dir())


def _memory(group: Path) -> tuple[int, int] | None:
    """Limit and what is left of it."""
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        limit = _number(group / limit_file)
        if limit is not None and limit < UNLIMITED:
            used = (_number(group / used_file) or 0) - _file_pages(group / "memory.stat")
            return limit, max(0, limit - max(0, used))
    return None


def _file_pages(path: Path) -> int:
    try:
        entries = dict(line.split() for line in path.read_text().splitlines() if line.count(" ") == 1)
        return sum(int(entries.get(name, 0)) for name in ("inactive_file", "active_file"))
    except (OSError, ValueError):
        return 0


def _cores(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    allowed, every = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    return allowed / every if allowed and every else None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
