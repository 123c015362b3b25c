"""What pytest-xdist needs of the collected tests."""

import pytest


@pytest.mark.xdist_group("group")
def test_the_group_of_a_test_is_known_to_the_scheduler(request: pytest.FixtureRequest):
    """Tests of one group stay on one worker. With pytest 9.2, pytest-xdist 3.8 ignores groups silently."""
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@group")


@pytest.mark.slow
def test_no_name_of_a_test_is_made_of_bytes(request: pytest.FixtureRequest):
    """Every worker must collect the same names, and a ZIP archive holds the second in which it was made."""
    names = [
        item.nodeid
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        for value in item.callspec.params.values()
        if isinstance(value, bytes) and len(value) > 40 and ascii(value)[2:-1] in item.nodeid
    ]
    assert names == []
