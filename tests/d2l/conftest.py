"""Tests of this folder run in one of their own: curves are saved where a script runs."""

import pytest


@pytest.fixture(autouse=True)
def in_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
