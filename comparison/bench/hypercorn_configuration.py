"""The configuration of hypercorn, which has no options for these: `--config python:<this>`."""

from tooling.limits import MAX_MESSAGE_BYTES

websocket_max_message_size = MAX_MESSAGE_BYTES
loglevel = "WARNING"
