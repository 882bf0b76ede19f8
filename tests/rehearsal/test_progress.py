"""Progress is shown while there is nothing else to see."""

import asyncio

from rehearsal.progress import Progress


def test_silence_is_broken_by_what_is_still_being_done() -> None:
    said: list[str] = []
    reminded = asyncio.Event()

    def say(text: str) -> None:
        said.append(text.partition(" s  ")[2])
        if "still" in text:
            reminded.set()

    async def watch() -> None:
        progress = Progress(say)
        reminding = asyncio.create_task(progress.remind(0.05))
        progress.begin("quart", "launching it")
        progress.begin("sanic", "checking it")
        progress.end("sanic", "http://127.0.0.1/sanic/")
        async with asyncio.timeout(20):
            await reminded.wait()
        reminding.cancel()

    asyncio.run(watch())
    assert said[3] == "still quart launching it"
