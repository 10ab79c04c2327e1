"""The list of medium tests names what is there, and its tests are marked."""

from pathlib import Path

from tiers import MEDIUM, TESTS, is_medium


def test_what_is_medium_exists():
    assert not [name for name in MEDIUM if not (TESTS / name).exists()]


def test_medium_is_a_matter_of_the_path(request):
    assert is_medium(TESTS / "training/test_loop.py")
    assert not is_medium(TESTS / "records/test_labels.py")
    assert not is_medium(Path(__file__))
    marked = {item.path for item in request.session.items if item.get_closest_marker("medium")}
    assert {item.path for item in request.session.items if is_medium(item.path)} <= marked
    assert not request.node.get_closest_marker("medium")
