"""One deployment: the image, the infrastructure, and then the traffic."""

import argparse
from collections.abc import Callable
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
from deployment.terraform_cli import ANY_IMAGE, Terraform
from deployment.traffic_shift import StopRequest, move_traffic, raised_alarms


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
        options = self.options
        if options.image is not None:
            checked_image(options.image)
        commands = self.start(None)
        terraform = Terraform(commands, options.folder)
        terraform.require()
        terraform.init()
        image = options.image or ANY_IMAGE
        settings = Terraform(self.start(image), options.folder).settings()
        architecture = options.architecture or settings.architecture
        account, region = self.target.account, self.target.region
        settings.check(account_id=account, region=region, architecture=architecture, image=image)
        outputs = terraform.outputs()
        check_place(outputs, self.target)
        if (stack := stack_of(outputs)) is not None:
            self._check_traffic(stack)
        if options.image is None:
            image = self._checkouts_image(terraform, commands, architecture)
        else:
            self._check_architecture(image, architecture)
        self._apply(Terraform(self.start(image), options.folder))
        self._move(stack_of(terraform.outputs()))

    def _check_traffic(self, stack: Stack) -> None:
        """Stop before anything is built if traffic could not be moved in the end."""
        for move in self._moves(stack):
            move.begin()
        if raised := self._alarms(stack):
            self._unless_forced(f"in ALARM: {', '.join(raised)}", "nothing was changed")

    def _unless_forced(self, problem: str, consequence: str) -> None:
        if not self.options.force:
            raise DeploymentError(f"{problem}; {consequence}; FORCE=1 deploys all the same")
        self.say(f"{problem}; going on, as FORCE=1 says")

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

    def _checkouts_image(self, terraform: Terraform, commands: Commands, architecture: str) -> str:
        dry_run = self.options.dry_run
        tag = image_tag(commands, architecture, datetime.now(UTC), force=self.options.force)
        outputs = terraform.outputs()
        if "repository_url" not in outputs:
            require_docker(commands, architecture)  # before anything is created
            terraform.apply_repository()
            if dry_run:
                self.say(f"would build, log in and push the image, with the tag {tag}")
                return ANY_IMAGE
            outputs = terraform.outputs()
        repository = Repository(self.target.clients("ecr"), outputs["repository_url"])
        return pushed_image(commands, repository, architecture, tag, self.say, dry_run=dry_run)

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
            shares = ", ".join(f"{step} %" for step in (*steps, ALL))
            self.say(f"would move traffic to each new version: {shares}, each watched {bake:.0f} s")
            return
        if stack is None:
            raise DeploymentError("Terraform's output consumers is missing")
        moves = [move for move in self._moves(stack) if move.begin().version != move.version]
        if not moves:
            for name, each in sorted(stack.functions.items()):
                self.say(f"{name}: version {each.version} is live, and is the newest")
            return
        for move in moves:  # which version Terraform publishes, if any, is known only now
            if move.before.left_version == move.version:
                self._unless_forced(
                    f"{move.alias} was rolled back from version {move.version}, and nothing newer "
                    "was published",
                    "no traffic was moved, the rest is applied",
                )
        move_traffic(
            moves, lambda: self._alarms(stack), self.stop, self.say,
            steps=steps, bake_seconds=bake, force=self.options.force,
        )  # fmt: skip
        functions = " ".join(move.alias.function_name for move in moves)
        self.say(
            f"Deployed. Back again: make rollback ACCOUNT={self.target.account} "
            f"REGION={self.target.region} FUNCTIONS={functions!r}"
        )

    def _moves(self, stack: Stack) -> list[Move]:
        client = self.target.clients("lambda")
        return [
            Move(name, LiveAlias(client, each.function_name, each.alias), each.version)
            for name, each in sorted(stack.functions.items())
        ]

    def _alarms(self, stack: Stack) -> list[str]:
        names = [name for each in stack.functions.values() for name in each.rollback_alarms]
        return raised_alarms(self.target.clients("cloudwatch"), names)
