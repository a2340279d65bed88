"""Replies without TensorFlow: the same searches in NumPy, over any network that takes steps."""
