"""`tf.train.Example`, which a record holds, without TensorFlow: the same message, read and written by protobuf alone.

Loading TensorFlow takes seconds, and reading a few thousand records less than one.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "tensorflow"
_LISTS = {"bytes_list": "BytesList", "float_list": "FloatList", "int64_list": "Int64List"}
"""What a feature may be, in the order of the fields' numbers."""
_VALUES = {"BytesList": _Field.TYPE_BYTES, "FloatList": _Field.TYPE_FLOAT, "Int64List": _Field.TYPE_INT64}


def _definition() -> Any:
    """TensorFlow's `feature.proto` and `example.proto`, as a file descriptor."""
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package=_PACKAGE, syntax="proto3")
    for name, kind in _VALUES.items():
        file.message_type.add(name=name).field.add(name="value", number=1, type=kind, label=_Field.LABEL_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(_LISTS.items(), 1):
        _add(feature, name, number, kind, oneof_index=0)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    _add(entry, "value", 2, "Feature")
    _add(features, "feature", 1, "Features.FeatureEntry", label=_Field.LABEL_REPEATED)
    _add(file.message_type.add(name="Example"), "features", 1, "Features")
    return file


def _add(message: Any, name: str, number: int, kind: str, label: Any = _Field.LABEL_OPTIONAL, **more: int) -> None:
    """Adds a field that holds a message."""
    type_name = f".{_PACKAGE}.{kind}"
    message.field.add(name=name, number=number, type=_Field.TYPE_MESSAGE, type_name=type_name, label=label, **more)


_POOL = descriptor_pool.DescriptorPool()  # of its own: TensorFlow registers the same names in the common one
_POOL.Add(_definition())

Example: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Example"))
"""The message: `Example().features.feature[key].bytes_list.value`, `Example.FromString(data)`, `SerializeToString()`."""
