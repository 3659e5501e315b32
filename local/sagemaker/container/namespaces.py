"""Gives a program its own /opt/ml, and no network when told so, then becomes that program.

The process keeps its pid and its process group, so that whoever started it signals and awaits the program itself. It
needs no rights and no tool: a user namespace, a mount namespace, and a network namespace
(user_namespaces(7), mount_namespaces(7), network_namespaces(7)). The kernel may refuse them; `--probe` tells.

    python namespaces.py ROOT CWD host|none RELAY_PORT READ_ONLY PROGRAM [ARGUMENT...]
    python namespaces.py --probe

ROOT is mounted at /opt/ml. RELAY_PORT, or 0, is a port of this machine whose connections reach the same port of a
program without network. READ_ONLY is a folder that the program may not write to, or empty. Imports cost every start,
so those that a start may not need come late.

What goes wrong before the program runs is said in one line on file descriptor 3, which closes when the program runs.
"""

import _socket
import ctypes
import os
import sys

# Loaded with os, unlike collections.abc.
from _collections_abc import Callable
from fcntl import F_SETFD, FD_CLOEXEC, fcntl, ioctl

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
# Flags that a mount has and a remount must repeat, as statvfs(3) and as mount(2) spell them: nosuid, nodev, noexec,
# noatime, nodiratime, relatime.
KEPT_FLAGS = ((2, 2), (4, 4), (8, 8), (1024, 1024), (2048, 2048), (4096, 1 << 21))
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
REPORT = 3
OFFICIAL_ROOT = "/opt/ml"

libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    if arguments == ["--probe"]:
        enter_namespaces(network=False)
        show_root(os.getcwd())
        return
    root, cwd, network, relay_port, read_only, *argv = arguments
    port = int(relay_port)
    # Of the network that is left: the relay listens where the server of this machine can reach it.
    listener = listen(port) if port else None
    enter_namespaces(network == "host")
    show_root(root)
    if read_only:
        make_read_only(read_only)
    if listener is not None:
        start_relay(listener, port)
        listener.close()
    os.chdir(cwd)
    fcntl(REPORT, F_SETFD, FD_CLOEXEC)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        raise SystemExit(f"{error.strerror} ({errno_name(error)})") from None


def enter_namespaces(network: bool) -> None:
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWUSER | CLONE_NEWNS | (0 if network else CLONE_NEWNET)
    mapper = start_mapper() if uid == 0 else None
    check(libc.unshare(flags), "unshare")
    if mapper is None or not mapper():
        # Everybody may map themselves, and stays who they are: a root with one id could not unpack foreign archives.
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{uid} {uid} 1")
        write("/proc/self/gid_map", f"{gid} {gid} 1")
    # What is mounted here must not be seen outside.
    mount(None, "/", MS_REC | MS_PRIVATE)
    if not network:
        control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        flags_of_lo = (IFF_UP | IFF_RUNNING).to_bytes(2, sys.byteorder)
        ioctl(control, SIOCSIFFLAGS, b"lo".ljust(16, b"\0") + flags_of_lo.ljust(24, b"\0"))
        control.close()


def start_mapper() -> Callable[[], bool]:
    """Root keeps all ids, as in a container on AWS; only a process that stays outside may map them.

    Returns what lets that process do so, and says whether it could.
    """
    maps = {name: identity_of(name) for name in ("uid_map", "gid_map")}
    program = os.getpid()
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(say)
        if os.read(hear, 1) != b"m":
            os._exit(1)
        try:
            for name, lines in maps.items():
                with open(f"/proc/{program}/{name}", "w") as file:
                    file.write(lines)
        except OSError:
            os._exit(1)
        os._exit(0)
    os.close(hear)

    def map_all() -> bool:
        os.write(say, b"m")
        os.close(say)
        return os.waitpid(child, 0)[1] == 0

    return map_all


def identity_of(name: str) -> str:
    """The ids that there are, each for itself; a line of the kernel's file is an id here, one outside, and a count."""
    with open(f"/proc/self/{name}") as file:
        ranges = [line.split() for line in file]
    return "".join(f"{first} {first} {count}\n" for first, _, count in ranges)


