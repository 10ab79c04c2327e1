"""Average embeddings over folds, sum models by weight, and report: python ensemble_final.py --output_dir=output"""

from vsim_tf.cli import app
from vsim_tf.cli.ensemble import check_flags, check_inputs, define_flags, finished, main

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
