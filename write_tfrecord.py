"""Split the labelled pairs into folds: python write_tfrecord.py --data_dir=data --output_dir=output/folds"""

from vsim_tf.cli import app
from vsim_tf.cli.write_folds import check_flags, check_inputs, define_flags, finished, main

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
