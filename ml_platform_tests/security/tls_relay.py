"""What ends TLS before a server of this machine, as a load balancer or a pooler does; it prints the port it listens on.

`python -m ml_platform_tests.security.tls_relay <port behind> <certificate> <key> [postgresql]`: clients of PostgreSQL
ask for TLS in the clear first.
"""

import asyncio
import ssl
import sys

ASKS_FOR_TLS = bytes.fromhex("0000000804d2162f")


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on all that comes, to its end."""
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def listen(behind: int, certificate: str, key: str, *protocol: str) -> None:
    """Relay each connection, until this process is told to end."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if protocol:
            assert await reader.readexactly(len(ASKS_FOR_TLS)) == ASKS_FOR_TLS
            writer.write(b"S")
            await writer.start_tls(context)
        its_reader, its_writer = await asyncio.open_connection("127.0.0.1", behind)
        await asyncio.gather(copy(reader, its_writer), copy(its_reader, writer), return_exceptions=True)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=None if protocol else context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(listen(int(sys.argv[1]), *sys.argv[2:]))
