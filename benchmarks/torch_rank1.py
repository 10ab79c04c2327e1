"""The pre-training step of the 1st place in PyTorch, the peer of `large_step`: transformers' BERT with the same heads and losses.

Work that changes no number is left out where PyTorch gains by it too: the embedding, which no loss reaches, the second table of
token embeddings, and logits where no token or frame is masked or a candidate frame is padding.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertEmbeddings, BertOnlyMLMHead

from vsim_tf.golden.qq_weights import torch_weights
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.models.architectures import SingleStream
from vsim_tf.models.network import VideoNetwork
from vsim_tf.optim.settings import Adam
from vsim_tf.records.schema import IGNORED_TOKEN, VideoBatch
from vsim_tf.runs.stage import Stage

Batch = dict[str, torch.Tensor]


class Rank1(nn.Module):
    """`qq_job1`, its modules named as in the original."""

    def __init__(self, model: SingleStream):
        super().__init__()
        config = bert_config(model.encoder)
        self.roberta = nn.Module()
        self.roberta.bert = bert = BertModel(config, add_pooling_layer=False)
        bert.video_fc = nn.Linear(model.frames.dim, config.hidden_size)
        bert.video_embeddings = BertEmbeddings(config)
        del bert.video_embeddings.word_embeddings
        self.roberta.cls = untied_head(config, config.vocab_size)
        self.roberta_mvm_lm_header = untied_head(config, model.frames.dim)
        self.newfc_tag = nn.Linear(config.hidden_size, model.num_tags)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The unweighted terms of the loss."""
        states = self.states(batch)
        real, masked, width = batch["real_frames"], batch["masked_frames"], batch["frames"].shape[1]
        predicted = self.roberta_mvm_lm_header(states[:, 1 : 1 + width][masked])
        logits = predicted @ batch["original_frames"][real].T
        own = (torch.cumsum(real.flatten(), 0) - 1)[masked.flatten()]
        tokens = batch["tokens"][:, 1:]
        chosen = tokens != IGNORED_TOKEN
        words = self.roberta.cls(states[:, 1 + width :][chosen])
        tags = self.newfc_tag(functional.relu(states[:, 0]))
        return {
            "tag": functional.binary_cross_entropy_with_logits(tags.float(), batch["tags"]),
            "mlm": functional.cross_entropy(words.float(), tokens[chosen]),
            "mfm": functional.cross_entropy(logits.float(), own),
        }

    def states(self, batch: Batch) -> torch.Tensor:
        """Of [CLS], frames and the other tokens, `[batch, length, hidden]`."""
        bert = self.roberta.bert
        text, frames = bert.embeddings(batch["ids"]), bert.video_embeddings(inputs_embeds=bert.video_fc(batch["frames"]))
        states = torch.cat([text[:, :1], frames, text[:, 1:]], dim=1)
        mask = torch.cat([batch["mask"][:, :1], batch["real_frames"], batch["mask"][:, 1:]], dim=1)
        return bert.encoder(states, attention_mask=mask[:, None, None]).last_hidden_state

    def load(self, network: VideoNetwork):
        """Takes over the weights of a network of this package."""
        theirs = dict(self.named_parameters())
        ours = torch_weights(network, theirs)
        if missing := set(theirs) - set(ours):
            raise ValueError(f"no weights for {sorted(missing)}")
        with torch.no_grad():
            for name, parameter in theirs.items():
                parameter.copy_(torch.from_numpy(np.array(ours[name].read())))


def bert_config(encoder: EncoderConfig) -> BertConfig:
    """The same sizes for transformers, with scaled dot product attention."""
    return BertConfig(
        vocab_size=encoder.vocab_size, hidden_size=encoder.hidden_size, num_hidden_layers=encoder.num_layers,
        num_attention_heads=encoder.num_heads, intermediate_size=encoder.intermediate_size,
        max_position_embeddings=encoder.max_positions, hidden_dropout_prob=encoder.hidden_dropout,
        attention_probs_dropout_prob=encoder.attention_dropout, pad_token_id=encoder.padding_token, attn_implementation="sdpa",
    )  # fmt: skip


def untied_head(config: BertConfig, outputs: int) -> BertOnlyMLMHead:
    """Linear → GELU → LayerNorm → Linear to so many outputs."""
    head = BertOnlyMLMHead(config)
    head.predictions.decoder = nn.Linear(config.hidden_size, outputs)
    head.predictions.bias = head.predictions.decoder.bias
    return head


def torch_batch(batch: VideoBatch) -> Batch:
    """The tensors of a batch of this package."""
    fields = {"ids": batch.input_ids, "mask": batch.attention_mask, "frames": batch.frames, "tags": batch.targets["tags"]}
    fields |= {"original_frames": batch.targets["frames"]} | {key: batch.targets[key] for key in ("tokens", "masked_frames")}
    types = {"frames": "float32", "original_frames": "float32", "tags": "float32", "mask": "bool", "masked_frames": "bool"}
    tensors = {name: torch.from_numpy(field.numpy().astype(types.get(name, "int64"))) for name, field in fields.items()}
    frames = torch.arange(batch.frames.shape[1]) < torch.from_numpy(batch.num_frames.numpy())[:, None]
    return tensors | {"real_frames": frames}


def adamw(model: Rank1, stage: Stage) -> torch.optim.Optimizer:
    """AdamW with the rates and decays of a stage's groups, as one fused operation."""
    settings: Adam = stage.optimizer
    members = {}
    for name, parameter in model.named_parameters():
        group = "encoder" if "roberta" in name else "head"
        plain = name.endswith("bias") or "LayerNorm" in name
        members.setdefault((group, 0.0 if plain else settings.decay), []).append(parameter)
    groups = [
        {"params": parameters, "lr": stage.groups[group].schedule.peak, "weight_decay": decay}
        for (group, decay), parameters in members.items()
    ]
    return torch.optim.AdamW(groups, eps=settings.epsilon, fused=True)


def weighted(stage: Stage, terms: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The terms of the loss with their weights, and their sum as "loss"."""
    found = {name: stage.tasks[name].weight * term for name, term in terms.items()}
    return found | {"loss": sum(found.values())}


def losses_and_norm(network: Rank1, stage: Stage, batch: VideoBatch) -> dict[str, float]:
    """The weighted terms of the loss, their sum, and the norm of all its gradients together."""
    found = weighted(stage, network(torch_batch(batch)))
    found["loss"].backward()
    norm = nn.utils.get_total_norm([each.grad for each in network.parameters() if each.grad is not None])
    return {name: float(value.detach()) for name, value in (found | {"norm": norm}).items()}


def torch_step(model: SingleStream, stage: Stage, batch: VideoBatch) -> Callable[[], float]:
    """A training step; in bfloat16 by autocast."""
    network = Rank1(model).train()
    optimizer, tensors = adamw(network, stage), torch_batch(batch)

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=stage.precision == "mixed_bfloat16"):
            terms = network(tensors)
        loss = weighted(stage, terms)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()  # behind the step, so that no gradients are held while others are measured
        return float(loss.detach())

    return step
