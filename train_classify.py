"""Train one classifier on labelled videos: python train_classify.py --model=wbdc_1 --folds=0-4 --output_dir=output"""

from vsim_tf.cli import app
from vsim_tf.cli.classify import check_flags, check_inputs, define_flags, finished, main, steps_of_runs

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main", "steps_of_runs"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
