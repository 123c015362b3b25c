"""pytest-xdist keeps tests of one group on one worker. With pytest 9.2, pytest-xdist 3.8 ignores groups silently."""

import pytest


@pytest.mark.xdist_group("group")
def test_the_group_of_a_test_is_known_to_the_scheduler(request: pytest.FixtureRequest):
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@group")
