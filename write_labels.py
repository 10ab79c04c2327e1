"""Bring scores of pairs from any scale to similarities: python write_labels.py --scores=scores.csv --scale=0:5"""

from vsim_tf.cli import app
from vsim_tf.cli.write_labels import check_flags, check_inputs, define_flags, finished, main

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
