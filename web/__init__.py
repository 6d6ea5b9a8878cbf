"""The model over HTTP: `python -m web`, or `web.function_url.handler` on Lambda."""
