"""Owns every error this library raises on purpose, so that one `except` can catch what it means to.

    GroundingError(Exception)
     ├─ InputError(ValueError)         the caller's mistake: a value that cannot work
     │   ├─ ImageError                 a picture that cannot be used
     │   │   ├─ UnreadableImageError   not a picture, damaged, missing or out of reach
     │   │   └─ ImageTooLargeError     over the limit of bytes or of pixels
     │   ├─ BoxError                   a box, point or mask that cannot be one
     │   ├─ PromptError                a phrase that cannot be asked
     │   │   └─ PromptTooLongError     longer than the model reads
     │   ├─ UnknownCodecError          no family of texts has that name
     │   ├─ UnknownModelError          no model has that name
     │   └─ ConfigError                settings that contradict each other or do not exist
     ├─ CheckpointError                a checkpoint directory with a missing or foreign file
     ├─ MissingExtraError(ImportError) an optional package is not installed
     ├─ OutputError                    nowhere to write: no space, no permission, not a directory
     ├─ FetchError                     what was to be downloaded does not come, or is not what was asked for
     ├─ BackendError                   the model, or the server it runs on, failed
     └─ TrainingError                  a training stopped before its end; what it had learned is kept

Every message is one sentence or two: the value that was seen, then what to do about it. What a *model* wrote wrongly is
not an error: it is data, and stands in `Grounding.problems`.
"""


class GroundingError(Exception):
    """Root of the tree; the command line turns it into one line on stderr."""


class InputError(GroundingError, ValueError):
    """The caller gave something that cannot work; also a ValueError."""


class ImageError(InputError):
    """A picture that cannot be used."""


class UnreadableImageError(ImageError):
    """Not a picture, a damaged one, or one that could not be reached."""


class ImageTooLargeError(ImageError):
    """A picture over the limit of bytes or of pixels; raised before anything is decoded."""


class BoxError(InputError):
    """A box, point or mask that cannot be one: wrong shape, not finite, inverted, of another picture's size."""


class PromptError(InputError):
    """A phrase that cannot be asked, such as an empty one."""


class PromptTooLongError(PromptError):
    """A phrase with more tokens than the model reads."""


class UnknownCodecError(InputError):
    """No codec has the name that was given."""


class UnknownModelError(InputError):
    """No model has the name that was given."""


class ConfigError(InputError):
    """Settings that do not exist, have the wrong type, or contradict each other."""


class CheckpointError(GroundingError):
    """A checkpoint directory with a missing, damaged or foreign file."""


class MissingExtraError(GroundingError, ImportError):
    """An optional package is not installed; also an ImportError. The message holds the line to install it."""


class OutputError(GroundingError):
    """What was asked for cannot be written: no space, no permission, or not a directory."""


class FetchError(GroundingError):
    """A file that was to be downloaded does not come, comes damaged, or holds what must not be unpacked."""


class BackendError(GroundingError):
    """The model, or the server it runs on, failed."""


class TrainingError(GroundingError):
    """A training stopped before its end: numbers that are none, no memory, too many bad lessons, or a signal."""
