"""A server of static files over HTTP/1.1: the connections and the files are
read and written on one ring, on asyncio's interface.

    python aio_http.py [--port PORT] [DIRECTORY]

Serves GET and HEAD below DIRECTORY (by default the current one), with single
ranges, Last-Modified and If-Modified-Since, and connections that are kept.
What lies outside the directory, also behind a symbolic link, is not served.
Prints the port it listens on; ends with SIGINT or SIGTERM.
"""

import argparse
import asyncio
import email.utils
import http
import mimetypes
import os
import re
import signal
import stat
import urllib.parse

import liburing.aio

PIECE = 256 << 10
# Seconds a connection may say nothing, and bytes a request may have.
PATIENCE, LONGEST = 30, 16 << 10


class Refusal(Exception):
    """The answer to a request that is not served."""

    def __init__(self, status: http.HTTPStatus, **headers: str) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers


async def read_request(
    reader: asyncio.StreamReader,
) -> tuple[str, str, str, dict[str, str]] | None:
    """(method, target, version, headers) of the next request, None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Refusal(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    request, *lines = head[:-4].decode("latin-1").split("\r\n")
    try:
        method, target, version = request.split(" ")
        if not re.fullmatch(r"HTTP/1\.\d", version):
            raise Refusal(http.HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip() or not name:
                raise ValueError(line)
            headers[name.lower()] = value.strip()
    except ValueError:
        raise Refusal(http.HTTPStatus.BAD_REQUEST) from None
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise Refusal(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return method, target, version, headers


def locate(root: str, target: str) -> str:
    """The real path of a target below `root`."""
    path = urllib.parse.unquote(target.partition("?")[0].partition("#")[0])
    if not path.startswith("/") or "\0" in path:
        raise Refusal(http.HTTPStatus.BAD_REQUEST)
    if ".." in path.split("/"):
        raise Refusal(http.HTTPStatus.FORBIDDEN)
    real = os.path.realpath(os.path.join(root, path.lstrip("/")))
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        raise Refusal(http.HTTPStatus.FORBIDDEN)
    return real


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, end) of the one range a header asks for; None for all of it."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if not found or found.groups() == ("", ""):
        # Not understood, or several: all of it is a right answer.
        return None
    first, last = found.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise Refusal(
            http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, Content_Range=f"bytes */{size}"
        )
    return start, end


class Connection:
    def __init__(
        self, root: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.root, self.reader, self.writer = root, reader, writer

    async def serve(self) -> None:
        try:
            keep = True
            while keep:
                try:
                    request = await asyncio.wait_for(read_request(self.reader), PATIENCE)
                    if request is None:
                        break
                    keep = await self.answer(*request)
                except Refusal as refusal:
                    keep = False
                    self.refuse(refusal)
                await self.writer.drain()
        except (ConnectionError, TimeoutError, asyncio.TimeoutError):
            pass
        finally:
            self.writer.close()

    async def answer(
        self, method: str, target: str, version: str, headers: dict[str, str]
    ) -> bool:
        """Answers a request; whether the connection is kept."""
        wish = headers.get("connection", "").lower()
        keep = wish == "keep-alive" if version == "HTTP/1.0" else wish != "close"
        try:
            if method not in ("GET", "HEAD"):
                raise Refusal(http.HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET, HEAD")
            path = await asyncio.to_thread(locate, self.root, target)
            try:
                if stat.S_ISDIR((await liburing.aio.stat(path)).st_mode):
                    path = os.path.join(path, "index.html")
                file = await liburing.aio.open(path, "rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise Refusal(http.HTTPStatus.NOT_FOUND) from None
            except PermissionError:
                raise Refusal(http.HTTPStatus.FORBIDDEN) from None
            async with file:
                await self.send_file(method, path, file, headers, keep)
        except Refusal as refusal:
            self.refuse(refusal, keep, method != "HEAD")
        return keep

    async def send_file(
        self, method: str, path: str, file: liburing.aio.File, headers: dict[str, str], keep: bool
    ) -> None:
        status = await liburing.aio.stat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Refusal(http.HTTPStatus.FORBIDDEN)
        modified = email.utils.formatdate(status.st_mtime, usegmt=True)
        if headers.get("if-modified-since") == modified:
            self.head(http.HTTPStatus.NOT_MODIFIED, keep, Last_Modified=modified)
            return
        found = requested_range(headers.get("range"), status.st_size)
        start, end = found or (0, status.st_size)
        about: dict[str, str | int] = {
            "Content_Type": mimetypes.guess_type(path)[0] or "application/octet-stream",
            "Content_Length": end - start,
            "Accept_Ranges": "bytes",
            "Last_Modified": modified,
        }
        if found:
            about["Content_Range"] = f"bytes {start}-{end - 1}/{status.st_size}"
        self.head(http.HTTPStatus.PARTIAL_CONTENT if found else http.HTTPStatus.OK, keep, **about)
        if method == "HEAD":
            return
        while start < end:
            data = await file.read(min(PIECE, end - start), start)
            if not data:
                # Shorter than it was: what was promised cannot be kept.
                self.writer.transport.abort()
                return
            self.writer.write(data)
            await self.writer.drain()
            start += len(data)

    def head(self, status: http.HTTPStatus, keep: bool, **headers: str | int) -> None:
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        headers["Date"] = email.utils.formatdate(usegmt=True)
        headers["Connection"] = "keep-alive" if keep else "close"
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    def refuse(self, refusal: Refusal, keep: bool = False, body: bool = True) -> None:
        text = f"{refusal.status.value} {refusal.status.phrase}\n".encode()
        self.head(
            refusal.status, keep,
            Content_Type="text/plain", Content_Length=len(text), **refusal.headers,
        )  # fmt: skip
        if body:
            self.writer.write(text)


async def main(root: str, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(root, reader, writer).serve()

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=LONGEST)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with server:
        await ended.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("directory", nargs="?", default=".")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    liburing.aio.run(main(os.path.realpath(options.directory), options.port))
