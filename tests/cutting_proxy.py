"""An HTTP proxy that knows CONNECT and cuts every connection after some seconds, as some of real sites do.

Called as: cutting_proxy.py LISTEN_ADDRESS LISTEN_PORT SERVER_ADDRESS SERVER_PORT SECONDS
Wherever it is asked to connect to, it connects to the server. Says on stderr when it cut.
"""

import asyncio
import sys

listen, port, server, server_port, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])


async def pour(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def serve(reader, writer):
    inner = None
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        inner_reader, inner = await asyncio.open_connection(server, server_port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        both = [asyncio.create_task(pour(reader, inner)), asyncio.create_task(pour(inner_reader, writer))]
        _, open_ones = await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if len(open_ones) == 2:
            print("cut", file=sys.stderr, flush=True)
        for task in open_ones:
            task.cancel()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        for each in (writer, inner):
            if each is not None:
                each.close()


async def main():
    serving = await asyncio.start_server(serve, listen, port)
    async with serving:
        await serving.serve_forever()


asyncio.run(main())
