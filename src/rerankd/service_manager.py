"""What the service manager that started this process is told: systemd's notification protocol."""

from __future__ import annotations

import logging
import os
import socket

READY = "READY=1"
STOPPING = "STOPPING=1"

logger = logging.getLogger(__name__)


def tell(state: str) -> None:
    """Sends a state to whoever listens at `NOTIFY_SOCKET`; does nothing where nobody does."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            # An @ stands for the zero byte of an abstract name.
            link.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            link.sendall(state.encode())
    except OSError as error:
        logger.warning("the service manager cannot be told", extra={"state": state, "detail": str(error)})
