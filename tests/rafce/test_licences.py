"""A dataset's licence note is its sources' own: RAF's of a build, the user's of an import, else that none is known."""

import json

import pytest

from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions
from rafce.licences import RAF, UNRECORDED, licence_note
from rafce_reports.analysis import AnalyzeOptions, analyze
from rafce_reports.dataset_report import write_reports


@pytest.fixture
def imported(tmp_path):
    def run(**options):
        table = tmp_path / "labels.csv"
        rows = [f"{i}.jpg,{'glad' if i % 2 else 'cross'},{i % 3 // 2}" for i in range(30)]
        table.write_text("\n".join(["image,emotion,AU12", *rows]) + "\n")
        import_dataset(ImportOptions("table", (table,), out=tmp_path / "data", **options))
        return tmp_path / "data"

    return run


def test_a_build_names_rafs_licence(tiny_dataset):
    assert licence_note(json.loads((tiny_dataset / "manifest.json").read_text())) == RAF


@pytest.mark.parametrize(("given", "said"), [({}, UNRECORDED), ({"licence": "CC BY <4.0>"}, "CC BY <4.0>")])
def test_an_import_says_what_its_makers_allow_on_the_page_and_never_speaks_of_rafs_licence(
    imported, given, said
):
    from rafce.dataset import read_dataset

    folder = imported(**given)
    assert licence_note(json.loads((folder / "manifest.json").read_text())) == said
    write_reports(analyze(read_dataset(folder), AnalyzeOptions()), folder / "reports")
    page = (folder / "reports" / "report.html").read_text()
    assert said.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "RAF-ML, RAF-AU and RAF-CE" not in page
