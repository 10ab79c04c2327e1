"""Embed videos by one checkpoint into a zip, or by the checkpoints of a model's folds, in one pass over the data:

python inference_pair.py --ckpt_file=output/uniter/fold-00/last/ckpt-3000 --test_file=test_b.tfrecords --output_zip=one.zip
python inference_pair.py --model=uniter --folds=0-10 --data_dir=data --output_dir=output
"""

from vsim_tf.cli import app
from vsim_tf.cli.embed import check_flags, check_inputs, define_flags, finished, main

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
