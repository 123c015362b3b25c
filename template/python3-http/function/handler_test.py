"""Run in the build with `build_args: {TEST_ENABLED: "true"}` in stack.yml; by hand: python -m unittest *_test.py"""

import unittest

from .handler import handle


class HandlerTest(unittest.TestCase):
    def test_answers_200(self):
        assert handle(None, None)["statusCode"] == 200
