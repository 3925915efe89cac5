"""What several test files share; hypothesis is set to find the same examples on every machine."""

from __future__ import annotations

import os

# Tiny models gain nothing from threads, and lose much where another process wants the same cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

# Two cores are often shared with a training run, so a slow example is no failure.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def tiny_model():
    """The model of tests/tiny.py with random weights, for tests that leave it as it is."""
    from tests import tiny

    return tiny.model()


@pytest.fixture(scope="session")
def tiny_processor():
    """The processor that goes with `tiny_model`."""
    from tests import tiny

    return tiny.processor()
