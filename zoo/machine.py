"""Resources of this machine for the process. Needs the standard library only."""

import contextlib
import os
import pathlib
import re
import subprocess
from typing import NamedTuple


class Gpu(NamedTuple):
    """An NVIDIA GPU: its name, its bytes of memory or None, and whether its driver answers."""

    name: str
    memory: int | None = None
    driver: bool = True


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


def gpus(root=pathlib.Path("/")):
    """Returns the NVIDIA GPUs of this machine, a list of `Gpu`, whether anything can use them.

    Args:
        root: folder that holds `proc`.
    """
    text = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
    if found := re.findall(r"^(\S.*), (\d+|\[.*\])$", text, re.M):
        return [Gpu(name, int(mib) * 2**20 if mib.isdecimal() else None) for name, mib in found]
    for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        with contextlib.suppress(OSError):
            found += re.findall(r"^Model:\s*(.*)$", file.read_text(), re.M)
    if found:
        return [Gpu(name) for name in found]
    pattern = r"^\S+ (?:VGA|3D|Display)[^:]*: (NVIDIA.*)$"
    return [Gpu(name, driver=False) for name in re.findall(pattern, _output("lspci"), re.M)]


def gpu_memory():
    """Returns the bytes of the smallest GPU that this process may use, None if unknown."""
    found = gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if all(text.isdecimal() and int(text) < len(found) for text in visible):
        found = [found[int(text)] for text in visible]
    return min((gpu.memory for gpu in found if gpu.memory), default=None)


def _output(*command):
    """Returns what a program prints, "" if it is missing or fails."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30)
        return done.stdout if done.returncode == 0 else ""
    return ""
