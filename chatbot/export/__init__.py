"""Writes a trained model for other runtimes: a SavedModel, a TFLite model."""
