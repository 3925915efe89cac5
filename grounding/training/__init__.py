"""Training our model: configuration, batches, losses, optimizer, and the loop of transformers' Trainer around them."""
