"""Video records with titles, tags and few frames."""

import numpy as np

from vsim_tf.records.videos import video_record


def video(name, title="", frames=((1, 0),), tags=None):
    return video_record(name, title, np.array(frames, dtype=np.float16), tags=tags)
