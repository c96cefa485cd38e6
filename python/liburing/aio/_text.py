"""Text files: characters over a binary file."""

import asyncio
import codecs
import io
import os
from operator import index

# The class of the decoders of CJK encodings.
from _multibytecodec import MultibyteIncrementalDecoder

# The bytes decoded at a time, as in io.TextIOWrapper: a write goes to where reading
# got to, so programs see the size.
CHUNK = 8192

# What tell() gives where a plain position does not say all: where in the file decoding
# starts, the decoder's flags there, how many bytes to give it, how many characters of
# them were used, whether the file ended with them. The bits of each, from the lowest
# on, are io.TextIOWrapper's; behind them are those of the flags that it has no room for.
_BITS = (64, 32, 32, 32, 8, 32)


def _pack(position, flags, count=0, used=0, ended=False):
    cookie, shift = 0, 0
    parts = (position, flags & 0xFFFFFFFF, count, used, int(ended), flags >> 32)
    for part, bits in zip(parts, _BITS):
        if part >> bits:
            raise OSError("can't reconstruct logical file position")
        cookie |= part << shift
        shift += bits
    return cookie


def _unpack(cookie):
    parts = []
    for bits in _BITS:
        parts.append(cookie & ((1 << bits) - 1))
        cookie >>= bits
    position, flags, count, used, ended, more = parts
    if cookie or position >> 63:
        raise OverflowError("not a position that tell() gave")
    return position, flags | more << 32, count, used, ended


