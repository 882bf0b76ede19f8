"""An application whose answers are right at first, and wrong after a while."""

from itertools import count

from tests.comparison.bench.broken import answering

RIGHT_ANSWERS = 50
_numbers = count()


async def respond(path: str) -> tuple[int, bytes]:
    right = next(_numbers) < RIGHT_ANSWERS
    return 200, b'{"lang":"en","text":"Hello"}' if right else b"{}"


app = answering(respond)
