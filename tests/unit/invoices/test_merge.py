"""The merge of rows with stored invoices."""

from collections import Counter
from itertools import pairwise

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.model.identity import order
from mailroom.invoices.model.merge import INSERTED, STALE, UNCHANGED, UPDATED, Row, merge

THIS, OTHER = ObjectId("a" * 24), ObjectId("b" * 24)


def nothing_is_counted(import_id: ObjectId, offset: int) -> bool:
    return True


def row(offset: int, status: str = "open", modified: int = 1000) -> Row:
    return Row(offset, offset // 10, order(modified, "v", offset), {"_id": ObjectId("1" * 24), "status": status})


def test_a_new_invoice_is_inserted():
    merged = merge(None, [row(0)], THIS, 0, "now")

    assert merged.outcomes == {0: INSERTED}
    assert merged.document["source"] == {"importId": THIS, "offset": 0, "row": 0, "outcome": INSERTED}
    assert merged.document["insertedBy"] == merged.document["changedBy"] == THIS


def test_a_newer_row_with_other_content_updates():
    stored = merge(None, [row(0)], OTHER, 0, "then").document

    merged = merge(stored, [row(0, "paid", modified=2000)], THIS, 0, "now")

    assert merged.outcomes == {0: UPDATED}
    assert merged.document["status"] == "paid"
    assert (merged.document["createdAt"], merged.document["updatedAt"]) == ("then", "now")
    assert (merged.document["insertedBy"], merged.document["changedBy"]) == (OTHER, THIS)


def test_a_newer_row_with_the_same_content_advances_the_order_only():
    stored = merge(None, [row(0)], OTHER, 0, "then").document

    merged = merge(stored, [row(0, modified=2000)], THIS, 0, "now")

    assert merged.outcomes == {0: UNCHANGED}
    assert merged.document["order"] == row(0, modified=2000).order
    assert merged.document["updatedAt"] == "then"
    assert merged.document["changedBy"] == OTHER


def test_an_older_row_is_stale_and_writes_nothing():
    stored = merge(None, [row(0, modified=2000)], OTHER, 0, "then").document

    merged = merge(stored, [row(0, "paid", modified=1000)], THIS, 0, "now")

    assert merged.document is None
    assert merged.outcomes == {0: STALE}


def test_a_later_row_of_the_same_file_wins():
    merged = merge(None, [row(0, "open"), row(50, "paid"), row(90, "paid")], THIS, 0, "now")

    assert merged.outcomes == {0: INSERTED, 50: UPDATED, 90: UNCHANGED}
    assert merged.document["status"] == "paid"


def test_the_memory_of_a_replay_is_bounded_by_the_batch():
    stored = merge(None, [row(0), row(50)], THIS, 0, "then").document

    document = merge(stored, [row(100, "paid")], THIS, 100, "now").document

    assert "earlier" not in document["source"]


@given(
    statuses=st.lists(st.sampled_from(["open", "paid"]), min_size=1, max_size=8),
    cut=st.integers(0, 8),
    existing=st.sampled_from([None, ("open", 500), ("paid", 500), ("paid", 5000)]),
)
def test_a_replayed_batch_counts_what_it_did_the_first_time(statuses, cut, existing):
    stored = None if existing is None else merge(None, [row(0, *existing)], OTHER, 0, "then").document
    rows = [row(10 * n, status) for n, status in enumerate(statuses)]
    once = merge(stored, rows, THIS, 0, "now")

    # The first run wrote all of the batch, or (the server cut it) an earlier state; then the whole batch is replayed.
    part = merge(stored, rows[:cut], THIS, 0, "now") if rows[:cut] else None
    replayed_after_all = merge(once.document or stored, rows, THIS, 0, "later")
    replayed_after_part = merge((part and part.document) or stored, rows, THIS, 0, "now")

    assert replayed_after_all.outcomes == once.outcomes
    assert replayed_after_all.document is None
    assert replayed_after_part.outcomes == once.outcomes
    assert (replayed_after_part.document or (part and part.document)) == once.document


@given(
    statuses=st.lists(st.sampled_from(["open", "paid"]), min_size=1, max_size=8),
    existing=st.sampled_from([None, ("open", 500), ("paid", 500), ("paid", 1500), ("paid", 5000)]),
    newer=st.lists(st.lists(st.sampled_from(["open", "paid"]), min_size=1, max_size=3), max_size=3),
)
def test_a_batch_replayed_after_newer_imports_counts_what_it_did_the_first_time(statuses, existing, newer):
    document = None if existing is None else merge(None, [row(0, *existing)], OTHER, 0, "then").document
    imports = [(THIS, [row(10 * n, status) for n, status in enumerate(statuses)])]
    for at, more in enumerate(newer, 1):
        rows = [row(10 * n, status, modified=1000 * (at + 1)) for n, status in enumerate(more)]
        imports.append((ObjectId(f"{at:024x}"), rows))
    first = []
    for import_id, rows in imports:
        merged = merge(document, rows, import_id, 0, "now", nothing_is_counted)
        document = merged.document or document
        first.append(merged.outcomes)

    replayed = [merge(document, rows, import_id, 0, "later", nothing_is_counted) for import_id, rows in imports]

    assert [each.outcomes for each in replayed] == first
    assert {each.document for each in replayed} == {None}


def test_what_the_rows_of_other_imports_did_is_kept_until_they_are_counted():
    stored = merge(None, [row(0), row(50, "paid")], OTHER, 0, "then").document
    entries = [
        {"importId": OTHER, "offset": 0, "outcome": INSERTED},
        {"importId": OTHER, "offset": 50, "outcome": UPDATED},
    ]

    kept = merge(stored, [row(0, modified=2000)], THIS, 0, "now", nothing_is_counted).document
    cut = merge(stored, [row(0, modified=2000)], THIS, 0, "now", lambda _, offset: offset > 0).document
    later = merge(kept, [row(0, "paid", modified=3000)], ObjectId(), 0, "now", lambda _, offset: False).document

    assert kept["source"]["uncounted"] == entries
    assert cut["source"]["uncounted"] == entries[1:]
    assert "uncounted" not in later["source"]


def test_an_invoice_that_one_batch_repeats_is_merged_in_linear_time():
    rows = [row(10 * n, "paid" if n % 2 else "open") for n in range(20_000)]

    once = merge(None, rows, OTHER, 0, "now").document

    replayed = merge(once, rows, OTHER, 0, "later", nothing_is_counted)
    assert Counter(replayed.outcomes.values()) == {INSERTED: 1, UPDATED: 19_999}


@given(st.lists(st.tuples(st.integers(0, 2**47), st.sampled_from(["", "a", "ab", "b-1"]), st.integers(0, 2**47))))
def test_the_text_of_an_order_sorts_as_its_parts(parts):
    for one, other in pairwise(parts):
        assert (order(*one) < order(*other)) == (one < other)