def show_root(root: str) -> None:
    """Mounts a folder at /opt/ml.

    Where there is none, /opt becomes a folder in memory, with all that was in it, and ml.
    """
    if not os.path.isdir(OFFICIAL_ROOT):
        old = os.open("/opt", os.O_PATH | os.O_DIRECTORY)
        entries = list(os.scandir("/opt"))
        # The root may lie under /opt itself: keep hold of it.
        kept = os.open(root, os.O_PATH | os.O_DIRECTORY)
        mount("tmpfs", "/opt", 0, "tmpfs", "mode=755")
        for entry in entries:
            show_entry(f"/proc/self/fd/{old}/{entry.name}", f"/opt/{entry.name}", entry)
        os.mkdir(OFFICIAL_ROOT)
        mount(f"/proc/self/fd/{kept}", OFFICIAL_ROOT, MS_BIND | MS_REC)
        os.close(old)
        os.close(kept)
    else:
        mount(root, OFFICIAL_ROOT, MS_BIND | MS_REC)


def show_entry(source: str, target: str, entry: os.DirEntry) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(source), target)
        return
    if entry.is_dir():
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    mount(source, target, MS_BIND | MS_REC)


def make_read_only(path: str) -> None:
    mount(path, path, MS_BIND | MS_REC)
    flag = os.statvfs(path).f_flag
    kept = sum(flag_of_mount for flag_of_stat, flag_of_mount in KEPT_FLAGS if flag & flag_of_stat)
    mount(None, path, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def listen(port: int) -> _socket.socket:
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        # Another program has taken the port since it was chosen. The container ends as a server does that finds its
        # port taken, and is started again with another.
        os.write(2, f"port {port}: {error.strerror}\n".encode())
        os._exit(1)
    listener.listen(512)
    return listener


def start_relay(listener: _socket.socket, port: int) -> None:
    """Leaves a process behind that carries connections from the listener, outside, to the same port inside.

    It is nobody's child for the program to wait for, and ends with the program.
    """
    program = os.pidfd_open(os.getpid())
    child = os.fork()
    if child != 0:
        os.waitpid(child, 0)
        os.close(program)
        return
    if os.fork() != 0:
        os._exit(0)
    try:
        # The program's output is at its end when the program is.
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2, REPORT):
            os.dup2(nothing, descriptor)
        relay(listener, program, port)
    finally:
        os._exit(0)


def relay(listener: _socket.socket, program: int, port: int) -> None:
    import contextlib
    import select
    import signal
    import socket
    import threading

    def carry(source: socket.socket, target: socket.socket) -> None:
        """Carries bytes until the source ends; a broken connection on one side breaks the other."""
        buffer = bytearray(1 << 16)
        view = memoryview(buffer)
        try:
            while count := source.recv_into(buffer):
                target.sendall(view[:count])
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for one in (source, target):
                close_both_ways(one)

    def close_both_ways(one: socket.socket) -> None:
        # It may be closed already, which is all that is wanted.
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)

    # A container that is asked to end still answers what it has begun.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    outside = socket.socket(fileno=listener.detach())
    waiting = select.poll()
    waiting.register(outside, select.POLLIN)
    waiting.register(program, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in waiting.poll()]
        if program in ready:
            return
        caller, _ = outside.accept()
        try:
            callee = socket.create_connection(("127.0.0.1", port))
        except OSError:
            # The program does not listen yet, or no more.
            caller.close()
            continue
        for one in (caller, callee):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((caller, callee), (callee, caller)):
            threading.Thread(target=carry, args=(source, target), daemon=True).start()


def mount(source: str | None, target: str, flags: int, kind: str | None = None, data: str | None = None) -> None:
    encode = [None if text is None else text.encode() for text in (source, target, kind, data)]
    check(libc.mount(encode[0], encode[1], encode[2], ctypes.c_ulong(flags), encode[3]), f"mount on {target}")


def check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise SystemExit(f"the kernel refuses to {what}: {os.strerror(error)}")


def write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise SystemExit(f"the kernel refuses to write {path}: {error.strerror}") from None


def errno_name(error: OSError) -> str:
    import errno

    return errno.errorcode.get(error.errno or 0, "")


try:
    main(sys.argv[1:])
except (SystemExit, OSError) as problem:
    text = problem.code if isinstance(problem, SystemExit) else str(problem)
    if text:
        os.write(REPORT, str(text).encode())
        os._exit(125)
