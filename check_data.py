"""List all that is wrong with a data folder, and what it holds: python check_data.py data

Exit code 0: no problems; 1: problems; 2: there is nothing to check.
"""

from vsim_tf.cli import app
from vsim_tf.cli.check import WORD, check_flags, check_inputs, define_flags, finished, main

__all__ = ["WORD", "check_flags", "check_inputs", "define_flags", "finished", "main"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__, WORD)
