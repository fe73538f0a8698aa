"""Reading on the network: the HTTP API, and the page to draw on. Never imports torch."""
