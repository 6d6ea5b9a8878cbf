import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.errors import FunctionError
from local.execution_environment import ExecutionEnvironment, RuntimeProcess, killed_after
from local.function import FunctionConfiguration

HANDLER = {"_HANDLER": "tests.local.handlers.misbehave", "LAMBDA_TASK_ROOT": "."}


def configuration(
    handler: str, *, timeout: float = 20.0, **environment: str
) -> FunctionConfiguration:
    return FunctionConfiguration(
        handler=f"tests.local.{handler}", timeout_seconds=timeout, environment=environment
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("function") / "function.log"


@pytest.fixture(scope="module")
def echo(log: Path) -> Iterator[ExecutionEnvironment]:
    function = ExecutionEnvironment(configuration("handlers.echo", MODELS="tip"), log)
    yield function
    function.close()


@pytest.fixture(scope="module")
def misbehaving(log: Path) -> Iterator[ExecutionEnvironment]:
    function = ExecutionEnvironment(configuration("handlers.misbehave", timeout=20.0), log)
    yield function
    function.close()


def invoke(function: ExecutionEnvironment, event: dict[str, Any]) -> Any:
    return json.loads(function.invoke(json.dumps(event).encode()))


def test_the_handler_gets_the_event_and_its_response_is_returned(
    echo: ExecutionEnvironment,
) -> None:
    assert invoke(echo, {"Records": ["Brooklyn é"]})["event"] == {"Records": ["Brooklyn é"]}


def test_the_context_object_is_that_of_lambda(echo: ExecutionEnvironment) -> None:
    first, second = invoke(echo, {}), invoke(echo, {})

    assert first["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:function"
    assert first["memory"] == "1769"
    assert 0 < first["remaining_ms"] <= 20_000
    assert first["request_id"] != second["request_id"]


def test_the_remaining_time_ends_at_the_deadline_on_the_platforms_clock(log: Path) -> None:
    a_minute_ahead = ExecutionEnvironment(
        configuration("handlers.echo"), log, now=lambda: time.time() + 60
    )
    with contextlib.closing(a_minute_ahead):
        assert invoke(a_minute_ahead, {})["remaining_ms"] > 60_000


def test_the_process_id_is_known_while_the_process_runs(log: Path) -> None:
    function = ExecutionEnvironment(configuration("handlers.echo"), log)
    with contextlib.closing(function):
        assert function.pid is None
        assert invoke(function, {})["pid"] == function.pid
    assert function.pid is None


def test_the_process_has_lambdas_environment_and_the_functions_own(
    echo: ExecutionEnvironment,
) -> None:
    names = ["_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "MODELS", "TZ"]

    assert invoke(echo, {"variables": names})["variables"] == {
        "_HANDLER": "tests.local.handlers.echo",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_REGION": "us-east-1",
        "MODELS": "tip",
        "TZ": ":UTC",
    }


def test_one_process_serves_one_invocation_after_another(echo: ExecutionEnvironment) -> None:
    assert invoke(echo, {})["pid"] == invoke(echo, {})["pid"] != os.getpid()


def test_an_exception_in_the_handler_is_a_function_error_and_the_process_lives_on(
    misbehaving: ExecutionEnvironment, log: Path
) -> None:
    before = invoke(misbehaving, {"do": "return"})

    with pytest.raises(FunctionError, match="LookupError: no such zone") as caught:
        invoke(misbehaving, {"do": "raise"})

    assert caught.value.error_type == "LookupError"
    assert "Traceback" in log.read_text()
    assert invoke(misbehaving, {"do": "return"}) == before


@pytest.mark.parametrize(
    ("do", "error_type"),
    [
        ("return a set", "Runtime.MarshalError"),
        ("return too much", "Function.ResponseSizeTooLarge"),
    ],
)
def test_a_response_that_lambda_cannot_return_is_a_function_error(
    misbehaving: ExecutionEnvironment, do: str, error_type: str
) -> None:
    with pytest.raises(FunctionError) as caught:
        invoke(misbehaving, {"do": do})

    assert caught.value.error_type == error_type


def test_after_a_crash_a_new_process_is_started(misbehaving: ExecutionEnvironment) -> None:
    before = invoke(misbehaving, {"do": "return"})

    with pytest.raises(FunctionError, match="Runtime exited with exit status 3") as caught:
        invoke(misbehaving, {"do": "exit"})

    assert caught.value.error_type == "Runtime.ExitError"
    assert invoke(misbehaving, {"do": "return"})["pid"] != before["pid"]


def test_a_process_killed_between_invocations_is_a_function_error_and_replaced(
    misbehaving: ExecutionEnvironment,
) -> None:
    before = invoke(misbehaving, {"do": "return"})
    os.kill(before["pid"], signal.SIGKILL)

    with pytest.raises(FunctionError, match="Runtime exited with exit status -9"):
        invoke(misbehaving, {"do": "return"})

    assert invoke(misbehaving, {"do": "return"})["pid"] != before["pid"]


@pytest.mark.parametrize("do", ["sleep", "stop"])
def test_a_handler_that_takes_too_long_is_killed(log: Path, do: str) -> None:
    function = ExecutionEnvironment(configuration("handlers.misbehave", timeout=0.2), log)
    function.start()
    pid = function.pid
    assert pid is not None

    with pytest.raises(FunctionError, match=r"Task timed out after 0\.20 seconds") as caught:
        invoke(function, {"do": do})

    assert caught.value.error_type == "Sandbox.Timedout"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_does_not_read_the_event_is_killed_too(log: Path) -> None:
    function = ExecutionEnvironment(configuration("handlers.echo", timeout=0.2), log)
    function.start()
    assert function.pid is not None
    os.kill(function.pid, signal.SIGSTOP)

    with pytest.raises(FunctionError, match="Task timed out"):
        invoke(function, {"more than a pipe holds": "x" * 5_000_000})


def test_a_crash_is_noticed_at_once_although_the_handler_leaves_a_process_behind(
    misbehaving: ExecutionEnvironment,
) -> None:
    with pytest.raises(FunctionError, match="Runtime exited with exit status 4"):
        invoke(misbehaving, {"do": "fork and exit"})


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("broken.handler", "ValueError", "RUN_ID is ''; allowed: a text that is not empty"),
        ("missing.handler", "Runtime.ImportModuleError", "No module named 'tests.local.missing'"),
        ("handlers.gone", "Runtime.HandlerNotFound", "Handler 'gone' missing"),
    ],
)
def test_a_function_that_cannot_start_is_an_error_with_the_reason(
    log: Path, handler: str, error_type: str, message: str
) -> None:
    function = ExecutionEnvironment(configuration(handler), log)

    with pytest.raises(FunctionError, match=message) as caught:
        function.start()

    assert caught.value.error_type == error_type


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux waits for any process")
def test_the_function_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    program = """
import json, pathlib, sys, time
from local.execution_environment import ExecutionEnvironment
from local.function import FunctionConfiguration
settings = FunctionConfiguration(handler="tests.local.handlers.echo")
function = ExecutionEnvironment(settings, pathlib.Path(sys.argv[1]))
print(json.loads(function.invoke(b"{}"))["pid"], flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()

    assert ended(child)


def ended(pid: int) -> bool:
    """Wait until a process that is not our child has ended."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], 10.0)[0])
    finally:
        os.close(descriptor)


def test_what_a_process_sent_before_it_ended_still_arrives(tmp_path: Path) -> None:
    running = RuntimeProcess.start(
        {**os.environ, **HANDLER, "_HANDLER": "nothing"}, tmp_path / "log"
    )
    running.process.wait()

    kind, body = running.exchange([])
    with pytest.raises(EOFError):
        running.exchange([])
    running.stop()

    assert (kind, b"MalformedHandlerName" in body) == (b"error", True)


def test_no_message_can_be_sent_to_a_process_that_has_ended(tmp_path: Path) -> None:
    running = RuntimeProcess.start(
        {**os.environ, **HANDLER, "_HANDLER": "nothing"}, tmp_path / "log"
    )
    running.process.wait()

    with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
        running.exchange([b"{}"] * 1000)
    running.stop()


def test_a_process_is_killed_only_after_the_timeout() -> None:
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(program) as process:
        with killed_after(60.0, process) as timed_out:
            pass
        assert process.poll() is None
        assert not timed_out.is_set()
        with killed_after(0.0, process) as timed_out:
            assert process.wait(20) == -9
        assert timed_out.is_set()
