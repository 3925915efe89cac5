"""The way in for pictures, and Canvas: where a picture's pixels lie in what a model sees.

`open_image` turns whatever holds a picture into an upright RGB picture, and refuses what is too large before decoding
it; `open_url` is the only function here that uses the network.
"""

from grounding.images.canvas import Canvas
from grounding.images.opening import DEFAULT_LIMITS, ImageLimits, ImageSource, image_size, open_image
from grounding.images.web import open_url

__all__ = ["DEFAULT_LIMITS", "Canvas", "ImageLimits", "ImageSource", "image_size", "open_image", "open_url"]
