"""Memory that does not suffice (a limit on the address space): one line says which flags to lower."""

import pytest
from runs import pretraining

LARGE = ("--size=tiny", "--bert_seq_length=500", "--max_frames=4")


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "words"), [
    (("--batch_size=100", "--val_batch_size=8"), "for a step of pretrain uniter: lower --batch_size=100"),
    (("--batch_size=1", "--val_batch_size=280"), "for the evaluation: lower --val_batch_size=280"),
])  # fmt: skip
def test_training_says_which_flags_to_lower(server, data_dir, tmp_path, flags, words):
    everything = f"--val_record_pattern={data_dir}/*/*.tfrecords"  # a batch whose one tensor is as large as all memory left
    command = pretraining(data_dir, tmp_path, "uniter", 4, 2, *LARGE, everything, *flags)
    ended = server.run(*command, limited_memory={"megabytes": 1500})
    assert ended.code == 2, ended.output
    assert words in ended.output.splitlines()[-1]
    assert ("or keep it and resume with --remat (docs/memory.md)" in ended.output) == ("a step" in words)
    assert "Traceback" not in ended.output
