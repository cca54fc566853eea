"""The messages between the processes that watch a training: one JSON object a line, over TCP."""

import asyncio
import json
from typing import Any, Dict, Optional

SECONDS = 1.0
"""The time between two messages."""

_LONGEST = 4096


async def read(reader: asyncio.StreamReader) -> Optional[Dict[str, Any]]:
    """The next message; None after the last one, and for what is no message."""
    try:
        line = await reader.readuntil(b"\n")
        content = json.loads(line) if len(line) <= _LONGEST else None
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def write(writer: asyncio.StreamWriter, **content: Any) -> None:
    """Send a message; it does not wait, and one that cannot be sent is lost."""
    if not writer.is_closing():
        writer.write(json.dumps(content).encode() + b"\n")
