"""Federations of two daemons in the suites that need liboqs, and in a private one of a plugin."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
from daemon_process import daemon, qrfl
from nodes import TestNode, eventually, knows, stopped_at_end
from toy_suites import TOY, install_toy, skip_unless_served

#: Whoever sets this asks for what openssl has and for nothing else.
OPENSSL_ONLY = {"QRFLD_CRYPTO_PROVIDER": "openssl"}


@pytest.mark.parametrize("suite", [3, 4, TOY])
def test_federation_of_an_optional_suite_forms_and_trains(
    suite: int, tmp_path: Path, site: Path
) -> None:
    skip_unless_served(suite)
    install_toy(site)
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    nodes = [TestNode(name, tmp_path / name, env={"PYTHONPATH": path}) for name in "ab"]
    founder, other = nodes
    with stopped_at_end(nodes):
        founder.init(suite_id=suite)
        founder.up()
        other.join(founder.token())
        other.up()
        for node in nodes:
            eventually(f"{node.name} knows the other", partial(knows, node, 1))
        (peer,) = (p for p in founder.call("peers")["peers"] if p["state"] == "connected")
        assert peer["suite"].startswith(founder.call("status")["suite"])
        params = {"model": "softmax", "epochs": 1}
        founder.call("run.start", task="digits", rounds=1, rule="mean", seed=7, params=params)
        for node in nodes:
            eventually(f"{node.name} has finished", node.finished)


@pytest.mark.parametrize("suite", [3, 4])
def test_daemon_and_join_without_the_provider_refuse_by_name(suite: int, tmp_path: Path) -> None:
    skip_unless_served(suite)
    founder = TestNode("a", tmp_path / "a")
    with stopped_at_end([founder]):
        founder.init(suite_id=suite)
        founder.up()
        token = founder.token()
        refused = qrfl(tmp_path / "b", "join", token, "--name", "b", env=OPENSSL_ONLY)
        assert (refused.code, refused.out) == (1, "")
        assert f"of suite {suite}" in refused.err
        assert "liboqs was not asked" in refused.err
        assert not (tmp_path / "b").exists()
        founder.down()
    ended = daemon(tmp_path / "a", env=OPENSSL_ONLY)
    assert ended.code == 5
    assert f"of suite {suite}" in ended.line()


def test_daemon_without_its_plugin_refuses_by_name(tmp_path: Path, site: Path) -> None:
    install_toy(site)
    node = TestNode("a", tmp_path / "a")
    node.init(suite_id=TOY)
    ended = daemon(node.home)
    assert ended.code == 5
    assert "private suite 64 is not known here" in ended.line()
