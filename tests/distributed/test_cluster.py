"""Which process of several this is, by TF_CONFIG."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.distributed.cluster import Cluster, cluster, is_chief, worker_shard, workers
from vsim_tf.errors import UserError


@pytest.fixture
def tf_config(monkeypatch):
    return lambda value: monkeypatch.setenv("TF_CONFIG", value if isinstance(value, str) else json.dumps(value))


def config(jobs, kind, index):
    return {"cluster": jobs, "task": {"type": kind, "index": index}}


WORKERS = {"worker": ["a:1", "b:2"]}
CHIEF = {"chief": ["c:0"], "worker": ["a:1", "b:2"]}


@pytest.mark.parametrize("value", [None, "", "{}", '{"task": {"type": "worker", "index": 0}}'])
def test_one_machine(tf_config, monkeypatch, value):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if value is not None:
        tf_config(value)
    assert cluster() is None
    assert (workers(), worker_shard(), is_chief()) == ((), (0, 1), True)


@pytest.mark.parametrize(
    ("value", "addresses", "index"),
    [
        (config(WORKERS, "worker", 0), ("a:1", "b:2"), 0),
        (config(WORKERS, "worker", 1), ("a:1", "b:2"), 1),
        (config(CHIEF, "chief", 0), ("c:0", "a:1", "b:2"), 0),
        (config(CHIEF, "worker", 0), ("c:0", "a:1", "b:2"), 1),
        (config(CHIEF, "worker", 1), ("c:0", "a:1", "b:2"), 2),
    ],
)
def test_one_process_of_several_is_the_chief(tf_config, value, addresses, index):
    tf_config(value)
    assert cluster() == Cluster(addresses, index)
    assert workers() == addresses
    assert worker_shard() == (index, len(addresses))
    assert is_chief() == (index == 0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "an object is needed"),
        ({"cluster": ["a:1"]}, "cluster and task must be objects"),
        ({"cluster": WORKERS, "task": 3}, "cluster and task must be objects"),
        (config(WORKERS | {"evaluator": ["e:1"]}, "evaluator", 0), "task type 'evaluator': evaluation is part of training"),
        (config(WORKERS | {"ps": ["e:1"]}, "worker", 0), "task type 'ps'"),
        (config({"chief": ["a:1", "b:1"]}, "chief", 0), "2 chiefs"),
        (config({"worker": "a:1"}, "worker", 0), "worker is 'a:1': a list of 'host:port'"),
        (config({"worker": ["a"]}, "worker", 0), "a list of 'host:port'"),
        (config({"worker": []}, "worker", 0), "a list of 'host:port'"),
        (config(WORKERS, "chief", 0), "task type is 'chief': one of worker is needed"),
        (config(WORKERS, "worker", 2), "task index is 2: the cluster has worker 0 to 1"),
        (config(WORKERS, "worker", "0"), "task index is '0'"),
        ({"cluster": WORKERS}, "task type is None"),
    ],
)
def test_malformed(tf_config, value, words):
    tf_config(value)
    for ask in (cluster, workers, worker_shard, is_chief):
        with pytest.raises(UserError, match="^TF_CONFIG: ") as caught:
            ask()
        assert words in str(caught.value)
        assert "docs/distributed.md" in str(caught.value)


KEYS = ["cluster", "task", "worker", "type", "index"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["worker", "chief", "a:1", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_cluster_or_refused(value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CONFIG", json.dumps(value))
        try:
            found = cluster()
        except UserError as error:
            assert "\n" not in str(error)
        else:
            assert found is None or 0 <= found.index < len(found.addresses)
