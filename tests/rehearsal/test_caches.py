"""A shared cache in front of the rehearsal gives no user what another may see."""

from pathlib import Path

import httpx

from tests.nginx import nginx
from tests.rehearsal.running import Running, answered, mirror
from tests.rehearsal.wire import TIMEOUT_SECONDS
from tests.test_caches import CACHE, LOCATION


def test_everybody_gets_their_own_answer(rehearsed: Running, tmp_path: Path) -> None:
    guid = rehearsed.deployed("cached", mirror())
    answered(rehearsed.api().get(f"/v1/content/{guid}"))
    publisher, viewer = rehearsed.rehearsal.state.users()
    with nginx(tmp_path, LOCATION.format(path="/", url=rehearsed.url), CACHE) as address:

        def status(path: str, session: str | None = None, key: str | None = None) -> int:
            cookies = {"rehearsal-session": session} if session else {}
            headers = {"Accept": "text/html"} | ({"Authorization": f"Key {key}"} if key else {})
            response = httpx.get(
                address + path, cookies=cookies, headers=headers, timeout=TIMEOUT_SECONDS
            )
            return response.status_code

        for page in (f"/dashboard/{guid}", f"/dashboard/{guid}/logs"):
            assert [status(page, user) for user in (None, publisher.session, viewer.session)] == [
                *(404, 200, 404)
            ]
        for call in ("/__api__/v1/user", f"/__api__/v1/content/{guid}/bundles"):
            keys = (None, publisher.api_key, "wrong", publisher.api_key)
            assert [status(call, key=key) for key in keys] == [401, 200, 401, 200]
