"""The tree of errors is the one drawn in its file, and each error can be caught as what it means."""

from __future__ import annotations

import inspect
import pickle

import pytest

from grounding import errors

TREE = {
    "InputError": "GroundingError",
    "ImageError": "InputError",
    "UnreadableImageError": "ImageError",
    "ImageTooLargeError": "ImageError",
    "BoxError": "InputError",
    "PromptError": "InputError",
    "PromptTooLongError": "PromptError",
    "UnknownCodecError": "InputError",
    "UnknownModelError": "InputError",
    "ConfigError": "InputError",
    "CheckpointError": "GroundingError",
    "MissingExtraError": "GroundingError",
    "OutputError": "GroundingError",
    "FetchError": "GroundingError",
    "BackendError": "GroundingError",
    "TrainingError": "GroundingError",
}
CLASSES = dict(inspect.getmembers(errors, inspect.isclass))


def test_every_error_has_its_place_in_the_tree():
    assert {name: kind.__mro__[1].__name__ for name, kind in CLASSES.items() if name != "GroundingError"} == TREE


@pytest.mark.parametrize("name", CLASSES)
def test_the_drawing_at_the_top_names_every_error(name):
    assert name in (errors.__doc__ or "")


def test_a_callers_mistake_is_a_value_error_and_nothing_else_is():
    mistakes = {name for name, kind in CLASSES.items() if issubclass(kind, ValueError)}
    assert mistakes == {name for name, kind in CLASSES.items() if issubclass(kind, errors.InputError)}
    assert "BackendError" not in mistakes


def test_a_missing_extra_is_an_import_error():
    assert issubclass(errors.MissingExtraError, ImportError)


@pytest.mark.parametrize("kind", CLASSES.values())
def test_an_error_says_what_it_was_told_also_from_another_process(kind):
    error = pickle.loads(pickle.dumps(kind("no codec named 'x'")))
    assert type(error) is kind
    assert str(error) == "no codec named 'x'"
