"""What an installation gets: requirements that the pinned ones satisfy, and a wheel with the whole package and nothing else."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import vsim_tf

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def pins(path: Path) -> dict[str, str]:
    """The one version of each package that a file of requirements accepts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = dict(line.split("==") for line in lines)
    assert len(found) == len(lines)
    return found


@pytest.mark.parametrize(
    ("file", "bounds"),
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("tests/requirements.txt", EXTRAS["dev"]),
        ("docs/requirements.txt", EXTRAS["docs"]),
    ],
)
def test_every_pin_is_within_its_bounds(file, bounds):
    for name, pin in pins(ROOT / file).items():
        assert requirements(bounds)[name].specifier.contains(pin), (name, pin)


def test_what_is_installed_is_what_is_pinned():
    assert requirements(PROJECT["project"]["dependencies"]).keys() == pins(ROOT / "requirements.txt").keys()


def test_every_requirement_has_a_lower_bound():
    lines = [*PROJECT["project"]["dependencies"], *EXTRAS["dev"], *EXTRAS["gpu"]]
    assert not [line for line in lines if not any(bound.operator == ">=" for bound in Requirement(line).specifier)]


def test_the_gpu_extra_is_the_tensorflow_of_the_requirements():
    (cuda,) = map(Requirement, EXTRAS["gpu"])
    plain = requirements(PROJECT["project"]["dependencies"])["tensorflow"]
    assert (cuda.name, cuda.extras, cuda.specifier) == (plain.name, {"and-cuda"}, plain.specifier)


def test_the_citation_is_of_this_version():
    assert f"\nversion: {vsim_tf.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    """Built of a copy, as a build leaves folders behind; without a network."""
    if Version(version("setuptools")) < Version("77"):
        pytest.skip("the wheel is built by setuptools 77 or newer, which sh test.sh installs")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("vsim_tf", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir=out", "."]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    assert "deprecated" not in built.stdout + built.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry_points,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/entry_points.txt"))
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "vsim_tf").rglob("*.py")}
    models = {str(path.relative_to(ROOT)) for path in (ROOT / "vsim_tf/pretrained").rglob("*") if path.is_file()}
    assert len(models) > 20
    assert files == modules | models | {"vsim_tf/py.typed", "vsim_tf/ensemble/page/report.html.jinja"}
    assert "vsim-tf = vsim_tf.cli.main:main" in entry_points
