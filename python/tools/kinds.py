"""What the stubs say beyond the table of the PyPI package: types of the names
it lacks."""

from __future__ import annotations

# Of attributes, by class and name; `NUMBERS` are all integers.
ATTRIBUTES = {
    "Bpf.filters": "list[tuple[int, int, int, int]]",
    "Cmsghdr.data": "bytes",
    "Decision.about": "str",
    "Decision.kind": "str",
    "Decision.number": "int",
    "Decision.ring": "int",
    "Decision.value": "int",
    "chaos.decisions": "list[Decision]",
    "chaos.rules": "tuple[str, ...]",
    "chaos.seed": "int",
    "Msghdr.control": "Buffer | None",
    "Msghdr.iov": "Iovec | list[Any] | None",
    "BufReg.buf_ring": "BufRing",
    "Msghdr.name": "Sockaddr | None",
    "RegWait.ts": "Timespec | None",
    "SyncCancelReg.timeout": "Timespec | None",
    "QueryHdr.next_entry": "QueryHdr | None",
    "QueryHdr.query_data": "QueryOpcode | QueryZcrx | QueryScq | bytes | None",
    "QueryHdr.result": "int",
    "QueryHdr.size": "int",
    "iovec.iov_base": "Any",
}
NUMBERS = set(
    "addr bgid busy_poll_to clockid cmd_type code controllen cq_entries data events features fd "
    "flags if_idx if_rxq iov_len iovlen level min_wait_usec msg_controllen msg_flags msg_iovlen "
    "msg_namelen namelen op opcode query_op payloadlen pdu_size pid prefer_busy_poll res ring_entries "
    "rq_entries signo sq_entries sq_thread_cpu sq_thread_idle status tv_nsec tv_sec type uid "
    "user_data wq_fd zcrx_fd zcrx_id".split()
)
# Of parameters, by function (or Class.method) and name, then by name alone.
PARAMETERS = {
    "Bpf.__init__.filters": "Iterable[tuple[int, int, int, int]]",
    "Cqe.__init__.no": "None",
    "CqeIter.__init__.cqe": "Cqe",
    "FileIndex.__init__.items": "list[int]",
    "FileIndex.update.items": "list[int]",
    "Futex.__init__.vector": "bool | None",
    "Iovec.__init__.items": "list[Any]",
    "MemRegionReg.__init__.waits": "Iterable[RegWait]",
    "MemRegionReg.set.wait": "RegWait",
    "Msghdr.__init__.control": "Buffer | None",
    "Msghdr.__init__.iov": "Iovec | list[Any] | None",
    "Msghdr.__init__.name": "Sockaddr | None",
    "Restriction.__init__.rules": "Iterable[tuple[int, int]]",
    "SigsetT.__init__.signals": "Iterable[int]",
    "SyncCancelReg.__init__.timeout": "Timespec | None",
    "RegWait.__init__.ts": "Timespec | None",
    "Sockaddr.__init__.addr": "str | os.PathLike[str] | None",
    "sockaddr.__init__.addr": "_Path | None",
    "sockaddr_in.ip": "str",
    "getaddrinfo.__init__.host": "str | bytes | None",
    "getaddrinfo.__init__.port": "str | bytes | int | None",
    "QueryHdr.__init__.next_entry": "QueryHdr | None",
    "Decision.__init__.about": "str",
    "Decision.__init__.kind": "str",
    "Decision.__init__.number": "int",
    "Decision.__init__.ring": "int",
    "Decision.__init__.value": "int",
    "chaos.__exit__.exception": "object",
    "chaos.__init__.rules": "Iterable[str] | None",
    "chaos.__init__.seed": "int | None",
    "chaos.__init__.strict": "bool",
    "choose_engine.engine": "str | None",
    "io_uring_cqe_nr.cqe": "_Completion",
    "io_uring_register_query.query": "QueryHdr",
    "io_uring_register_zcrx_ctrl.ctrl": "ZcrxCtrl",
    "files.fds": "int | Iterable[int]",
    "io_uring_for_each_cqe.cqe": "Cqe",
    "io_uring_prep_rw.addr": "Buffer",
    "io_uring_put_sqe.sqe": "Sqe",
    "io_uring_register_iowq_max_workers.values": "list[int]",
    "timespec.__init__.second": "float",
    "timespec.__new__.second": "float",
    "time_convert.second": "float",
    "sigmask.mask": "Iterable[int] | None",
    "sigaddset.mask": "SigsetT",
    "sigemptyset.mask": "SigsetT",
    "trap_error.msg": "str",
    "io_uring_register_iowq_aff.mask": "set[int] | frozenset[int] | Buffer",
    "io_uring_register_probe.probe": "Probe",
    "io_uring_setup_buf_ring.err": "Any",
    "name": "str | bytes", "value": "Buffer", "tags": "Any", "cpusz": "int", "resolve": "int",
    "prefer_busy_poll": "bool", "self": "object",
    "getsockname.sqe": "_Entry | int",
    "getsockname.fd": "int | sockaddr",
    "getsockname.sockaddr": "Sockaddr | None",
    "io_uring_recvmsg_validate.more": "Any",
    "addr": "Sockaddr", "backlog": "int", "cqes": "Cqe", "count": "int", "domain": "int",
    "family": "int | None", "file_index": "int", "head": "int", "index": "int",
    "iovecs": "Iovec", "item": "int", "key": "int", "len": "int", "level": "int",
    "linkpath": "_Path", "major": "int", "minor": "int", "msg": "str", "n": "int", "nanoseconds": "int",
    "newdfd": "int", "newdirfd": "int", "newpath": "_Path", "no": "int", "nr_files": "int | None",
    "nr_res": "int | None", "nr_vecs": "int", "olddfd": "int", "oldpath": "_Path", "op": "int",
    "optname": "int", "optval": "Buffer", "p": "Param", "path": "_Path", "port": "int",
    "private": "bool", "proto": "int", "protocol": "int", "sigmask": "SigsetT | None",
    "signal": "int", "signum": "int", "target": "_Path", "type": "int",
}  # fmt: skip
# Of results, by function or Class.method, then what every method of that name gives.
RESULTS = {
    "EpollEvent.__getitem__": "EpollEvent",
    "FileIndex.__getitem__": "int",
    "FileIndex.__next__": "int",
    "CqeIter.__next__": "int",
    "Futex.__getitem__": "FUTEX",
    "Window.__getitem__": "CQE",
    "Sqe.__getitem__": "SQE",
    "iovec.__getitem__": "iovec",
    "io_uring_cqes.__iter__": "Iterator[CQE]",
    "getaddrinfo.__iter__": "Iterator[tuple[int, int, int, str, sockaddr]]",
    "SigsetT.add": "None",
    "FileIndex.update": "None",
    "MemRegionReg.set": "None",
    "Timespec.nanoseconds": "int",
    "chaos.__enter__": "Self",
    "chaos.__exit__": "None",
    "chaos.decisions": "list[Decision]",
    "chaos.rules": "tuple[str, ...]",
    "chaos.seed": "int",
    "choose_engine": "None",
    "engine_of": "tuple[str, int]",
    "files": "FileIndex",
    "get_sqes": "list[SQE]",
    "io_uring_get_sqes": "list[SQE]",
    "getnameinfo": "tuple[str, str]",
    "getsockname": "tuple[Any, ...] | None",
    "index_error": "NoReturn",
    "memory_error": "NoReturn",
    "io_uring_peek_batch_cqe": "int",
    "io_uring_put_sqe": "bool",
    "sigmask": "sigset",
    "sockaddr_in": "sockaddr",
    "test_cqe_get_index": "None",
    "time_convert": "tuple[int, int]",
    "__bool__": "bool", "__contains__": "bool", "__iter__": "Self", "__len__": "int",
}  # fmt: skip
# Each function that prepares an entry gives nothing; the other calls an integer.
PREFIXES = {"io_uring_prep_": "None", "io_uring_": "int", "bind": "int", "listen": "int",
            "getpeername": "int", "sigaddset": "int", "sigemptyset": "int"}  # fmt: skip


def attribute(kind, name):
    """The type of an attribute of a class."""
    plain = name.removeprefix("msg_") if kind == "Msghdr" else name
    for bases in (f"{kind}.{name}", f"{kind}.{plain}"):
        if bases in ATTRIBUTES:
            return ATTRIBUTES[bases]
    if name.startswith("stx_"):
        return "float" if name.endswith("time") else "int"
    return "int" if name in NUMBERS else "Any"


def parameter(owner, name):
    """The type of a parameter of a function or Class.method."""
    found = PARAMETERS.get(f"{owner}.{name}")
    if found is None and owner.endswith(".__init__") and name in NUMBERS and name != "family":
        found = "int"
    return found or PARAMETERS.get(name)


def result(owner):
    """The type of what a function or Class.method gives."""
    found = RESULTS.get(owner) or RESULTS.get(owner.rpartition(".")[2])
    if found is None and "." not in owner:
        found = next((kind for start, kind in PREFIXES.items() if owner.startswith(start)), None)
    return found or "Any"
