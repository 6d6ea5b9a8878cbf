"""One deployment: the image, the infrastructure, and then the traffic."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from deployment.alias_move import Move
from deployment.commands import Commands
from deployment.errors import AlarmRaised, DeploymentError
from deployment.image_architecture import download, image_architecture
from deployment.image_push import Repository, checked_image, image_tag, pushed_image, require_docker
from deployment.live_alias import LiveAlias
from deployment.rollback_alarms import RollbackAlarms
from deployment.stack import Stack, check_place, stack_of
from deployment.target import Target
from deployment.terraform_cli import Settings, Terraform
from deployment.traffic_shift import Schedule, Waiting, move_traffic

ANY_IMAGE = f"none@sha256:{'0' * 64}"
"""In place of an image that is not built yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """What a person asks for.

    Attributes:
        image: An image with its digest; None: the checkout's.
        architecture: `arm64` or `x86_64`; None: what terraform.tfvars says.
        schedule: How traffic moves.
        force: Deploy with uncommitted changes, with an alarm raised, or to a version that was
            rolled back from.
        lose_data: Apply a plan that deletes data, or a consumer's place on the stream.
        dry_run: Print what would be done.
        plan_folder: Where Terraform's plan is kept in between, in a file of its own for each run.
    """

    image: str | None = None
    architecture: str | None = None
    schedule: Schedule = field(default_factory=Schedule)
    force: bool = False
    lose_data: bool = False
    dry_run: bool = False
    plan_folder: Path = Path("build")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Deploys a checkout.

    Attributes:
        target: The account and the region.
        commands: Runs git and Docker.
        terraform: Has the target's variables in its environment.
        with_image: Returns the same Terraform with an image among its variables.
        waiting: Time and the request to stop.
        signals: Opens a context in which signals request a stop.
        now: The time of day.
        say: Prints a line.
        download: Reads an image's configuration by a URL that ECR has signed.
    """

    target: Target
    commands: Commands
    terraform: Terraform
    with_image: Callable[[str], Terraform]
    waiting: Waiting
    signals: Callable[[], AbstractContextManager[None]]
    now: Callable[[], datetime]
    say: Callable[[str], object]
    download: Callable[[str], bytes] = download

    def run(self, options: ReleaseOptions) -> None:
        """Build, push, apply and move the traffic.

        Raises:
            DeploymentError: See `deployment.errors`.
            KeyboardInterrupt: A stop was requested; every alias is where it was.
        """
        if options.image is not None:
            checked_image(options.image)
        self.terraform.require()
        self.terraform.init()
        settings = self._settings(options)
        values = self.terraform.current_outputs()
        check_place(values, self.target.account, self.target.region)
        stack = stack_of(values)
        if stack is not None:
            self._check_stack(stack, options)
        if options.image is not None:
            self._check_architecture(options.image, settings.architecture)
        image = options.image or self._image(settings, options)
        if options.dry_run:
            known = stack is not None or options.image is not None
            self._preview(self.with_image(image), options, plan=known)
        else:
            self._apply(self.with_image(image), options)
        self._move(options)

    def _settings(self, options: ReleaseOptions) -> Settings:
        """Return Terraform's settings, if they are what is asked for.

        terraform.tfvars takes precedence over the environment, in which `make deploy` says what it
        deploys.
        """
        image = options.image or ANY_IMAGE
        settings = self.with_image(image).settings()
        for name, ours, theirs in (
            ("ACCOUNT", self.target.account, settings.account_id),
            ("REGION", self.target.region, settings.region),
            ("ARCHITECTURE", options.architecture or settings.architecture, settings.architecture),
        ):
            if ours != theirs:
                raise DeploymentError(f"{name} is {ours}, and terraform.tfvars says {theirs}")
        if settings.image != image:
            raise DeploymentError(
                f"terraform.tfvars says image = {settings.image}, which would be deployed: remove "
                "it, as `make deploy` gives the image"
            )
        return settings

    def _check_stack(self, stack: Stack, options: ReleaseOptions) -> None:
        """Stop before anything is built if traffic could not be moved in the end."""
        for move in self._moves(stack):
            move.begin()
        if raised := self._alarms(stack).raised():
            if not options.force:
                raise AlarmRaised(raised, "nothing was changed; FORCE=1 deploys all the same")
            self.say(f"In ALARM: {', '.join(raised)}; going on, as FORCE=1 says")

    def _check_architecture(self, image: str, wanted: str) -> None:
        """Refuse an image that is known to be built for another architecture than the functions'.

        Lambda takes it, and every invocation fails. The first deployment has no old version whose
        alias would keep the traffic.
        """
        try:
            built = image_architecture(self.target.clients("ecr"), image, self.download)
        except DeploymentError as error:
            self.say(f"The image's architecture is not checked: {error}")
            return
        if built != wanted:
            raise DeploymentError(
                f"IMAGE is {image}, which is built for {built}; allowed: {wanted}, as the "
                "functions are (ARCHITECTURE); nothing was changed"
            )

    def _image(self, settings: Settings, options: ReleaseOptions) -> str:
        tag = image_tag(self.commands, settings.architecture, self.now(), force=options.force)
        url = self.terraform.current_outputs().get("repository_url")
        if url is None:
            require_docker(self.commands, settings.architecture)  # before anything is created
            self.terraform.apply_repository()
            url = self.terraform.current_outputs().get("repository_url")
        if url is None:
            if not options.dry_run:
                raise DeploymentError("Terraform's output repository_url is missing")
            url = (
                f"{self.target.account}.dkr.ecr.{self.target.region}.amazonaws.com/{settings.name}"
            )
            self.say(f"would build, log in and push: {url}:{tag}")
            return f"{url}@sha256:{'0' * 64}"
        repository = Repository(self.target.clients("ecr"), str(url))
        return pushed_image(
            self.commands, repository, settings.architecture, tag, self.say,
            dry_run=options.dry_run,
        )  # fmt: skip

    def _apply(self, terraform: Terraform, options: ReleaseOptions) -> None:
        with _plan_file(options.plan_folder.resolve()) as file:
            terraform.plan(file)
            plan = terraform.read_plan(file)
            self.say(f"Terraform: {plan.counts()}")
            if (losses := plan.losses()) and not options.lose_data:
                raise DeploymentError(
                    f"nothing was changed: {_lost(losses)}; LOSE_DATA=1 does it all the same"
                )
            terraform.apply(file)

    def _preview(self, terraform: Terraform, options: ReleaseOptions, *, plan: bool) -> None:
        """Print what would be applied.

        For a plan, an image that is not built yet is as good as any other new one.
        """
        with _plan_file(options.plan_folder.resolve()) as file:
            terraform.plan(file)
            if plan:
                planned = terraform.preview(file)
                self.say(f"Terraform would have: {planned.counts()}")
                if losses := planned.losses():
                    self.say(f"{_lost(losses)}; make deploy refuses it without LOSE_DATA=1")
            else:
                self.say(
                    "Terraform's plan needs an image: none is deployed, and IMAGE= is not given"
                )
            terraform.apply(file)

    def _move(self, options: ReleaseOptions) -> None:
        stack = stack_of(self.terraform.current_outputs())
        if stack is None:
            if options.dry_run:
                self.say("would create the alias live at version 1 of each function")
                return
            raise DeploymentError("Terraform's output consumers is missing")
        if options.dry_run:
            steps = ", ".join(f"{step} %" for step in (*options.schedule.steps, 100))
            names = ", ".join(map(str, (move.alias for move in self._moves(stack))))
            self.say(
                f"would move {names} to a new version: {steps}, "
                f"each watched {options.schedule.bake_seconds:.0f} s"
            )
            return
        moves = [move for move in self._moves(stack) if move.begin().version != move.version]
        if not moves:
            for name, each in sorted(stack.consumers.items()):
                self.say(f"{name}: version {each.version} is live, and is the newest")
            return
        self._check_left(moves, options)
        alarms = self._alarms(stack)
        with self.signals():
            move_traffic(
                moves, alarms, options.schedule, self.waiting, self.say, force=options.force
            )
        functions = " ".join(move.alias.function_name for move in moves)
        self.say(
            f"Deployed. Back again: make rollback ACCOUNT={self.target.account} "
            f"REGION={self.target.region} FUNCTIONS={functions!r}"
        )

    def _check_left(self, moves: Sequence[Move], options: ReleaseOptions) -> None:
        """Refuse to return to a version that a person has left.

        Which version Terraform publishes, if any, is known only after it has applied.
        """
        left = [
            f"{move.alias} was rolled back from version {move.version}"
            for move in moves
            if move.begin().left_version == move.version
        ]
        if left and not options.force:
            raise DeploymentError(
                f"{', '.join(left)}, and nothing newer was published: no traffic was moved, "
                "the rest is applied; FORCE=1 moves it all the same"
            )
        for line in left:
            self.say(f"{line}; going on, as FORCE=1 says")

    def _moves(self, stack: Stack) -> list[Move]:
        client = self.target.clients("lambda")
        return [
            Move(name, LiveAlias(client, each.function_name, each.alias), each.version)
            for name, each in sorted(stack.consumers.items())
        ]

    def _alarms(self, stack: Stack) -> RollbackAlarms:
        names = [name for each in stack.consumers.values() for name in each.rollback_alarms]
        return RollbackAlarms(self.target.clients("cloudwatch"), names)


def _lost(losses: Sequence[str]) -> str:
    where = ", ".join(losses)
    return f"this would delete data, or a consumer's place on the stream, with {where}"


@contextmanager
def _plan_file(folder: Path) -> Iterator[Path]:
    """Make an empty file for a plan, and remove it in the end.

    A plan holds the settings, secrets among them: mkstemp's file is its owner's alone (0600).
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(suffix=".tfplan", prefix="deployment-", dir=folder)
    os.close(descriptor)
    file = Path(name)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
