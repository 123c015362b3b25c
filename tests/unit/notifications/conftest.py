"""Property tests here have no time limit of their own: a busy machine is no counterexample."""

from hypothesis import settings

settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")
