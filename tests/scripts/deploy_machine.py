"""A person's machine from which `make deploy` is run, and the account that it deploys to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from deployment.traffic_shift import StopRequest
from scripts.deploy import main
from tests.deployment.emulated_account import (
    ACCOUNT,
    DIGEST,
    IMAGE,
    REGION,
    Account,
    outputs,
)
from tests.deployment.fake_commands import FakeCommands

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployment.live_alias import AliasState
    from tests.fakes.clock import Clock

UNCHECKED = (
    f"The image's architecture is not checked: {IMAGE} cannot be read: RepositoryNotFoundException"
)
TERRAFORM = "terraform -chdir=infrastructure"


class Built:
    """ECR with one image, whose configuration can be downloaded, which moto's cannot."""

    def batch_get_image(self, **request: Any) -> Any:
        assert request["imageIds"] == [{"imageDigest": DIGEST}]
        return {"images": [{"imageManifest": '{"config": {"digest": "sha256:1"}}'}]}

    def get_download_url_for_layer(self, **_request: Any) -> Any:
        return {"downloadUrl": "https://layers"}


class Stop(StopRequest):
    """A request to stop on a machine whose time does not pass by itself."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    def pause(self, seconds: float) -> None:
        self._machine.pause(seconds)
        super().pause(0)


class Machine:
    """A person's machine, with an account in which version 1 is live and 2 is published."""

    def __init__(self, clock: Clock) -> None:
        self.account = Account()
        self.commands = FakeCommands(outputs())
        self.clock = clock
        self.built: str | None = None
        self.at: dict[float, Callable[[], object]] = {}
        self.account.create_function()
        self.account.create_alarm("errors")

    def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for time in [time for time in self.at if time <= self.clock.now()]:
            self.at.pop(time)()

    def deploy(self, *arguments: str, account: str = ACCOUNT) -> int:
        return main(
            ["--account", account, "--region", REGION, *arguments],
            start=self.commands.start,
            clients=self.clients,
            stop=Stop(self),
            ask=lambda _: "",
            download=lambda _: json.dumps({"architecture": self.built}).encode(),
        )

    def clients(self, service: str) -> Any:
        return Built() if service == "ecr" and self.built else self.account(service)

    def live(self) -> AliasState:
        return self.account.alias().read()
