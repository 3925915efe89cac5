"""Rows and columns of parquet files; a damaged one is one sentence, a missing package another."""

import sys

import pytest

from grounding.data.parquet_files import parquet_columns, parquet_rows
from grounding.errors import InputError, MissingExtraError

pyarrow = pytest.importorskip("pyarrow", reason="parquet needs the extra 'eval'")


def test_columns_and_rows_come_back(tmp_path):
    import pyarrow.parquet as parquet

    rows = [{"id": 1, "bbox": [1.0, 2.5]}, {"id": 2, "bbox": None}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert parquet_columns(tmp_path / "a.parquet") == ["id", "bbox"]
    assert parquet_rows(tmp_path / "a.parquet") == rows


@pytest.mark.parametrize("read", [parquet_columns, parquet_rows])
@pytest.mark.parametrize("content", [b"", b"PAR1 cut off", b"PAR1" + b"\x00" * 50 + b"PAR1"])
def test_a_damaged_file_is_one_sentence(tmp_path, read, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match="can't be read as parquet") as caught:
        read(tmp_path / "a.parquet")
    assert "\n" not in str(caught.value)


def test_a_column_whose_name_is_no_text_is_one_sentence(tmp_path):
    import pyarrow.parquet as parquet

    parquet.write_table(pyarrow.table({"abcdefgh": [1]}), tmp_path / "a.parquet", store_schema=False)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole.replace(b"abcdefgh", b"abc\xfeefgh"))
    with pytest.raises(InputError, match="can't be read as parquet"):
        parquet_columns(tmp_path / "a.parquet")


def test_without_the_package_the_line_to_install_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pip install 'grounding-vlm"):
        parquet_rows(tmp_path / "a.parquet")
