"""The frameworks for which the benchmark has small applications."""

from pathlib import Path

from tooling.frameworks import Framework, find_frameworks


def with_application(folder: Path) -> list[Framework]:
    """Returns those with a module in this folder. The others are measured without it."""
    found = [each for each in find_frameworks() if (folder / f"{each.name}.py").is_file()]
    assert found
    return found
