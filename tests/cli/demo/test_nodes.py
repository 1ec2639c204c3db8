from __future__ import annotations

from pathlib import Path

import pytest

from qrfld.cli.demo.nodes import DemoNode, environment
from qrfld.cli.errors import DemoError


@pytest.fixture
def node(tmp_path: Path) -> DemoNode:
    return DemoNode("node-1", tmp_path / "node-1", 20001)


def test_environment_of_the_user_cannot_redirect_a_node() -> None:
    base = {
        "PATH": "/bin",
        "QRFLD_HOME": "/home/me/qrfld",
        "QRFLD_PASSPHRASE": "secret",
        "QRFLD_LISTEN_PORT": "1",
        "QRFLD_NODE_NAME": "x",
        "QRFLD_LAB_ATTACK": "nan",
        "QRFLD_LAB_ATTACK_SCALE": "1000",
        "QRFLD_BOOTSTRAP_PEERS": "x",
        "QRFLD_CRYPTO_PROVIDER": "openssl",
    }
    assert environment(base, "") == {
        "PATH": "/bin",
        "QRFLD_CRYPTO_PROVIDER": "openssl",
        "PYTHONSAFEPATH": "1",
    }
    assert environment(base, "sign-flip")["QRFLD_LAB_ATTACK"] == "sign-flip"


def test_command_gives_its_json(node: DemoNode) -> None:
    assert node.qrfl("paths")["paths"]["config"] == str(node.home / "qrfld.toml")


def test_command_that_fails_is_told_with_node_command_and_reason(node: DemoNode) -> None:
    with pytest.raises(DemoError) as caught:
        node.qrfl("token", "create")
    assert "node-1: `qrfl token create` failed: no daemon answers" in caught.value.message
    assert caught.value.hint


def test_node_without_a_daemon_has_no_status_and_goes_down_quietly(node: DemoNode) -> None:
    assert node.status() is None
    node.down()
