"""Lets the suite reach an app through the gateway of the rehearsal: `--server gateway`."""

from contextlib import AbstractContextManager

from rehearsal.proxy.upstream import Upstream
from tests.contract.servers import PROXIES
from tests.contract.vocabulary import Mount
from tests.gateway import gateway
from tests.serving import serving


def through_gateway(mount: Mount, port: int) -> AbstractContextManager[str]:
    """Serves the gateway in front of the app, with Connect's header for its address."""
    return serving(gateway(Upstream(mount.prefix, port, strip_prefix=True, base_url=True)))


def install() -> None:
    """Adds the kind of server."""
    PROXIES["gateway"] = through_gateway
