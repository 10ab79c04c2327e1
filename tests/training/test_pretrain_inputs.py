"""What a pre-training is refused for before it reads records."""

from pathlib import Path

import pytest
import toys

from vsim_tf.errors import UserError
from vsim_tf.models import hub_weights
from vsim_tf.presets import registry
from vsim_tf.training.pretrain_inputs import PretrainOptions

PATHS = dict.fromkeys(("train_records", "val_records", "test_records", "label_file", "tag_file", "vocab"), "")


def fitted(entries: int, monkeypatch, rows: int):
    """The model for a vocabulary of so many entries, next to token embeddings of so many rows."""
    monkeypatch.setattr(hub_weights, "read_encoder_config", lambda folder, kind: {"vocab_size": rows, "num_layers": 3})
    options = PretrainOptions(
        model=registry.preset("uniter").model, training=toys.stage(), hub_dir="hub", folder=Path("run"), **PATHS
    )
    return options.fitted_model(entries, 5)


@pytest.mark.parametrize(("entries", "rows", "fits"), [(100, 100, True), (99, 100, True), (101, 100, False), (500, 628, False)])
def test_a_vocabulary_has_the_size_of_the_token_embeddings(entries, rows, fits, monkeypatch):
    """Up to padding: there may be unused rows at the end, but a vocabulary that was cut short is refused."""
    if fits:
        encoder = fitted(entries, monkeypatch, rows).encoder
        assert (encoder.vocab_size, encoder.num_layers, encoder.hidden_size) == (rows, 3, 768)
    else:
        with pytest.raises(UserError, match=f"vocabulary has {entries} entries, config.json next to it says {rows}"):
            fitted(entries, monkeypatch, rows)
