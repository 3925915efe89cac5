"""The training on photographs: an encoder is taught what each patch shows, then a decoder is asked."""
