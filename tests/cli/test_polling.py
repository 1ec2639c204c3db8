from __future__ import annotations

import pytest

from qrfld.cli import polling
from qrfld.errors import DaemonNotRunningError, QrfldError


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.0)


def test_daemon_goes_and_comes_back_polls_go_on() -> None:
    away = DaemonNotRunningError("away")
    said = iter([{"n": 1}, away, away, {"n": 2}])

    def ask() -> dict[str, int]:
        match next(said):
            case Exception() as error:
                raise error
            case answer:
                return answer

    answers = polling.polls(ask)
    assert [next(answers) for _ in range(4)] == [{"n": 1}, None, None, {"n": 2}]


def test_daemon_that_was_never_there_is_an_error() -> None:
    def ask() -> dict[str, int]:
        raise DaemonNotRunningError("nobody")

    with pytest.raises(DaemonNotRunningError):
        next(polling.polls(ask))


def test_refusal_of_the_daemon_ends_the_polls() -> None:
    said = iter([True, False])

    def ask() -> dict[str, int]:
        if next(said):
            return {}
        raise QrfldError("no such run")

    answers = polling.polls(ask)
    next(answers)
    with pytest.raises(QrfldError, match="no such run"):
        next(answers)
