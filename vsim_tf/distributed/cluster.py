"""The processes of a run on several machines, as TF_CONFIG names them; the chief alone writes files."""

import json
import os
from typing import Any, NamedTuple

from vsim_tf.errors import UserError

CHIEF, WORKER = "chief", "worker"
EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


class Cluster(NamedTuple):
    """A run on several machines.

    Attributes:
        addresses: host:port of every process, the chief first: the task of type chief, or worker 0 where there is none.
        index: this process's position among them.
    """

    addresses: tuple[str, ...]
    index: int  # type: ignore[assignment]  # hides `tuple.index`


def cluster() -> Cluster | None:
    """The processes that TF_CONFIG names; None without TF_CONFIG or where it names no cluster.

    Raises:
        UserError: TF_CONFIG is malformed, names a task that is not in its cluster, or task types other than chief and worker.
    """
    config = _parse(os.environ.get("TF_CONFIG") or "{}")
    jobs, task = config.get("cluster") or {}, config.get("task") or {}
    if not jobs:
        return None
    _require(isinstance(jobs, dict) and isinstance(task, dict), "cluster and task must be objects")
    for name, addresses in jobs.items():
        accepted = f"{CHIEF} and {WORKER} are accepted"
        _require(name in (CHIEF, WORKER), f"task type {name!r}: evaluation is part of training; {accepted}")
        are_addresses = isinstance(addresses, list) and bool(addresses) and all(map(_is_address, addresses))
        _require(are_addresses, f"{name} is {addresses!r}: a list of 'host:port' is needed")
    chiefs, workers = jobs.get(CHIEF, []), jobs.get(WORKER, [])
    _require(len(chiefs) <= 1, f"{len(chiefs)} chiefs: at most one is accepted")
    kind: Any = task.get("type")
    index: Any = task.get("index")
    _require(kind in jobs, f"task type is {kind!r}: one of {', '.join(jobs)} is needed, as in the cluster")
    known = type(index) is int and 0 <= index < len(jobs[kind])
    _require(known, f"task index is {index!r}: the cluster has {kind} 0 to {len(jobs[kind]) - 1}")
    return Cluster((*chiefs, *workers), index + (len(chiefs) if kind == WORKER else 0))


def workers() -> tuple[str, ...]:
    """Addresses of all processes of a run on several machines; empty on one machine."""
    found = cluster()
    return found.addresses if found else ()


def worker_shard() -> tuple[int, int]:
    """This process's index and the number of processes: (0, 1) on one machine."""
    found = cluster()
    return (found.index, len(found.addresses)) if found else (0, 1)


def is_chief() -> bool:
    """Whether this process writes files: true on one machine, and for one process of several."""
    found = cluster()
    return not found or found.index == 0


def _parse(text: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise _malformed(f"not JSON: {error}") from None
    _require(isinstance(config, dict), "an object is needed")
    return config


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.rpartition(":")[2].isdecimal() and bool(value.rpartition(":")[0])


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise _malformed(message)


def _malformed(message: str) -> UserError:
    return UserError(f"TF_CONFIG: {message}; for example {EXAMPLE} (docs/distributed.md)")
