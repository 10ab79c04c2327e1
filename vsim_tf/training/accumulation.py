"""Gradients of a batch that is cut into micro-batches, so that fewer activations are in memory at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.tasks.global_batch import GlobalBatch

Batch = VideoBatch | PairBatch
LogsAndGradients = tuple[dict[str, tf.Tensor], list[tf.Tensor | None]]
Pass = Callable[[Batch, GlobalBatch], LogsAndGradients]
"""A forward and backward pass over a batch of a replica: its parts of the logged means and of the gradients, None for none."""


def accumulated(one_pass: Pass, variables: Sequence[tf.Variable], parts: int) -> Pass:
    """The pass that takes a batch in micro-batches, one after the other, and sums what comes out.

    Losses divide by counts of the global batch, so the sums are those of one pass over the whole, to rounding; dropout draws its
    masks for each micro-batch. Micro-batches are equally large but for one example.

    Args:
        one_pass: what it consists of; its results are sums over examples.
        variables: those that the gradients are of.
        parts: number of micro-batches, at most as many as a batch has examples.
    """

    def dense_pass(batch: Batch, world: GlobalBatch) -> LogsAndGradients:
        logs, gradients = one_pass(batch, world)
        return logs, [_dense(gradient, variable) for gradient, variable in zip(gradients, variables, strict=True)]

    # traced once, whatever the number of micro-batches: it says which gradients there are, and is the body of the loop
    micro_pass = tf.function(dense_pass, reduce_retracing=True, autograph=False)

    def whole_pass(batch: Batch, world: GlobalBatch) -> LogsAndGradients:
        bounds = _bounds(tf.shape(batch.elements[0].num_frames)[0], parts)

        def micro_batch(i: tf.Tensor) -> tuple[Batch, GlobalBatch]:
            first, end = bounds[i], bounds[i + 1]
            return _rows(batch, first, end), world.part(first, end)

        specs = tf.nest.map_structure(_spec, micro_batch(tf.constant(0)))
        outputs = micro_pass.get_concrete_function(*specs).structured_outputs
        zeros = [tf.zeros(output.shape, output.dtype) for output in tf.nest.flatten(outputs) if output is not None]

        def add(i: tf.Tensor, sums: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
            terms = [term for term in tf.nest.flatten(micro_pass(*micro_batch(i))) if term is not None]
            return i + 1, [total + term for total, term in zip(sums, terms, strict=True)]

        # one at a time: parallel iterations would hold the activations of several
        _, sums = tf.while_loop(lambda i, sums: i < parts, add, (tf.constant(0), zeros), parallel_iterations=1)
        found = iter(sums)
        present = [None if output is None else next(found) for output in tf.nest.flatten(outputs)]
        whole: LogsAndGradients = tf.nest.pack_sequence_as(outputs, present)
        return whole

    return whole_pass


def micro_batch_sizes(size: int, parts: int) -> set[int]:
    """How many examples the micro-batches of a batch have: one number or two."""
    return {size // parts, -(-size // parts)}


def _bounds(size: tf.Tensor, parts: int) -> tf.Tensor:
    """First rows of the micro-batches of a batch, and its size, `[parts + 1]`."""
    least, more = size // parts, size % parts
    return tf.concat([[0], tf.cumsum(least + tf.cast(tf.range(parts) < more, tf.int32))], axis=0)


def _rows(batch: Batch, first: tf.Tensor, end: tf.Tensor) -> Batch:
    cut: Batch = tf.nest.map_structure(lambda field: None if field is None else field[first:end], batch)
    return cut


def _spec(value: Any) -> Any:
    """The specification of a tensor of any number of rows; other values as they are."""
    return tf.TensorSpec([None, *value.shape[1:]] if value.shape.rank else [], value.dtype) if tf.is_tensor(value) else value


def _dense(gradient: tf.Tensor | tf.IndexedSlices | None, variable: tf.Variable) -> tf.Tensor | None:
    return None if gradient is None else tf.ensure_shape(tf.convert_to_tensor(gradient), variable.shape)
