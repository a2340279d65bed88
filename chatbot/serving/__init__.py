"""Serves chatbots over HTTP: OpenAI's chat interface, comparisons of searches, and a page."""
