"""Falcon checks single parameters; its documentation has a recipe for msgspec.

Source: https://falcon.readthedocs.io/en/stable/user/recipes/msgspec-integration.html.
"""

from typing import Any

import falcon
import falcon.asgi
import msgspec
from falcon.asgi import Request, Response

from comparison.bench.checked_messages import check_parameters, check_rows
from comparison.bench.checking import ROWS


class Unchecked:
    async def on_get(self, req: Request, resp: Response, lang: str) -> None:
        resp.media = ROWS[: int(req.get_param("limit", required=True))]


class Checked:
    async def on_get(self, req: Request, resp: Response, lang: str) -> None:
        parameters = check_parameters(lang, req.get_param("limit"))
        resp.media = check_rows(ROWS[: parameters.limit])


async def refuse(
    req: Request, resp: Response, error: msgspec.ValidationError, params: Any, **kwargs: Any
) -> None:
    raise falcon.HTTPUnprocessableEntity(description=str(error))


app = falcon.asgi.App()
app.add_error_handler(msgspec.ValidationError, refuse)
app.add_route("/unchecked/{lang}", Unchecked())
app.add_route("/checked/{lang}", Checked())
