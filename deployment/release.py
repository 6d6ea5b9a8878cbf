"""One deployment: the image, the infrastructure, and then the traffic."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deployment.alias_move import ALL, Move
from deployment.commands import Commands
from deployment.errors import DeploymentError
from deployment.image_architecture import image_architecture
from deployment.image_push import Repository, checked_image, image_tag, pushed_image, require_docker
from deployment.live_alias import LiveAlias
from deployment.stack import Stack, check_place, stack_of
from deployment.target import ROOT, Target
from deployment.terraform_cli import ANY_IMAGE, Settings, Terraform
from deployment.traffic_shift import StopRequest, in_alarm, move_traffic, raised_alarms


@dataclass(frozen=True, slots=True)
class Release:
    """Deploys a checkout, or an image.

    Attributes:
        options: Those of scripts/deploy.py.
        target: The account and the region.
        start: Returns commands that have an image among their variables; None: none. In a dry run
            they run only what changes nothing.
        say: Prints a line.
        stop: Whether a person wants a stop.
        download: Reads an image's configuration by a URL that ECR has signed.
    """

    options: argparse.Namespace
    target: Target
    start: Callable[[str | None], Commands]
    say: Callable[[str], object]
    stop: StopRequest
    download: Callable[[str], bytes]

    def run(self) -> None:
        """Build, push, apply and move the traffic.

        Raises:
            DeploymentError: See `deployment.errors`.
            KeyboardInterrupt: A stop was requested; every alias is where it was.
        """
        if self.options.image is not None:
            checked_image(self.options.image)
        commands = self.start(None)
        terraform = Terraform(commands, self.options.folder)
        terraform.require()
        terraform.init()
        settings = self._settings()
        outputs = terraform.outputs()
        check_place(outputs, self.target)
        if (stack := stack_of(outputs)) is not None:
            self._check_traffic(stack)
        if self.options.image is None:
            image = self._checkouts_image(commands, terraform, settings)
        else:
            image = self.options.image
            self._check_architecture(image, settings.architecture)
        self._apply(Terraform(self.start(image), self.options.folder))
        self._move(stack_of(terraform.outputs()))

    def _settings(self) -> Settings:
        """Return Terraform's settings, if they are what is asked for.

        terraform.tfvars takes precedence over the environment, in which `make deploy` says what it
        deploys.
        """
        image = self.options.image or ANY_IMAGE
        settings = Terraform(self.start(image), self.options.folder).settings()
        for name, ours, theirs in (
            ("ACCOUNT", self.target.account, settings.account_id),
            ("REGION", self.target.region, settings.region),
            (
                "ARCHITECTURE",
                self.options.architecture or settings.architecture,
                settings.architecture,
            ),
        ):
            if ours != theirs:
                raise DeploymentError(f"{name} is {ours}, and terraform.tfvars says {theirs}")
        if settings.image != image:
            raise DeploymentError(
                f"terraform.tfvars says image = {settings.image}, which would be deployed: remove "
                "it, as `make deploy` gives the image"
            )
        return settings

    def _check_traffic(self, stack: Stack) -> None:
        """Stop before anything is built if traffic could not be moved in the end."""
        for move in self._moves(stack):
            move.begin()
        if raised := self._alarms(stack):
            if not self.options.force:
                raise in_alarm(raised, "nothing was changed; FORCE=1 deploys all the same")
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

    def _checkouts_image(self, commands: Commands, terraform: Terraform, settings: Settings) -> str:
        architecture = settings.architecture
        tag = image_tag(commands, architecture, datetime.now(UTC), force=self.options.force)
        if "repository_url" not in terraform.outputs():
            require_docker(commands, architecture)  # before anything is created
            terraform.apply_repository()
            if self.options.dry_run:
                self.say(f"would build, log in and push the image, with the tag {tag}")
                return ANY_IMAGE
        try:
            url = str(terraform.outputs()["repository_url"])
        except KeyError:
            raise DeploymentError("Terraform's output repository_url is missing") from None
        repository = Repository(self.target.clients("ecr"), url)
        return pushed_image(
            commands, repository, architecture, tag, self.say, dry_run=self.options.dry_run
        )

    def _apply(self, terraform: Terraform) -> None:
        with terraform.planned(ROOT / "build") as (plan, file):
            self.say(f"Terraform: {plan.counts()}")
            if (losses := plan.losses()) and not self.options.lose_data:
                raise DeploymentError(
                    "nothing was changed: this would delete data, or a consumer's place on the "
                    f"stream, with {', '.join(losses)}; LOSE_DATA=1 does it all the same"
                )
            terraform.apply(file)

    def _move(self, stack: Stack | None) -> None:
        steps, bake = self.options.steps, self.options.bake
        if self.options.dry_run:
            names = " ".join(str(move.alias) for move in self._moves(stack)) if stack else ""
            percents = ", ".join(f"{step} %" for step in (*steps, ALL))
            self.say(
                f"would move {names} to a new version: {percents}, each watched {bake:.0f} s"
                if stack
                else "would create the alias live at version 1 of each function"
            )
            return
        if stack is None:
            raise DeploymentError("Terraform's output consumers is missing")
        moves = [move for move in self._moves(stack) if move.begin().version != move.version]
        if not moves:
            for name, each in sorted(stack.consumers.items()):
                self.say(f"{name}: version {each.version} is live, and is the newest")
            return
        self._check_left(moves)
        move_traffic(
            moves,
            lambda: self._alarms(stack),
            self.stop,
            self.say,
            steps=steps,
            bake_seconds=bake,
            force=self.options.force,
        )
        functions = " ".join(move.alias.function_name for move in moves)
        self.say(
            f"Deployed. Back again: make rollback ACCOUNT={self.target.account} "
            f"REGION={self.target.region} FUNCTIONS={functions!r}"
        )

    def _check_left(self, moves: Sequence[Move]) -> None:
        """Refuse to return to a version that a person has left.

        Which version Terraform publishes, if any, is known only after it has applied.
        """
        left = [
            f"{move.alias} was rolled back from version {move.version}"
            for move in moves
            if move.before.left_version == move.version
        ]
        if left and not self.options.force:
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

    def _alarms(self, stack: Stack) -> list[str]:
        names = [name for each in stack.consumers.values() for name in each.rollback_alarms]
        return raised_alarms(self.target.clients("cloudwatch"), names)
