"""Pre-train one model on tagged videos: python train_pretrain.py --model=uniter_asl --data_dir=data --output_dir=output"""

from vsim_tf.cli import app
from vsim_tf.cli.pretrain import check_flags, check_inputs, define_flags, finished, main, steps_of_runs

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main", "steps_of_runs"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
