"""The messages between the processes that watch a training: one JSON object a line, over TCP."""

import asyncio
import json
from typing import Any, Dict

SECONDS = 1.0
"""The time between two messages."""

_LONGEST = 4096


async def read(reader: asyncio.StreamReader) -> Dict[str, Any]:
    """The next message; ``ConnectionError`` after the last one, and for what is no message."""
    try:
        line = await reader.readuntil(b"\n")
        content = json.loads(line)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise ConnectionError(f"not a message: {error}") from None
    if not isinstance(content, dict) or len(line) > _LONGEST:
        raise ConnectionError("not a message")
    return content


def write(writer: asyncio.StreamWriter, **content: Any) -> None:
    """Send a message; it does not wait, and one that cannot be sent is lost."""
    if not writer.is_closing():
        writer.write(json.dumps(content).encode() + b"\n")
