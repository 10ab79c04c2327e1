"""What models are trained on. Importing the package makes every task known by its name; it loads no TensorFlow."""

from vsim_tf.tasks import contrast, masked_frames, masked_tokens, matching, mixture, pair_similarity, tags

__all__ = ["contrast", "masked_frames", "masked_tokens", "matching", "mixture", "pair_similarity", "tags"]
