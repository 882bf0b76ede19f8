"""Finds the content for a request, and checks whether the user may see it."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from rehearsal.access import (
    PROCESS_COOKIE,
    SESSION_COOKIE,
    WrongKeyError,
    api_key_of,
    user_by_cookie,
    user_by_key,
)
from rehearsal.hosting.hosting import Hosting
from rehearsal.hosting.runtime import MOUNT_HEADER
from rehearsal.profiles import Profile
from rehearsal.proxy.upstream import Credentials, Local, Upstream, is_under
from rehearsal.storage.database import Content, State, User
from tooling.environments import EnvironmentFailedError
from tooling.processes import AppDidNotStartError

LOG = logging.getLogger("rehearsal.routing")
_CONTENT = re.compile(rb"(/content/([0-9a-f-]{36})(?:/_bundle([0-9]{1,15}))?)(?=/|$)")


@dataclass(frozen=True)
class Routing:
    """Maps a request's path to the process that answers it."""

    state: State
    hosting: Hosting
    profile: Profile

    @asynccontextmanager
    async def resolve(self, scope: Scope) -> AsyncIterator[Upstream | Local | None]:
        """Yields the content for a request, `None` if the path is not that of content.

        The app receives a draft's path or a vanity path as its mount. This is inferred: on live
        servers only the content's own path was seen. Raises `HTTPException`.
        """
        found = self._find(scope["raw_path"])
        if found is None:
            yield None
            return
        prefix, content, draft = found
        user = self._user(scope)
        if draft is not None and user is None:
            raise HTTPException(401, "Anonymous visitors may not see drafts.")
        if draft is not None and user and user.guid != content.owner_guid:
            raise HTTPException(403, "This user may not see this draft.")
        async with AsyncExitStack() as stack:
            try:
                pages = self.hosting.pages(content.guid, draft)
            except LookupError as error:
                raise HTTPException(404, str(error)) from None
            if pages is not None:
                yield Local(prefix, pages)
                return
            process = self.hosting.process(content.guid, draft, self._wanted(scope))
            try:
                number, app = await stack.enter_async_context(process)
            except LookupError as error:
                raise HTTPException(404, str(error)) from None
            except AppDidNotStartError as error:
                LOG.warning("%s: %s", content.name, error)
                raise HTTPException(
                    502, f"The app did not start: see its log ({error.sentence})"
                ) from None
            except EnvironmentFailedError as error:
                raise HTTPException(502, str(error)) from None
            yield self._upstream(scope, prefix, app.port, number, user)

    def _find(self, raw_path: bytes) -> tuple[str, Content, int | None] | None:
        """Returns the prefix, content and draft for a path."""
        if match := _CONTENT.match(raw_path):
            content = self.state.content(match[2].decode())
            if content is None:
                return None
            return match[1].decode(), content, int(match[3]) if match[3] else None
        fitting = [
            (content.vanity, content, None)
            for content in self.state.contents()
            if content.vanity and is_under(raw_path, content.vanity)
        ]
        return max(fitting, key=lambda found: len(found[0]), default=None)

    def _user(self, scope: Scope) -> User | None:
        try:
            return user_by_key(self.state, scope) or user_by_cookie(self.state, scope)
        except WrongKeyError:
            raise HTTPException(401, "The API key is not valid.") from None

    def _wanted(self, scope: Scope) -> int | None:
        number = HTTPConnection(scope).cookies.get(PROCESS_COOKIE, "")
        return int(number) if self.profile.sticky and re.fullmatch("[0-9]", number) else None

    def _upstream(
        self, scope: Scope, prefix: str, port: int, number: int, user: User | None
    ) -> Upstream:
        sticky = f"{PROCESS_COOKIE}={number}; Path={prefix}/; HttpOnly; SameSite=Lax".encode()
        return Upstream(
            prefix=prefix,
            port=port,
            forwarded=self.profile.forwarded,
            external_host=self.profile.external_host,
            credentials=Credentials(user.username) if user else None,
            # It is unknown whether Connect forwards the key. An app that needs it fails here.
            drop=frozenset({b"authorization"}) if api_key_of(scope) is not None else frozenset(),
            drop_cookies=frozenset({SESSION_COOKIE.encode(), PROCESS_COOKIE.encode()}),
            cookie=sticky if self.profile.sticky and self._wanted(scope) != number else None,
            add=((MOUNT_HEADER, prefix.encode()),),
        )
