"""The GPUs of this machine as its driver lists them, without TensorFlow."""

import functools
import os
import subprocess
from typing import NamedTuple

VISIBLE = "CUDA_VISIBLE_DEVICES"
BFLOAT16_CAPABILITY = (8, 0)
"""NVIDIA's compute capability from which on GPUs multiply bfloat16 in hardware (Ampere)."""
_QUERY = ("nvidia-smi", "--query-gpu=index,compute_cap", "--format=csv,noheader")


class Gpu(NamedTuple):
    """A GPU: its name in CUDA_VISIBLE_DEVICES, and its compute capability, (0, 0) where the driver does not tell."""

    name: str
    compute_capability: tuple[int, int]


def visible_gpus() -> list[Gpu]:
    """The GPUs that a process started here may use; none without nvidia-smi."""
    installed = _installed_gpus()
    chosen = os.environ.get(VISIBLE)
    if chosen is None or not installed:
        return list(installed)
    capabilities = dict(installed)
    names = []
    for name in chosen.split(","):  # CUDA ends at the first name that is none
        if not name.strip() or name.strip() == "-1":
            break
        names.append(name.strip())
    return [Gpu(name, capabilities.get(name, min(capabilities.values()))) for name in names]


def multiply_bfloat16(capabilities: list[tuple[int, int]]) -> bool:
    """Whether there are GPUs and all of them multiply bfloat16 in hardware."""
    return bool(capabilities) and all(capability >= BFLOAT16_CAPABILITY for capability in capabilities)


def likely_precision(wanted: str) -> str:
    """What `vsim_tf.distributed.device.suitable_precision` will say, unless TensorFlow sees other GPUs than the driver."""
    if wanted != "auto":
        return wanted
    return "mixed_bfloat16" if multiply_bfloat16([gpu.compute_capability for gpu in visible_gpus()]) else "float32"


@functools.cache
def _installed_gpus() -> tuple[Gpu, ...]:
    try:
        answer = subprocess.run(_QUERY, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_gpu(line) for line in answer.splitlines() if line.strip())


def _gpu(line: str) -> Gpu:
    index, _, capability = line.partition(",")
    major, _, minor = capability.strip().partition(".")
    known = major.isdecimal() and minor.isdecimal()
    return Gpu(index.strip(), (int(major), int(minor)) if known else (0, 0))
