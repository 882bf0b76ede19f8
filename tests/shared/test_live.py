"""The messages over the websocket, by themselves; the contract has the rest."""

import asyncio

import pytest

from shared.greetings import Greeting, JSONStore
from shared.live import MAX_MESSAGE, MESSAGE_TOO_BIG, Close, answer


@pytest.mark.parametrize("character", ["x", "é", "你", "😀"])
def test_the_size_of_a_message_is_counted_in_bytes(character: str) -> None:
    fits = MAX_MESSAGE // len(character.encode())
    assert '"status":400' in asyncio.run(answer(JSONStore({}), None, character * fits))
    with pytest.raises(Close) as closed:
        asyncio.run(answer(JSONStore({}), None, character * (fits + 1)))
    assert closed.value.code == MESSAGE_TOO_BIG


class Broken(JSONStore):
    """A store that has no answer."""

    async def get(self, lang: str) -> Greeting | None:
        raise RuntimeError("secret")


def test_an_unexpected_error_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    answered = asyncio.run(answer(Broken({}), None, '{"lang":"en"}'))
    assert '"status":500' in answered
    assert "secret" not in answered
    assert "RuntimeError: secret" in caplog.text
