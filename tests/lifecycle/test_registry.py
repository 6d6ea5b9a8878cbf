from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import onnx
import pytest

from lifecycle.errors import RegistryError
from lifecycle.registry import CHAMPION, Registry, bundle_version, parse_versions

if TYPE_CHECKING:
    from pathlib import Path


def test_versions_say_what_they_were_trained_on_and_how_good_they_are(registry: Registry) -> None:
    registry.move_alias(CHAMPION, {"duration": "2", "tip": "1"})

    latest, second, first = registry.versions("duration")

    assert [v.version for v in (latest, second, first)] == ["3", "2", "1"]
    assert second.aliases == ("champion",)
    assert second.trained_on == ("2023-01", "2023-02")
    assert len(second.data) == 2
    assert second.metrics["validation_rmse"] == 3.25
    assert registry.latest() == {"duration": "3", "tip": "3"}


def test_a_version_holds_its_graph_record_and_statistics(registry: Registry) -> None:
    model = registry.model("tip", "2")

    onnx.checker.check_model(onnx.load_from_string(model.graph))
    assert model.record["unit"] == "US dollars"
    assert model.record["data"].keys() == {"2023-01", "2023-02"}
    assert json.loads(model.statistics)["pairs"]


def test_a_version_has_a_signature(registry: Registry) -> None:
    signature = registry.model("tip", "2").files["MLmodel"].partition(b"signature:")[2]

    assert b'"trip_distance"' in signature
    assert b'"prediction"' in signature


def test_a_registry_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"there is no registry sqlite:.*`make train` creates"):
        Registry(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_none_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1_000)

    with pytest.raises(RegistryError) as raised:
        Registry(f"sqlite:///{tmp_path / 'mlflow.db'}").latest()
    assert "not a database" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_server_that_is_not_there_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # refuses connections, since it does not listen
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        with pytest.raises(RegistryError) as raised:
            Registry(url).latest()
    assert str(raised.value).startswith(f"the registry {url}: ")
    assert "\n" not in str(raised.value)


def test_a_version_that_was_registered_by_other_means_is_named(registry: Registry) -> None:
    client = registry._client
    run = client.create_run(client.create_experiment("another"))
    source = client.get_model_version_download_uri("ride-tip", "1")
    client.create_model_version("ride-tip", source, run.info.run_id)

    with pytest.raises(RegistryError, match=r"ride-tip 4 has no training_record.json"):
        registry.model("tip", "4")


@pytest.mark.parametrize("text", ["duration-7-tip-5", "duration-7", "tip-12"])
def test_a_bundles_version_or_a_part_of_it_names_registered_versions(text: str) -> None:
    assert bundle_version(parse_versions(text)) == text


@pytest.mark.parametrize(
    "text", ["7", "", "duration", "tolls-7", "tip-5-duration-7", "duration-0", "duration-7-"]
)
def test_another_version_is_an_error_with_what_is_allowed(text: str) -> None:
    with pytest.raises(RegistryError, match=r"VERSION is .*; allowed: such as duration-7-tip-7"):
        parse_versions(text)
