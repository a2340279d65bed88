"""Chats over HTTP: a page that compares searches, and the interface that other clients speak."""
