from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def read_requirements(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", "requirements-dev.txt", "requirements-gpu.txt", "constraints.txt"],
)
def test_every_requirement_is_pinned_and_no_other_index_is_named(name: str) -> None:
    requirements = read_requirements(name)
    for requirement in requirements:
        assert re.fullmatch(
            r"-r requirements\.txt|-c constraints\.txt"
            r"|[A-Za-z0-9_-]+(\[[a-z-]+\])?==\d+(\.(post)?\d+)*"
            r'( ; python_version (<|>=) "3\.12")?',
            requirement,
        )
    assert len(set(requirements)) > 1


def list_pins() -> list[Requirement]:
    names = ("requirements.txt", "requirements-dev.txt", "constraints.txt")
    lines = [line for name in names for line in read_requirements(name)]
    return [Requirement(line) for line in lines if not line.startswith("-")]


def applies(pin: Requirement, python: str) -> bool:
    return pin.marker is None or pin.marker.evaluate({"python_version": python})


def read_pins() -> dict[str, str]:
    """{package: version} for this Python."""
    here = f"3.{sys.version_info.minor}"
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in list_pins()
        if applies(pin, here)
    }


def test_the_package_is_built_by_what_the_tests_build_it_with() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires = ["hatchling=={read_pins()["hatchling"]}"]' in text


def test_every_pinned_package_is_for_every_python_that_the_project_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.search(r'^requires-python = "(.+?)"', text, re.MULTILINE)
    assert named is not None
    pythons = [f"3.{minor}" for minor in range(50) if f"3.{minor}" in SpecifierSet(named[1])]
    assert len(pythons) > 1
    read, refused = 0, []
    for pin in list_pins():
        # What this Python does not need is not there.
        if is_installed(pin.name) and metadata.version(pin.name) in pin.specifier:
            asked = SpecifierSet(metadata.metadata(pin.name)["Requires-Python"] or "")
            meant = [python for python in pythons if applies(pin, python)]
            refused += [f"{pin}: {python}" for python in meant if python not in asked]
            read += 1
    assert refused == []
    assert read > 40


def test_what_the_requirements_need_in_turn_is_pinned_too() -> None:
    pinned = read_pins()
    needed = {"tensorflow", "pytest-cov", "pytest-xdist", "mypy", "hatchling", "ipykernel"}
    needed |= {"nbclient", "nbformat"} | ({"tensorflow-addons"} & set(pinned))
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
