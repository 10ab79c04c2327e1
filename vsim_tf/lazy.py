"""Modules that are loaded at their first use.

Configurations are read, checked and written without Keras and TensorFlow, which take seconds to load; what they describe needs
both. A component imports them from here and is one class in one file.
"""

import importlib
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras as keras
    import tensorflow as tf
    from keras import ops as ops
else:

    class LazyModule(types.ModuleType):
        """Stands for a module and loads it when an attribute is looked up."""

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self.__name__), name)

    keras, ops, tf = LazyModule("keras"), LazyModule("keras.ops"), LazyModule("tensorflow")

__all__ = ["keras", "ops", "tf"]
