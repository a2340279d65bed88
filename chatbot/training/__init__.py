"""Training on one device, several, or several machines, from the start or the last checkpoint."""
