"""What a model is taught: pictures with turns of asking and answering, from any source, mixed in a fixed order."""
