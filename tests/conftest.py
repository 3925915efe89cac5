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


@pytest.fixture(scope="session")
def directory_of(tmp_path_factory):
    """A family's tiny checkpoint on disk (tests/tiny_families.py), made when it is first asked for."""
    from tests import tiny_families

    made = {}

    def directory(family):
        if family not in made:
            made[family] = tiny_families.save(family, tmp_path_factory.mktemp("families") / family.replace(" ", "-"))
        return made[family]

    return directory


@pytest.fixture(scope="session")
def model_of(directory_of):
    """A family's model, loaded through the door that users take; the same one for all tests."""
    import grounding

    made = {}

    def model(family):
        if family not in made:
            made[family] = grounding.load(directory_of(family), device="cpu", max_new_tokens=12)
        return made[family]

    return model


@pytest.fixture
def forcing(model_of, monkeypatch):
    """A family's model that writes a given text; see tests/forced.py."""
    from tests import forced

    def force(family, text, chances=None, gate=None):
        model = model_of(family)
        ids = forced.ids_of(model, text)
        monkeypatch.setattr(model, "_generation", forced.cut_after(model, len(ids) + 1))
        monkeypatch.setattr(model, "logits_processors", [forced.Forced(ids, min(model.ends), chances, gate)])
        return model

    return force


@pytest.fixture(scope="module")
def chromium():
    """A headless browser (tests/browser.py). One a module: its event loop must not run while others' tests do."""
    from tests import browser

    with browser.running_chromium() as running:
        yield running
