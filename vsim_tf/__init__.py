"""Multimodal video similarity: videos in, embeddings of at most 256 numbers out."""

__version__ = "0.1.0"
