"""Types that several rooms share, and names for those that libraries without types leave open. Shapes stand in docstrings."""

import os
from typing import Any, TypeAlias

PathLike: TypeAlias = str | os.PathLike[str]
Shape: TypeAlias = tuple[Any, ...]
"""Of a layer's input: integers, and None for a dimension that is not known, as that of the batch."""
Tensor: TypeAlias = Any
"""A tensor or variable of the Keras backend, or a NumPy array in its place: Keras and TensorFlow have no types of their own."""
