"""Multimodal video similarity: videos in, embeddings of at most 256 numbers out."""

import logging

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # messages are seen by who asks for them, as the scripts do
