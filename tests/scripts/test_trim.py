from pathlib import Path

import pytest

from scripts.trim import trim

UNUSED = [
    "bin/f2py",
    "botocore/data/ec2/2016-11-15/service-2.json.gz",
    "numpy/_core/tests/test_dtype.py",
    "numpy/tests/test_public_api.py",
    "onnxruntime/backend/backend.py",
    "onnxruntime/capi/libonnxruntime.so.1.31.1",
    "onnxruntime/datasets/sigmoid.onnx",
    "onnxruntime/quantization/quantize.py",
    "onnxruntime/tools/convert.py",
    "onnxruntime/transformers/optimizer.py",
]
USED = [
    "botocore/data/dynamodb/2012-08-10/service-2.json.gz",
    "botocore/data/endpoints.json",
    "botocore/data/kinesis/2013-12-02/service-2.json.gz",
    "botocore/data/s3/2006-03-01/service-2.json.gz",
    "botocore/data/sts/2011-06-15/service-2.json.gz",
    "numpy/_core/multiarray.py",
    "onnxruntime/capi/onnxruntime_pybind11_state.so",
]


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for name in [*UNUSED, *USED]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_what_the_function_never_uses_is_gone_and_the_rest_is_there(packages: Path) -> None:
    trim(packages)

    left = [str(path.relative_to(packages)) for path in packages.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(USED)


@pytest.mark.parametrize(
    ("moved", "missing"),
    [
        ("botocore/data/kinesis/2013-12-02/service-2.json.gz", "botocore/data/kinesis"),
        ("onnxruntime/tools/convert.py", "onnxruntime/tools"),
    ],
)
def test_what_a_release_has_moved_stops_the_build_before_anything_is_removed(
    packages: Path, moved: str, missing: str
) -> None:
    (packages / moved).unlink()
    for folder in (packages / moved).parent, packages / missing:
        if folder.exists():
            folder.rmdir()

    with pytest.raises(FileNotFoundError, match=f"has no .*{missing}"):
        trim(packages)

    assert (packages / "bin" / "f2py").exists()
