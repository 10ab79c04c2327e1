"""How much memory may be taken."""

import pytest

from vsim_tf.io import memory


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "max", "memory.current": "5"}, 2048),
        ({}, 2048),
        ({"memory.max": "1500", "memory.current": "1000", "memory.stat": "anon 7\ninactive_file 300\n"}, 800),
        ({"memory.max": "9000", "memory.current": "1000"}, 2048),
        ({"memory.max": "10", "memory.current": "1000"}, 0),
    ],
)
def test_the_hosts_memory_within_the_containers_limit(tmp_path, monkeypatch, files, expected):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "meminfo").write_text("MemTotal:  9 kB\nMemFree: 1 kB\nMemAvailable:    2 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory.available_memory() == expected


def test_a_system_that_does_not_say_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    assert memory.available_memory() == 0


def test_this_machine_has_some():
    assert memory.available_memory() > 2**20