class TextFile:
    """A text file: the calls of `File` with str, and line ends translated as
    the built-in open does.

    `encoding` is by default UTF-8 in UTF-8 mode, otherwise the locale's.
    """

    def __init__(self, file, encoding=None, errors=None, newline=None):
        self._buffer = file
        self.encoding = io.text_encoding(encoding)
        if self.encoding == "locale":
            import locale

            self.encoding = locale.getpreferredencoding(False)
        self.errors = errors or "strict"
        self.line_buffering = False
        self._newline = newline
        self._line_end = {"": "\n", None: os.linesep}.get(newline, newline)
        info = codecs.lookup(self.encoding)
        if not getattr(info, "_is_text_encoding", True):
            raise LookupError(
                f"{self.encoding!r} is not a text encoding; "
                "use codecs.open() to handle arbitrary codecs"
            )
        if errors is not None:
            codecs.lookup_error(errors)
        self._encoder = info.incrementalencoder(self.errors) if file._writable else None
        if self._encoder is not None and file._seekable and file._position > 0:
            # No second mark at the beginning.
            self._encoder.setstate(0)

        problems = self.errors

        self._bare_decoder = lambda: info.incrementaldecoder(problems)

        # Without a reference to the file, which then goes as soon as it is forgotten.
        def make():
            decoder = info.incrementaldecoder(problems)
            if newline:
                return decoder
            return io.IncrementalNewlineDecoder(decoder, newline is None)

        self._make_decoder = make
        self._decoder = self._make_decoder() if file._readable else None
        # Decoded, how many characters of it were asked for, and the decoder's flags
        # and bytes that gave it (None: nothing is known of them).
        self._text, self._used, self._start = "", 0, None
        # Bytes a character, as the last piece had them.
        self._ratio = 0.0
        # Calls that use the position take turns.
        self._turn = asyncio.Lock()

    # ---- state

    @property
    def buffer(self):
        """The binary `File` below."""
        if self._buffer is None:
            raise ValueError("underlying buffer has been detached")
        return self._buffer

    name = property(lambda self: self.buffer.name, doc="The path or descriptor.")
    mode = property(lambda self: self.buffer.mode, doc="The mode it was opened with.")
    closed = property(lambda self: self.buffer.closed, doc="Whether it was closed.")

    @property
    def newlines(self):
        """The line ends seen so far, as for io.TextIOWrapper."""
        return getattr(self._decoder, "newlines", None)

    def fileno(self):
        """The descriptor. May be awaited."""
        return self.buffer.fileno()

    def readable(self):
        """Whether the mode allows reading. May be awaited."""
        return self.buffer.readable()

    def writable(self):
        """Whether the mode allows writing. May be awaited."""
        return self.buffer.writable()

    def seekable(self):
        """Whether it has a position. May be awaited."""
        return self.buffer.seekable()

    def isatty(self):
        """Whether it is a terminal. May be awaited."""
        return self.buffer.isatty()

    def detach(self):
        """The file below as a binary one of the standard library (io.BufferedReader,
        io.BufferedWriter or io.BufferedRandom), where reading got to; this object has no
        more to do with it, and every further call raises ValueError."""
        file = self.buffer
        raw = file.detach()
        self._buffer = None
        if raw.readable() and raw.writable():
            return io.BufferedRandom(raw) if file._seekable else io.BufferedRWPair(raw, raw)
        return io.BufferedReader(raw) if raw.readable() else io.BufferedWriter(raw)

    # ---- reading

    def _forget(self):
        self._text, self._used, self._start = "", 0, None

    def _for_reading(self):
        file = self.buffer
        if file._fd is None:
            file.fileno()
        if self._decoder is None:
            raise io.UnsupportedOperation("not readable")

    async def _fetch(self, hint=0):
        """Decodes one more piece in place of the last one; False at the end.
        `hint` is how many characters are wanted."""
        pending, flags = self._decoder.getstate()
        size = max(CHUNK, int(max(self._ratio, 1.0) * hint))
        data = await self.buffer._piece(size)
        text = self._decoder.decode(data, not data)
        self._ratio = len(data) / len(text) if text else 0.0
        self._text, self._used, self._start = text, 0, (flags, pending + data)
        return bool(data or text)

    async def read(self, n=-1, offset=None):
        """At most `n` characters, to the end if -1: str, "" at the end. With an
        `offset` in bytes from there, whatever the position, which stays.
        """
        n = -1 if n is None else index(n)
        self._for_reading()
        if offset is not None:
            return await self._read_at(n, offset)
        async with self._turn:
            if n < 0:
                data = await self.buffer.read()
                text = self._text[self._used :] + self._decoder.decode(data, True)
                self._forget()
                return text
            parts, wanted = [], n
            while True:
                parts.append(self._text[self._used : self._used + wanted])
                self._used += len(parts[-1])
                wanted -= len(parts[-1])
                if not wanted or not await self._fetch(wanted):
                    return parts[0] if len(parts) == 1 else "".join(parts)

    async def _read_at(self, n, offset):
        decoder = self._make_decoder()
        if n < 0:
            return decoder.decode(await self.buffer.read(-1, offset), True)
        text = ""
        while len(text) < n:
            data = await self.buffer.read(max(n - len(text), 16), offset)
            text += decoder.decode(data, not data)
            offset += len(data)
            if not data:
                break
        return text[:n]

    def _line_stop(self):
        """The end of the first line from `_used` on, or 0."""
        find, start = self._text.find, self._used
        if self._newline in (None, "\n"):
            return find("\n", start) + 1
        if self._newline:
            place = find(self._newline, start)
            return place + len(self._newline) if place >= 0 else 0
        # The decoder never parts "\r\n".
        feed, back = find("\n", start), find("\r", start)
        if back < 0 or 0 <= feed < back:
            return feed + 1
        return back + 2 if feed == back + 1 else back + 1

    async def readline(self, size=-1):
        """The next line, at most `size` characters; "" at the end."""
        size = -1 if size is None else index(size)
        self._for_reading()
        if size < 0 and (stop := self._line_stop()):
            # What is called most.
            start, self._used = self._used, stop
            return self._text[start:stop]
        async with self._turn:
            parts, got = [], 0
            while True:
                if self._used == len(self._text) and not await self._fetch():
                    self._forget()
                    break
                start = self._used
                if parts and self._newline == "\r\n" and parts[-1][-1:] == "\r":
                    # A line end between two pieces.
                    stop = 1 if self._text[:1] == "\n" else self._line_stop()
                else:
                    stop = self._line_stop()
                whole = stop or len(self._text)
                if 0 <= size <= got + whole - start:
                    stop = whole = start + size - got
                    self._used = stop
                    parts.append(self._text[start:stop])
                    break
                self._used = whole
                parts.append(self._text[start:whole])
                got += whole - start
                if stop:
                    break
            return "".join(parts)

    async def readlines(self, hint=-1):
        """The lines from the position on; no more once they have more than `hint`
        characters."""
        lines, total = [], 0
        while line := await self.readline():
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint < total:
                break
        return lines

    def __aiter__(self):
        self._for_reading()
        return self

    async def __anext__(self):
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    # ---- writing

    def _for_writing(self):
        self.buffer.fileno()
        if self._encoder is None:
            raise io.UnsupportedOperation("not writable")

    def _encode(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._line_end != "\n" and "\n" in text:
            text = text.replace("\n", self._line_end)
        return self._encoder.encode(text)

    async def _put(self, data):
        """Writes where reading got to, and forgets what was decoded."""
        await self.buffer.write(data)
        self._forget()
        if self._decoder is not None:
            self._decoder.reset()

    async def write(self, text):
        """Writes all of `text`: its number of characters.

        After a read it goes, as for the built-in open, behind the piece of 8 KiB
        that was read from the file, not behind the last character: `seek(await
        tell())` comes between the two.
        """
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._for_writing()
        async with self._turn:
            await self._put(self._encode(text))
            return len(text)

    async def writelines(self, lines):
        """Writes one after the other; those before one that cannot be written too."""
        self.buffer.fileno()
        async with self._turn:
            parts, failure = [], None
            try:
                for line in lines:
                    if not isinstance(line, str):
                        self._encode(line)
                    self._for_writing()
                    parts.append(self._encode(line))
            except Exception as error:
                failure = error
            if parts:
                await self._put(b"".join(parts))
            if failure is not None:
                raise failure

    # ---- position, size, the disk

    async def tell(self):
        """The position, for `seek`: in bytes where that says all, otherwise with the
        state of the decoder in its higher bits.

        Raises OSError where no position gives the same characters again.
        """
        file = self.buffer
        position = await file.tell()
        if self._start is None:
            return position
        flags, data = self._start
        position -= len(data)
        if not self._used:
            return _pack(position, flags)
        decoder, used = self._make_decoder(), self._used

        def decoded(count):
            decoder.setstate((b"", flags))
            return len(decoder.decode(data[:count]))

        # The fewest bytes that give what was used.
        low, high = 0, len(data)
        while low < high:
            middle = (low + high) // 2
            if decoded(middle) >= used:
                high = middle
            else:
                low = middle + 1
        got = decoded(low)
        pending, after = decoder.getstate()
        if got == used and not pending:
            return _pack(position + low, after)
        # From the last place before that the decoder can start from.
        decoder.setstate((b"", flags))
        start, state, skipped, count = 0, flags, 0, 0
        for place in range(low):
            count += len(decoder.decode(data[place : place + 1]))
            pending, after = decoder.getstate()
            if not pending and count <= used:
                start, state, skipped = place + 1, after, count
        ended = count < used
        if ended:
            count += len(decoder.decode(b"", True))
        if count < used:
            raise OSError("can't reconstruct logical file position")
        return _pack(position + start, state, low - start, used - skipped, ended)

    async def seek(self, offset, whence=os.SEEK_SET):
        """Moves to a position that `tell` gave, or with `whence` 2 and offset 0
        to the end: the new one."""
        file = self.buffer
        offset = index(offset)
        file._for_seeking()
        async with self._turn:
            if whence == os.SEEK_CUR:
                if offset:
                    raise io.UnsupportedOperation("can't do nonzero cur-relative seeks")
                offset = await self.tell()
            elif whence == os.SEEK_END:
                if offset:
                    raise io.UnsupportedOperation("can't do nonzero end-relative seeks")
                position = await file.seek(0, os.SEEK_END)
                self._forget()
                if self._decoder is not None:
                    self._decoder.reset()
                self._begin(position == 0)
                return position
            elif whence != os.SEEK_SET:
                raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
            if offset < 0:
                raise ValueError(f"negative seek position {offset}")
            start, flags, count, used, ended = _unpack(offset)
            await file.seek(start)
            self._forget()
            if self._decoder is not None:
                self._decoder.reset()
                if start or flags:
                    self._decoder.setstate((b"", flags | self._first_flags(flags)))
                if offset:
                    self._start = flags, b""
                if used:
                    data = await file.read(count)
                    text = self._decoder.decode(data, bool(ended))
                    if len(text) < used:
                        raise OSError("can't restore logical file position")
                    self._text, self._used, self._start = text, used, (flags, data)
            self._begin(offset == 0)
            return offset

    def _first_flags(self, flags):
        """The flags of a fresh decoder, where those of a position are none that the
        decoder can have: a write's position has 0, and those of ISO 2022 crash with it."""
        if flags > 1 or not isinstance(self._bare_decoder(), MultibyteIncrementalDecoder):
            return 0
        return self._decoder.getstate()[1]

    def _begin(self, mark):
        """Whether an encoding with a byte order mark writes it next."""
        if self._encoder is not None:
            if mark:
                self._encoder.reset()
            else:
                self._encoder.setstate(0)

    async def truncate(self, size=None):
        """Makes the file `size` bytes long, by default up to where reading got to (as
        the built-in open: behind the piece that was read from the file)."""
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
        self.buffer._open_still()
        return self

    async def __aexit__(self, *exc_info):
        await self.close()

    def __repr__(self):
        if self._buffer is None:
            return f"<liburing.aio.TextFile detached encoding={self.encoding!r}>"
        return f"<liburing.aio.TextFile {self.name!r} encoding={self.encoding!r}>"
