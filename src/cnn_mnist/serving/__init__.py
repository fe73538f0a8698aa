"""The HTTP API and the web pages. Never imports torch."""
