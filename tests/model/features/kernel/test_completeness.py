"""A feature that the kernel does not compute is refused before anything is trained or scored."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from customer_risk.model.features.catalogue import CATALOGUE
from customer_risk.model.features.kernel import compute as kernel

BLOCKS = [name for name in vars(kernel) if name.startswith("fill_")]
GROUPS = {feature.group: f"new_{number}" for number, feature in enumerate(CATALOGUE)}

# Adds a feature to each group of the catalogue before the kernel is imported.
ADD_FEATURES = f"""
import dataclasses, importlib
modules = "activity channels flow habits money outcomes profile velocity".split()
for module in (importlib.import_module("customer_risk.model.features.definitions." + name) for name in modules):
    for group, feature in {{feature.group: feature for feature in module.FEATURES}}.items():
        module.FEATURES += (dataclasses.replace(feature, name={GROUPS!r}[group]),)
"""
COMPUTE = """
from customer_risk.model.errors import FeatureError
from customer_risk.model.features.kernel import compute
def fault():
    try:
        compute._entry()
    except FeatureError as error:
        return str(error)
"""


def run(program: str) -> list[str]:
    """Return the lines that a program prints; its kernel runs as Python, since compiling takes ten seconds."""
    command = [sys.executable, "-c", program]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture(scope="module")
def of_new_features() -> str:
    """The message about a catalogue with a new feature in each group, without a block."""
    return run(f"{ADD_FEATURES}{COMPUTE}print(fault())")[0]


@pytest.fixture(scope="module")
def of_blocks() -> dict[str, str]:
    """The message about a kernel without a block, by block."""
    program = f"""{COMPUTE}
for name in {BLOCKS}:
    block = getattr(compute, name)
    setattr(compute, name, lambda *arguments: None)
    print(fault())
    setattr(compute, name, block)
"""
    return dict(zip(BLOCKS, run(program), strict=True))


@pytest.mark.parametrize("group", GROUPS)
def test_a_feature_without_a_block_is_named_with_the_functions_of_its_group(group, of_new_features) -> None:
    """The message names the feature, its group and the function that computes the group's other features."""
    name = GROUPS[group]
    assert f"{name} (no block assigns out[AT.{name}]; for the group {group!r}, assign it in " in of_new_features
    assert "docs/guide/adding-a-feature.md" in of_new_features


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_that_is_not_called_is_named_with_its_features(block, of_blocks) -> None:
    """The message names the block's module and the features that it leaves without a value."""
    module = getattr(kernel, block).__module__.rpartition(".")[2]
    assert f" of {module}.py, which compute.py does not call" in of_blocks[block]
