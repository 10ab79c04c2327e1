"""Frames of videos or pictures into features, by a CLIP tower, or into records of pictures:

python extract_features.py --table=videos.csv --features=features --output=data/pairwise/pairwise.tfrecords
python extract_features.py --videos=clips --clip_dir=clip-vit-base-patch32 --output=clips.tfrecords
python extract_features.py --annotations=test_a.json --frames=frames/test_a --kind=pictures --output=test_a.tfrecords
"""

from vsim_tf.cli import app
from vsim_tf.cli.extract import check_flags, check_inputs, define_flags, finished, main

__all__ = ["check_flags", "check_inputs", "define_flags", "finished", "main"]

if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
