"""Runs the apps of this repository."""

from contextlib import ExitStack
from dataclasses import replace

from tests.contract.client import Client
from tests.contract.in_process import InProcessApp, InProcessClient, load
from tests.contract.servers import ServerProcesses
from tests.contract.socket_client import SocketClient
from tests.contract.subjects import Subject
from tests.contract.vocabulary import Mount
from tooling.frameworks import Framework
from tooling.postgresql import Cluster, Database


class RunningApps:
    """The apps that run for the suite; on servers, one app on one kind of server at a time."""

    def __init__(self) -> None:
        self._in_process: dict[str, InProcessApp] = {}
        self._processes: ServerProcesses | None = None
        self._stack = ExitStack()
        self._cluster: Cluster | None = None

    def client(self, subject: Subject) -> Client:
        """A client for an app of this repository."""
        assert subject.framework is not None
        waived = frozenset(subject.waivers)
        if subject.server == "in process":
            return replace(self.in_process(subject.framework, subject.mount), waived=waived)
        if self._processes is None or self._processes.subject.group != subject.group:
            self.stop_servers()
            database = self.database(subject) if subject.store == "postgresql" else None
            self._processes = ServerProcesses(subject, database)
        return SocketClient(
            server=self._processes,
            mount=subject.mount,
            capabilities=subject.capabilities,
            store=subject.store,
            waived=waived,
        )

    def in_process(self, framework: Framework, mount: Mount) -> InProcessClient:
        """A client for an app in this process."""
        if framework.name not in self._in_process:
            self._in_process[framework.name] = InProcessApp(load(framework))
        return InProcessClient(
            framework=framework, app=self._in_process[framework.name], mount=mount
        )

    def database(self, subject: Subject) -> Database:
        """Creates a database for the subject, prepared with the command that users run."""
        if self._cluster is None:
            self._cluster = self._stack.enter_context(Cluster())
        database = self._cluster.create_database(subject.group.replace("-", "_"))
        database.prepare()
        return database

    def stop_servers(self) -> None:
        if self._processes is not None:
            self._processes.close()
            if self._processes.database is not None:
                self._processes.database.drop()
            self._processes = None

    def close(self) -> None:
        self.stop_servers()
        for app in self._in_process.values():
            app.close()
        self._in_process.clear()
        self._stack.close()
