"""The model directory: settings, vocabulary, checkpoints and reports that are whole or absent."""
