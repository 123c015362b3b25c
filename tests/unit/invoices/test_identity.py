"""What makes two rows the same invoice, and two deliveries the same import."""

import pytest
from msgspec.structs import replace

from mailroom.invoices.model.identity import import_id, invoice_id, supplier_key
from mailroom.platform.objects import ObjectVersion

VERSION = ObjectVersion("invoices", "may.csv", "v1", "e1", 10, 1_700_000_000_123)


@pytest.mark.parametrize("name", ["ACME GmbH", "acme  gmbh ", "Acme\u00a0GmbH", "\uff21cme GMBH"])
def test_spellings_of_one_supplier_are_one(name):
    assert supplier_key(name) == "acme gmbh"


def test_the_year_and_the_case_of_the_number_tell_invoices_apart():
    ids = {invoice_id("acme", number, year) for number in ("A-1", "a-1") for year in (2023, 2024)}
    assert len(ids) == 4
    assert invoice_id("acme", " A-1 ", 2024) in ids


def test_parts_of_an_identity_do_not_run_into_each_other():
    assert invoice_id("acme", "12", 2024) != invoice_id("acme1", "2", 2024)


def test_an_import_is_one_version_however_it_became_known():
    assert import_id(VERSION) == import_id(replace(VERSION, etag="", modified_ms=0))
    assert import_id(VERSION) != import_id(replace(VERSION, version_id="v2"))


def test_without_versions_time_and_etag_tell_imports_apart():
    plain = replace(VERSION, version_id="")
    assert import_id(plain) != import_id(replace(plain, etag="e2"))
    assert import_id(plain) != import_id(replace(plain, modified_ms=1))
