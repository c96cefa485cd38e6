"""Operations on names in folders, and on extended attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .common import OP, Native, directory, encode_path

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from .._liburing import Operation
    from .common import File, Options, Path

AT_REMOVEDIR = 0x200


class PathOperations(Native):
    """Renaming, removing, making; errors carry the path."""

    __slots__ = ()

    def rename(
        self, old: Path, new: Path, *, old_dir_fd: int | None = None,
        new_dir_fd: int | None = None, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Renames a file, replacing `new`; `flags` are RENAME_*. Kernel 5.11."""
        return self._two_paths("rename", "RENAMEAT", old, new, old_dir_fd, new_dir_fd, flags, options)

    def link_file(
        self, old: Path, new: Path, *, old_dir_fd: int | None = None,
        new_dir_fd: int | None = None, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Gives a file a second name, as os.link; `flags` are AT_*.
        Kernel 5.15."""
        return self._two_paths("linkat", "LINKAT", old, new, old_dir_fd, new_dir_fd, flags, options)

    def symlink(
        self, target: Path, path: Path, *, dir_fd: int | None = None, **options: Unpack[Options]
    ) -> Operation[int]:
        """Makes `path` a symbolic link to `target`. Kernel 5.15."""
        return self._native.start(
            "symlink", OP["SYMLINKAT"], directory(dir_fd), encode_path(target), 0,
            encode_path(path), 0, None, 0, 0, None, path, options,
        )  # fmt: skip

    def unlink(
        self, path: Path, *, dir_fd: int | None = None, flags: int = 0,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Removes a file. Kernel 5.11."""
        return self._native.start(
            "unlink", OP["UNLINKAT"], directory(dir_fd), encode_path(path), 0, None, flags,
            None, 0, 0, None, path, options,
        )  # fmt: skip

    def rmdir(
        self, path: Path, *, dir_fd: int | None = None, **options: Unpack[Options]
    ) -> Operation[int]:
        """Removes an empty folder. Kernel 5.11."""
        return self.unlink(path, dir_fd=dir_fd, flags=AT_REMOVEDIR, **options)

    def mkdir(
        self, path: Path, mode: int = 0o777, *, dir_fd: int | None = None,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Makes a folder. Kernel 5.15."""
        return self._native.start(
            "mkdir", OP["MKDIRAT"], directory(dir_fd), encode_path(path), mode, None, 0,
            None, 0, 0, None, path, options,
        )  # fmt: skip

    renameat, linkat, symlinkat = rename, link_file, symlink
    unlinkat, mkdirat = unlink, mkdir

    def getxattr(
        self, path: Path, name: Path, size: int = 65536, **options: Unpack[Options]
    ) -> Operation[bytes]:
        """The value of an extended attribute, of at most `size` bytes: ERANGE.
        Kernel 5.19."""
        value = bytearray(size)
        return self._native.start(
            "getxattr", OP["GETXATTR"], -1, encode_path(name), 0, value, 0,
            encode_path(path), 0, 0, lambda res: bytes(value[:res]), path, options,
        )  # fmt: skip

    def fgetxattr(
        self, fd: File, name: Path, size: int = 65536, **options: Unpack[Options]
    ) -> Operation[bytes]:
        """The same for an open file. Kernel 5.19."""
        value = bytearray(size)
        return self._native.start(
            "fgetxattr", OP["FGETXATTR"], fd, encode_path(name), 0, value, 0,
            None, 0, 0, lambda res: bytes(value[:res]), None, options,
        )  # fmt: skip

    def setxattr(
        self, path: Path, name: Path, value: Buffer, flags: int = 0, **options: Unpack[Options]
    ) -> Operation[int]:
        """Sets an extended attribute; `flags` are os.XATTR_*. Kernel 5.19."""
        return self._native.start(
            "setxattr", OP["SETXATTR"], -1, encode_path(name), 0, value, flags,
            encode_path(path), 0, 0, None, path, options,
        )  # fmt: skip

    def fsetxattr(
        self, fd: File, name: Path, value: Buffer, flags: int = 0, **options: Unpack[Options]
    ) -> Operation[int]:
        """The same for an open file. Kernel 5.19."""
        return self._native.start(
            "fsetxattr", OP["FSETXATTR"], fd, encode_path(name), 0, value, flags,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def _two_paths(
        self, name: str, opcode: str, old: Path, new: Path, old_dir_fd: int | None,
        new_dir_fd: int | None, flags: int, options: Options,
    ) -> Operation[int]:  # fmt: skip
        # The second folder is a number below zero in an unsigned field.
        folder = directory(new_dir_fd) & 0xFFFFFFFF
        return self._native.start(
            name, OP[opcode], directory(old_dir_fd), encode_path(old), folder,
            encode_path(new), flags, None, 0, 0, None, old, options,
        )  # fmt: skip
