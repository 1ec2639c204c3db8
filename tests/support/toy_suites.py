"""Distributions that bring private suites, as pip would have installed them; and who can run 3, 4.

A distribution is a real ``.dist-info`` directory with a real ``entry_points.txt`` beside the module
that it names, found through ``sys.path`` like any other.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from qrfld.crypto import plugins, providers, suites

#: Real primitives in a combination that qrfld does not have.
TOY = 64
TOY_SOURCE = """
from qrfld.crypto.suites import Suite

SUITE = Suite.of(64, "ML-KEM-1024", "ML-DSA-44", "sha512", category=2)
"""


def install(site: Path, distribution: str, source: str, **points: str) -> None:
    """Lay a distribution with one module of its name into ``site``.

    ``points``: entry points, by ``n<number>``; each is an attribute of the module, or of another.
    """
    site.mkdir(exist_ok=True)
    (site / f"{distribution}.py").write_text(source)
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    listed = [
        f"{name.removeprefix('n')} = {value if ':' in value else f'{distribution}:{value}'}"
        for name, value in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join([f"[{plugins.GROUP}]", *listed, ""]))


def install_toy(site: Path) -> None:
    """Lay the toy suite's distribution into ``site``."""
    install(site, "toy_suite", TOY_SOURCE, n64="SUITE")


def forget() -> None:
    """Let the next question look at what is installed now."""
    plugins._installed.cache_clear()
    plugins._load.cache_clear()
    suites.from_wire.cache_clear()


def skip_unless_served(suite_id: int) -> None:
    """Suites 3 and 4 need liboqs."""
    if suite_id in (3, 4) and "liboqs" not in providers.available():
        pytest.skip("liboqs not installed")
