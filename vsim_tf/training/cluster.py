"""Which machine of a multi-worker run this is, by TF_CONFIG: the first one alone writes files."""

import json
import os


def workers() -> list[str]:
    """Addresses of the workers that TF_CONFIG names; empty for a run on one machine."""
    return json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {}).get("worker", [])


def is_chief() -> bool:
    """True on one machine, and on the first of several."""
    return not workers() or json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0
