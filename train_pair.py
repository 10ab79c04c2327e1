"""Fine-tune one model on labelled pairs: python train_pair.py --model=uniter_asl --folds=0-10 --output_dir=output"""

from vsim_tf.cli import app
from vsim_tf.cli.finetune import check_flags, check_inputs, define_flags, finished, main, steps_of_runs

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main", "steps_of_runs"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
