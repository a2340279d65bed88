from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
THIS = f"3.{sys.version_info.minor}"


def read_requirements(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


@pytest.mark.parametrize(
    "name",
    [
        *("requirements.txt", "requirements-dev.txt", "requirements-gpu.txt"),
        *("requirements-serve.txt", "requirements-examples.txt", "constraints.txt"),
    ],
)
def test_every_requirement_is_pinned_and_no_other_index_is_named(name: str) -> None:
    requirements = read_requirements(name)
    for requirement in requirements:
        assert re.fullmatch(
            r"-r requirements(-serve|-examples)?\.txt|-c constraints\.txt"
            r"|[A-Za-z0-9_-]+(\[[a-z-]+\])?==\d+(\.(post)?\d+)*"
            r'(; python_version (<|>=) "3\.1[12]")?',
            requirement,
        )
    assert len(set(requirements)) > 1


def list_pythons() -> list[str]:
    """The Pythons that the project is for."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.search(r'^requires-python = "(.+?)"', text, re.MULTILINE)
    assert named is not None
    return [f"3.{minor}" for minor in range(50) if f"3.{minor}" in SpecifierSet(named[1])]


def read_pins(python: str = THIS) -> dict[str, str]:
    """{package: version} on a Python."""
    pins: dict[str, str] = {}
    names = ("requirements", "requirements-serve", "requirements-examples", "requirements-dev")
    for name in (f"{name}.txt" for name in (*names, "constraints")):
        for requirement in read_requirements(name):
            pin, _, marker = requirement.partition(";")
            package, _, version = pin.partition("==")
            if version and (not marker or Marker(marker).evaluate({"python_version": python})):
                package = package.lower().replace("_", "-")
                assert package not in pins
                pins[package] = version
    return pins


def test_the_package_is_built_by_what_the_tests_build_it_with() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires = ["hatchling=={read_pins()["hatchling"]}"]' in text


def test_every_pinned_package_is_for_every_python_that_the_project_is_for() -> None:
    pins = {python: read_pins(python) for python in list_pythons()}
    assert list(pins) == ["3.10", "3.11", "3.12", "3.13"]
    read, refused = 0, []
    for package, version in read_pins().items():
        # What this Python does not need is not there.
        if is_installed(package) and metadata.version(package) == version:
            asked = metadata.metadata(package).get_all("Requires-Python", [""])
            refused += [
                f"{package} {version}: {python}"
                for python, others in pins.items()
                if others.get(package) == version and python not in SpecifierSet(asked[0])
            ]
            read += 1
    assert refused == []
    assert read > 40


def test_what_the_requirements_need_in_turn_is_pinned_too() -> None:
    pinned = read_pins()
    needed = {"tensorflow", "pytest-cov", "pytest-xdist", "mypy", "hatchling"}
    needed |= {"tensorflow-addons"} & {*pinned}
    needed |= {"ipykernel", "nbclient", "nbformat"}
    needed |= {"scikit-learn", "rouge-score"}
    needed |= {"openai", "prometheus-client", "starlette", "uvicorn"}
    needed |= {"playwright", "axe-playwright-python"}
    done: set[str] = set()
    while needed - done:
        name = (needed - done).pop()
        done.add(name)
        assert name in pinned
        for needs in metadata.requires(name) or []:
            other, _, condition = needs.partition(";")
            if "extra" not in condition:
                match = re.match("[A-Za-z0-9_.-]+", other)
                assert match is not None
                found = match[0].lower().replace("_", "-")
                # What this Python or this system does not need is not there.
                needed |= {found} if is_installed(found) else set()
    assert len(done) > 40


def is_installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False
