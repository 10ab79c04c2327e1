"""`Model.save`, killed at its file operations: there is the whole folder or none, and saving again makes it."""

import itertools
import os
import signal

import numpy as np
import pytest
import toy_runs
import toy_towers

import vsim_tf

SAVE = "import sys, vsim_tf\nvsim_tf.load(sys.argv[1], clip_dir=sys.argv[2]).save(sys.argv[3])\n"
STEP = 4
"""Every fourth file operation is one to be killed at."""


@pytest.mark.slow
def test_a_save_that_is_killed(server, tmp_path):
    run, clip = toy_runs.make_run(tmp_path / "run", "uniter", seed=1), toy_towers.write_clip(tmp_path / "clip")
    (tmp_path / "save.py").write_text(SAVE)
    (tmp_path / "out").mkdir()
    command, saved = [tmp_path / "save.py", run, clip, tmp_path / "out/saved"], tmp_path / "out/saved"
    video = {"title": "天地", "pictures": [np.full((8, 8, 3), 90, np.uint8)]}
    expected = vsim_tf.load(run, clip_dir=clip).encode(video)
    for number in itertools.count(0, STEP):
        ended = server.run(*command, killed_at_file_operation={"number": number})
        assert ended.code in (0, -signal.SIGKILL), ended.output
        if saved.exists():
            break
        assert set(os.listdir(tmp_path / "out")) <= {".saved.part", ".saved.lock"}
    assert number >= 5 * STEP
    np.testing.assert_array_equal(vsim_tf.load(saved).encode(video), expected)
