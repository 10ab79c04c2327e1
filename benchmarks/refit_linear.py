"""Pre-training that keeps a run's network and fits another linear embedding: python -m benchmarks.refit_linear RUN FLAGS...

FLAGS are those of train_pretrain.py. No loss of pre-training reads the linear embedding, so networks next to any of them are the
same. One step without a rate is made, as a run has at least one; only BatchNorm sees its batch.
"""

import sys
from unittest.mock import patch

from vsim_tf.cli import app, pretrain
from vsim_tf.models.network import VideoNetwork
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.runs.weights import restore_shared_weights
from vsim_tf.training import pretraining

STEP = ("--total_steps=1", "--eval_freq=1", "--warmup_steps=0", "--bert_total_steps=1", "--bert_warmup_steps=0")
WITHOUT_RATE = ("--lr=1e-12", "--bert_lr=1e-12")
NETWORK = r"(?!linear/).*"


def main(run: str, *flags: str) -> None:
    checkpoint = RunFolder.open(run).checkpoint()

    def start_from_run(network: VideoNetwork, *_: str) -> None:
        restored = restore_shared_weights(network, checkpoint, NETWORK)
        print(f"{len(restored)} weights are those of {checkpoint}")

    sys.argv[1:] = [*flags, *STEP, *WITHOUT_RATE]
    pretrain.define_flags()
    with patch.object(pretraining, "start_from_published", start_from_run):
        app.run(pretrain.main, "")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
