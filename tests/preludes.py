"""What a script's process does before the script, by name.

It gets itself killed, sees a large disk, limits its memory, or becomes one of two workers.
"""

import itertools
import json
import os
import resource
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

FILE_OPERATIONS = ((os, "replace"), (os, "unlink"), (os, "fsync"), (os, "mkdir"), (shutil, "rmtree"))


def killed_at_file_operation(number: int):
    """SIGKILL instead of the file operation with this number, from 0."""
    calls = itertools.count()

    def counted(function):
        def call(*arguments, **keywords):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)

        return call

    for module, name in FILE_OPERATIONS:
        setattr(module, name, counted(getattr(module, name)))


def large_disk():
    """The system says that there is room for everything, as where a quota or another process takes the space."""
    shutil.disk_usage = lambda path: SimpleNamespace(free=10**15)


def limited_memory(megabytes: int):
    """So much address space beyond what is taken."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + megabytes * 2**20,) * 2)


def worker(ports: list[int], index: int):
    """One of the workers that listen at these ports."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
