"""Progress of long steps: bars on a terminal, a line for each step elsewhere."""

from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID, TimeElapsedColumn


class StepProgress(Progress):
    """Bars with the time that each step has taken; in a pipe or a log, a line as a step begins.

    Args:
        console: Where to show them.
    """

    def __init__(self, console: Console) -> None:
        columns = (*Progress.get_default_columns()[:-1], TimeElapsedColumn())
        super().__init__(*columns, console=console, disable=not console.is_terminal)

    def add_task(self, description: str, *args: Any, **fields: Any) -> TaskID:
        """Add a step."""
        if not self.console.is_terminal:
            self.console.print(f"{description} ...", markup=False, highlight=False, soft_wrap=True)
        return super().add_task(description, *args, **fields)
