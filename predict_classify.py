"""Classes of videos by trained classifiers: python predict_classify.py --model=wbdc_1 --folds=0-4 --output_dir=output"""

from vsim_tf.cli import app
from vsim_tf.cli.predict import check_flags, check_inputs, define_flags, finished, main

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
