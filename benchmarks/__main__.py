"""Runs every benchmark, each in a process of its own, and prints one table: python -m benchmarks"""

import subprocess
import sys
from pathlib import Path

from benchmarks.table import HEADER, seconds

if __name__ == "__main__":
    print(HEADER, flush=True)
    for script in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        if script.stem not in ("contest", "ingredients", "profiler", "step_profile", "table"):
            spent = seconds(lambda name=script.stem: subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True))
            print(f"{script.stem}: {spent:.0f} s", flush=True)
