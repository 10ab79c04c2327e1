"""Runs every benchmark, each in a process of its own, and prints one table: python -m benchmarks"""

import subprocess
import sys
from pathlib import Path

from benchmarks.table import HEADER

if __name__ == "__main__":
    print(HEADER, flush=True)
    for script in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        if script.stem not in ("contest", "ingredients", "profiler", "step_profile", "table"):
            subprocess.run([sys.executable, "-m", f"benchmarks.{script.stem}"], check=True)
