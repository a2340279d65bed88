"""Many chats at once with a server, each on a connection of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

PATH = "/v1/chat/completions"


class Measured(NamedTuple):
    """What became of the requests of some chats.

    Attributes:
        seconds: How long the chats took.
        waits: Seconds from a request to its reply, for each that was answered.
        lost: Requests without a reply.
        wrong: Replies that were not the expected ones.
    """

    seconds: float
    waits: list[float]
    lost: int
    wrong: int


def write_request(address: str, model: str, query: str) -> bytes:
    """Writes a chat completion with one turn."""
    message = {"role": "user", "content": query}
    content = json.dumps({"model": model, "messages": [message]}).encode()
    host = address.removeprefix("http://").rstrip("/")
    head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def chat_at_once(
    address: str, model: str, expected: Mapping[str, str], chats: int, requests: int
) -> Measured:
    """Holds chats that each ask again as soon as they have a reply.

    Args:
        address: The server's, `http://HOST:PORT/`.
        model: The id of the model.
        expected: {query: its reply}; the chats ask these in turns.
        chats: How many at once.
        requests: How many requests in all.
    """
    queries = [(write_request(address, model, query), reply) for query, reply in expected.items()]
    work = iter([queries[number % len(queries)] for number in range(requests)])
    return asyncio.run(_chat_all(address, work, chats))


async def _chat_all(address: str, work: Iterator[tuple[bytes, str]], chats: int) -> Measured:
    host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    connections = [await asyncio.open_connection(host, int(port)) for _ in range(chats)]
    begin = time.perf_counter()
    found = await asyncio.gather(*(_chat(*connection, work) for connection in connections))
    seconds = time.perf_counter() - begin
    for _, writer in connections:
        writer.close()
    waits = [wait for each in found for wait in each.waits]
    lost, wrong = sum(each.lost for each in found), sum(each.wrong for each in found)
    return Measured(seconds, waits, lost, wrong)


async def _chat(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, work: Iterator[tuple[bytes, str]]
) -> Measured:
    waits, lost, wrong = [], 0, 0
    for request, reply in work:
        begin = time.perf_counter()
        writer.write(request)
        status, content = await read_answer(reader)
        if status == 200:
            waits.append(time.perf_counter() - begin)
            wrong += json.loads(content)["choices"][0]["message"]["content"] != reply
        else:
            lost += 1
    return Measured(0.0, waits, lost, wrong)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Reads one HTTP answer that has a length; returns its status and content."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)
