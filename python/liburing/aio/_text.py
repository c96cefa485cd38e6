"""Text files: characters over a binary file."""

import codecs
import io
import os

PIECE = 64 << 10


class TextFile:
    """A text file: the calls of `File` with str, and line ends translated as
    the built-in open does.

    `encoding` is by default UTF-8 in UTF-8 mode, otherwise the locale's.
    """

    def __init__(self, file, encoding=None, errors=None, newline=None):
        self.buffer = file
        self.encoding = io.text_encoding(encoding)
        if self.encoding == "locale":
            import locale

            self.encoding = locale.getpreferredencoding(False)
        self.errors = errors or "strict"
        self._newline = newline
        self._line_end = {"": "\n", None: os.linesep}.get(newline, newline)
        info = codecs.lookup(self.encoding)
        # Encoding gives back the bytes that were decoded.
        self._plain = info.name in ("utf-8", "ascii", "iso8859-1") and self.errors == "strict"
        self._encoder = info.incrementalencoder(self.errors)
        if file._append and file._position > 0:
            # No second mark at the beginning.
            self._encoder.setstate(0)
        self._make_decoder = lambda: io.IncrementalNewlineDecoder(
            info.incrementaldecoder(self.errors), newline is None
        )
        self._restart(file._position)

    def _restart(self, position):
        self._decoder = self._make_decoder()
        # Decoded and not yet asked for, and from where: the bytes after
        # `_place` that gave it, the decoder's state there, characters used.
        self._text, self._used = "", 0
        self._place, self._bytes, self._state = position, b"", self._decoder.getstate()
        self._ended = False

    # ---- state

    name = property(lambda self: self.buffer.name, doc="The path or descriptor.")
    mode = property(lambda self: self.buffer.mode, doc="The mode it was opened with.")
    closed = property(lambda self: self.buffer.closed, doc="Whether it was closed.")

    @property
    def newlines(self):
        """The line ends seen so far, as for io.TextIOWrapper."""
        return self._decoder.newlines if self._newline is None else None

    def fileno(self):
        """The descriptor."""
        return self.buffer.fileno()

    def readable(self):
        """Whether the mode allows reading."""
        return self.buffer.readable()

    def writable(self):
        """Whether the mode allows writing."""
        return self.buffer.writable()

    def seekable(self):
        """Whether it has a position."""
        return self.buffer.seekable()

    def isatty(self):
        """Whether it is a terminal."""
        return self.buffer.isatty()

    # ---- reading

    async def _fetch(self):
        """Decodes one more piece; False at the end."""
        if self._ended:
            return False
        rest = self._text[self._used :]
        if not rest:
            self._place += len(self._bytes)
            self._bytes, self._state = b"", self._decoder.getstate()
        data = await self.buffer.read1(PIECE)
        self._bytes += data
        self._ended = not data
        text = self._decoder.decode(data, final=not data)
        if rest:
            self._text += text
        else:
            self._text, self._used = text, 0
        return not self._ended or bool(text)

    def _take(self, end):
        text = self._text[self._used : end]
        self._used = end
        if self._ended and end == len(self._text):
            # More may be written behind the end.
            self._ended = False
        return text

    async def read(self, n=-1, offset=None):
        """At most `n` characters, to the end if -1: str, "" at the end. With an
        `offset` in bytes from there, whatever the position, which stays.
        """
        self.buffer._for_reading()
        n = -1 if n is None else n
        if offset is not None:
            return await self._read_at(n, offset)
        while n < 0 or len(self._text) - self._used < n:
            if not await self._fetch():
                break
        end = len(self._text) if n < 0 else min(self._used + n, len(self._text))
        return self._take(end)

    async def _read_at(self, n, offset):
        decoder = self._make_decoder()
        if n < 0:
            return decoder.decode(await self.buffer.read(-1, offset), final=True)
        text = ""
        while len(text) < n:
            data = await self.buffer.read(max(n - len(text), 16), offset)
            text += decoder.decode(data, final=not data)
            offset += len(data)
            if not data:
                break
        return text[:n]

    def _line_stop(self, seen):
        """The end of the first line from `_used` on, or 0; `seen` characters
        have none."""
        ends = ("\n",) if self._newline in (None, "\n") else ("\r\n", "\n", "\r")
        if self._newline in ("\r", "\r\n"):
            ends = (self._newline,)
        start = max(self._used, seen - 1)
        places = [
            (place, -len(end)) for end in ends if (place := self._text.find(end, start)) >= 0
        ]
        if not places:
            return 0
        place, length = min(places)
        return place - length

    async def readline(self, size=-1):
        """The next line, at most `size` characters; "" at the end."""
        self.buffer._for_reading()
        size = -1 if size is None else size
        seen = self._used
        while True:
            stop = self._line_stop(seen)
            if stop or 0 <= size <= len(self._text) - self._used:
                break
            # What is left over stays in front of what comes.
            seen = len(self._text) if self._used < len(self._text) else 0
            if not await self._fetch():
                stop = len(self._text)
                break
        if size >= 0:
            stop = min(stop or self._used + size, self._used + size)
        return self._take(stop)

    async def readlines(self, hint=-1):
        """The lines from the position on; no more once they have `hint`
        characters."""
        lines, total = [], 0
        while line := await self.readline():
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint < total:
                break
        return lines

    def __aiter__(self):
        self.buffer._for_reading()
        return self

    async def __anext__(self):
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    # ---- writing

    async def write(self, text):
        """Writes all of `text`: its number of characters."""
        self.buffer._for_writing()
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        translated = text
        if self._line_end != "\n" and "\n" in text:
            translated = text.replace("\n", self._line_end)
        if self._bytes or self._text:
            await self.seek(await self.tell())
        await self.buffer.write(self._encoder.encode(translated))
        self._place = self.buffer._position
        return len(text)

    async def writelines(self, lines):
        """Writes one after the other."""
        await self.write("".join(lines))

    # ---- position, size, the disk

    async def tell(self):
        """The position, in bytes.

        Raises OSError in the middle of what an encoding with state makes of
        one sequence.
        """
        self.buffer._for_seeking()
        pending, flag = self._state
        if self._used == 0:
            return self._place - len(pending) - (flag & 1)
        end_pending, end_flag = self._decoder.getstate()
        if self._used == len(self._text) and not end_flag & 1:
            return self._place + len(self._bytes) - len(end_pending)
        if self._plain and not pending and b"\r" not in self._bytes:
            used = self._text[: self._used]
            return self._place + len(used.encode(self.encoding, self.errors))
        decoder = self._make_decoder()
        decoder.setstate(self._state)
        count = 0
        for index in range(len(self._bytes)):
            count += len(decoder.decode(self._bytes[index : index + 1]))
            if count >= self._used and not decoder.getstate()[0]:
                return self._place + index + 1
        raise OSError("can't reconstruct logical file position")

    async def seek(self, offset, whence=os.SEEK_SET):
        """Moves to a position that `tell` gave, or with `whence` 2 and offset 0
        to the end: the new one."""
        if whence == os.SEEK_CUR and offset == 0:
            offset, whence = await self.tell(), os.SEEK_SET
        if whence == os.SEEK_CUR:
            raise io.UnsupportedOperation("can't do nonzero cur-relative seeks")
        if whence == os.SEEK_END and offset:
            raise io.UnsupportedOperation("can't do nonzero end-relative seeks")
        position = await self.buffer.seek(offset, whence)
        self._restart(position)
        self._encoder.reset()
        if position:
            self._encoder.setstate(0)
        return position

    async def truncate(self, size=None):
        """Makes the file `size` bytes long, by default up to the position."""
        size = await self.tell() if size is None else size
        return await self.buffer.truncate(size)

    async def flush(self):
        """Does nothing: written data is the kernel's already."""
        await self.buffer.flush()

    async def fsync(self, *, data_only=False):
        """Waits until the file is on its disk."""
        await self.buffer.fsync(data_only=data_only)

    async def close(self):
        """Closes the file; again does nothing."""
        await self.buffer.close()

    async def __aenter__(self):
        self.fileno()
        return self

    async def __aexit__(self, *exc_info):
        await self.close()

    def __repr__(self):
        return f"<liburing.aio.TextFile {self.name!r} encoding={self.encoding!r}>"
