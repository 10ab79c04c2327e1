"""Reasons in the system's words, out of what TensorFlow makes of them."""

import errno
import os

import pytest
import tensorflow as tf

from vsim_tf.errors import system_reason

DEVICE = "_device_/job:localhost/replica:0/task:0/device:CPU:0"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a"), "No space left on device"),
        (
            tf.errors.ResourceExhaustedError(
                None, None, f"{{{{function_node __wrapped__SaveV2{DEVICE}}}}} /a/part.tempstate58; No space left on device [Op:SaveV2]"
            ),
            "No space left on device",
        ),
        (tf.errors.PermissionDeniedError(None, None, "{{function_node x}} /a; Permission denied [Op:Y] name: "), "Permission denied"),
        (
            tf.errors.ResourceExhaustedError(None, None, "{{function_node x}} /a; No space left on device\n\tFailed to flush [Op:Y]"),
            "No space left on device",
        ),
        (tf.errors.DataLossError(None, None, "{{function_node x}} Checksum does not match [Op:RestoreV2]\nmore"), "Checksum does not match"),
        (ValueError("a\nb"), "a"),
        (LookupError(), "LookupError"),
        (OSError("no number"), "OSError"),
    ],
)
def test_reasons(error, reason):
    assert system_reason(error) == reason
