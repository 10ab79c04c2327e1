"""Reasons in the system's words, out of what TensorFlow makes of them."""

import errno
import os

import pytest
import tensorflow as tf

from vsim_tf.errors import system_reason

FULL = "No space left on device"
NODE = "{{function_node __wrapped__SaveV2_device_/job:localhost/replica:0/task:0/device:CPU:0}}"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a"), FULL),
        (OSError("no number"), "no number"),
        (tf.errors.ResourceExhaustedError(None, None, f"{NODE} /a/part.tempstate58; {FULL} [Op:SaveV2]"), FULL),
        (tf.errors.ResourceExhaustedError(None, None, f"{NODE} /a; {FULL}\n\tFailed to flush [Op:Y]"), FULL),
        (tf.errors.PermissionDeniedError(None, None, f"{NODE} /a; Permission denied [Op:Y] name: "), "Permission denied"),
        (tf.errors.DataLossError(None, None, f"{NODE} Checksum differs [Op:RestoreV2]\nmore"), "Checksum differs"),
        (ValueError("a\nb"), "a"),
        (LookupError(), "LookupError"),
    ],
)
def test_reasons(error, reason):
    assert system_reason(error) == reason
