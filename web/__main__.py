"""Serve the model over HTTP until SIGTERM or Ctrl-C; settings are environment variables."""

import os
import signal
import sys
from collections.abc import Mapping

from streaming import StreamingError
from web.http_server import address, listen, serve
from web.service import build_service
from web.web_settings import LOOPBACK, WebSettings

FAILED, INTERRUPTED = 1, 130


def main(environment: Mapping[str, str]) -> int:
    """Serve; what stops the start is one line."""
    try:
        settings = WebSettings.from_environment(environment)
        service = build_service(environment, settings)
        log = service.log
        with listen(settings.listen, settings.port) as listener:
            url = address(listener)
            log.info("serving", address=url, version=service.model.version)
            if settings.api_key is None and settings.listen not in LOOPBACK:
                log.warning("no API_KEY is set: whoever reaches this address may ask")
            serve(service, settings, listener)
        log.info("stopped", address=url)
    except StreamingError as error:
        sys.stderr.write(f"error: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the server handles it
    sys.exit(main(os.environ))
