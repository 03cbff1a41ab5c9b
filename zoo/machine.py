"""Resources of this machine for the process. Needs the standard library only."""

import contextlib
import os
import pathlib
import re


def memory(root=pathlib.Path("/")):
    """Returns `(total, free)` bytes that this process may use, None if unknown.

    Args:
        root: folder that holds `proc` and `sys`.
    """
    total = free = None
    groups = ""
    with contextlib.suppress(OSError):
        text = (root / "proc/meminfo").read_text()
        sizes = {k: int(v) * 1024 for k, v in re.findall(r"^(\w+): +(\d+) kB", text, re.M)}
        total, free = sizes["MemTotal"], sizes.get("MemAvailable")
        groups = (root / "proc/self/cgroup").read_text()
    if total is None:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # A container may have less than its machine, by the second or first version of cgroups, and
    # any of the groups around this process may be the one with the limit.
    for first, path in re.findall(r"^\d+:(|[^:]*\bmemory\b[^:]*):/(.*)$", groups, re.M):
        base = root / "sys/fs/cgroup" / ("memory" if first else "")
        names = ("limit_in_bytes", "usage_in_bytes") if first else ("max", "current")
        for folder in (base / path, *(base / part for part in pathlib.Path(path).parents)):
            with contextlib.suppress(OSError, ValueError):
                limit, used = (int((folder / f"memory.{name}").read_text()) for name in names)
                # The cache of read files is released when needed.
                stat = (folder / "memory.stat").read_text()
                used -= max(map(int, re.findall(r"inactive_file (\d+)", stat)), default=0)
                total = min(total or limit, limit)
                free = min(limit if free is None else free, limit - used)
    return total, free
