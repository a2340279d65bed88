"""Trainings: begun, gone on with and finished, on one device, on several, on several machines."""
