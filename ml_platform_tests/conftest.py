"""What holds for every test: Hypothesis looks for wrong answers, not for slow ones, since machines are shared."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
