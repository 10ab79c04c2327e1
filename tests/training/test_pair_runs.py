"""Pairs with features of another tower than those of pre-training."""

from pathlib import Path

import pytest
import toys

from vsim_tf.errors import UserError
from vsim_tf.records.feature_origin import Origin
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.training.pair_runs import PairRun, run_settings

FIRST, SECOND = Origin("/models/first", "a"), Origin("/models/second", "b")


def test_pairs_of_another_tower_are_refused():
    start = RunFolder(Path("pretrain"), {"data": {"features_by": FIRST.to_json()}})
    runs = [PairRun(Path(f"fold-0{number}"), [], [], [], origin) for number, origin in enumerate((FIRST, None, SECOND))]
    wanted = "the pre-training pretrain has those of /models/first, the pairs of fold-02 those of /models/second; make"
    with pytest.raises(UserError, match=wanted):
        run_settings(start, runs, toys.stage())
