"""The walls around a process that runs a learner's code, on Linux, without a compiled dependency.

A *keeper* enters namespaces of its own and becomes the zygote's parent; each child that the zygote forks
then goes through `enter`. Root on the machine is not needed where the kernel lets users make namespaces.
This module must not know what runs behind the walls.
"""

import contextlib
import ctypes
import errno
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from civicml.autograder import seccomp
from civicml.autograder.limits import Limits

NOBODY = 65534
HOME = "/home/learner"
_SCRATCH = ("tmp", "dev/shm", HOME[1:])
"""Where a child may write: its own and empty, and gone with it."""

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_DETACH = 2
_PDEATHSIG, _DUMPABLE, _BOUNDING_DROP, _NO_NEW_PRIVS, _AMBIENT = 1, 4, 24, 38, 47
_CAPABILITY_VERSION = 0x20080522
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

# What a Python, a shell and a font renderer read; no home, no /var, no /run, no /sys.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
_SETTINGS = (
    "ld.so.cache",
    "ld.so.conf",
    "fonts",
    "localtime",
    "alternatives",
    "mime.types",
    "ssl/openssl.cnf",
)
_DEVICES = ("null", "zero", "full", "random", "urandom")


@dataclass(frozen=True)
class Protection:
    """One wall: whether it stands here and, where it does not, why."""

    name: str
    essential: bool
    active: bool
    why: str


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _call(name: str, *arguments: object) -> None:
    if _libc is None:
        raise OSError(errno.ENOSYS, f"{name} is a call of Linux")
    _check(getattr(_libc, name)(*arguments), name)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    _call("mount", source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None)


# --- the keeper: once for each zygote -----------------------------------------------------------


def keep() -> int:
    """Become the parent of a process in new namespaces.

    Returns its exit status in the parent, and -1 in that process.

    The child is the first process of its own process namespace: when it or the keeper dies, however
    that comes about, the kernel ends everything it ever started.
    """
    root = os.getuid() == 0
    ready, go = os.pipe()
    me = os.getpid()
    mapper = os.fork()
    if mapper == 0:
        # Only a process outside may map two users, so that learners' code is not the machine's root.
        os.close(go)
        os.read(ready, 1)
        with contextlib.suppress(OSError):
            for kind, own in (("uid", os.getuid()), ("gid", os.getgid())):
                if kind == "gid" and not root:
                    Path(f"/proc/{me}/setgroups").write_text("deny")
                lines = f"0 0 1\n{NOBODY} {NOBODY} 1\n" if root else f"{own} {own} 1\n"
                Path(f"/proc/{me}/{kind}_map").write_text(lines)
            os._exit(0)
        os._exit(1)
    os.close(ready)
    _call("unshare", _NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS)
    os.write(go, b"x")
    os.close(go)
    if os.waitpid(mapper, 0)[1]:
        raise PermissionError(errno.EPERM, "the users of a namespace cannot be mapped")
    child = os.fork()
    if child:
        return _wait(child)
    die_with_parent()
    _mount("none", "/", "", _REC | _PRIVATE)
    return -1


def _wait(child: int) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _call("prctl", _PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Spawner:
    """Forks children that are each the first process of a process namespace of their own."""

    def __init__(self) -> None:
        # A /proc of the zygote's own namespace, kept where no child looks.
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def fork(self) -> int:
        """As `os.fork`; in the child, the process is number 1."""
        _call("unshare", _NEWPID)
        child = os.fork()
        if child:
            _call("setns", self._own, _NEWPID)
        return child


# --- the root directory that a child sees -------------------------------------------------------


def build_root(root: str, read_only: Mapping[str, str], memory_bytes: int) -> str:
    """Make the directory tree that children see as ``/``: read-only, and only what is named.

    Args:
        root: an empty directory; it is covered in this process's own mount namespace only.
        read_only: what to show, as {path inside: path on this machine}.
        memory_bytes: the size of each place where a child may write.

    Returns:
        The directory.
    """
    _mount("jail", root, "tmpfs", _NOSUID | _NODEV, "size=16m,nr_inodes=20k,mode=755")
    for folder in ("tmp", "proc", "dev/shm", "etc", "old", HOME[1:], "root"):
        Path(root, folder).mkdir(parents=True, exist_ok=True)
    for name in _SYSTEM:
        source = Path(name)
        if source.is_symlink():
            Path(root, name[1:]).symlink_to(source.readlink())
        elif source.is_dir():
            _show(root, name, name)
    for name in _SETTINGS:
        if Path("/etc", name).exists():
            _show(root, f"/etc/{name}", os.path.realpath(f"/etc/{name}"))
    for name in _DEVICES:
        _show(root, f"/dev/{name}", f"/dev/{name}", device=True)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        Path(root, "dev", name).symlink_to(target)
    user = f"learner:x:{os.getuid() or NOBODY}:{os.getgid() or NOBODY}:learner:{HOME}:/bin/sh\n"
    Path(root, "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n" + user)
    Path(root, "etc/group").write_text(f"root:x:0:\nlearner:x:{os.getgid() or NOBODY}:\n")
    Path(root, "etc/hosts").write_text("127.0.0.1 localhost\n")
    for inside, outside in sorted(read_only.items()):
        _show(root, inside, outside)
    covered = sorted(place for place in read_only if place.startswith(tuple(f"/{one}/" for one in _SCRATCH)))
    for number, inside in enumerate(covered):
        _show(root, f"/.covered/{number}", read_only[inside])
    Path(root, ".covered.txt").write_text("\n".join(covered))
    options = f"size={memory_bytes},nr_inodes=20k,mode=1777"
    for folder in _SCRATCH:
        # Only a name here; `enter` lays a fresh one over it for each child.
        Path(root, folder).chmod(0o755)
    Path(root, ".scratch").write_text(options)
    _mount("jail", root, "", _REMOUNT | _RDONLY | _NOSUID | _NODEV)
    return root


def _show(root: str, inside: str, outside: str, *, device: bool = False) -> None:
    target = Path(root + inside)
    if target.exists() and not target.is_dir():
        return
    if Path(outside).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    # Not recursive: whatever else is mounted below stays out.
    _mount(outside, str(target), "", _BIND)
    flags = _REMOUNT | _BIND | _RDONLY | _NOSUID | (0 if device else _NODEV)
    _mount("none", str(target), "", flags | _kept_flags(str(target)))


def _kept_flags(path: str) -> int:
    """Flags of a mount that a user namespace may not take off."""
    now = os.statvfs(path).f_flag
    return sum(flag for flag in (_NOSUID, _NODEV, _NOEXEC, 1024, 2048) if now & flag)


# --- one child ----------------------------------------------------------------------------------


def enter(
    root: str,
    limits: Limits,
    keep_open: tuple[int, ...],
    *,
    nobody: bool = True,
    apart: bool = True,
) -> None:
    """Shut the calling process in, for good: it must be the first of its process namespace.

    Args:
        root: from `build_root`.
        limits: what it may use.
        keep_open: descriptors that stay open; 0 to 2 stay too, everything else is closed.
        nobody: when started as root, go on as a user who owns nothing.
        apart: give it a network, IPC and a host name of its own; else it stays in the keeper's, from which
            nothing can be reached either. The kernel makes and clears away one network at a time, for all
            processes of the machine, so that many of them make it wait.
    """
    die_with_parent()
    os.setsid()
    _close_all_but({0, 1, 2, *keep_open})
    _call("unshare", _NEWNS | ((_NEWNET | _NEWIPC | _NEWUTS) if apart else 0))
    options = Path(root, ".scratch").read_text()
    for folder in _SCRATCH:
        _mount("scratch", f"{root}/{folder}", "tmpfs", _NOSUID | _NODEV, options)
    # An environment or a course may itself lie in /tmp: the fresh one has just covered it.
    for number, inside in enumerate(Path(root, ".covered.txt").read_text().splitlines()):
        _show(root, inside, f"{root}/.covered/{number}")
    with contextlib.suppress(OSError):
        _mount("proc", f"{root}/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    if apart:
        loopback_up()
        _call("sethostname", b"grading", 7)
    _pivot(root)
    for name, most in _resource_limits(limits).items():
        resource.setrlimit(name, (most, most))
    _drop_privileges(nobody=nobody)


def _pivot(root: str) -> None:
    machine = os.uname().machine
    os.chdir(root)
    if _libc is None or machine not in _PIVOT_ROOT:
        raise OSError(errno.ENOSYS, f"pivot_root is not known for {machine}")
    _check(_libc.syscall(_PIVOT_ROOT[machine], b".", b"old"), "pivot_root")
    os.chdir("/")
    _call("umount2", b"/old", _DETACH)
    os.chdir(HOME)


def loopback_up() -> None:
    """Let a program talk to itself, as a web service under test does; nothing else is reachable."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))


def _resource_limits(limits: Limits) -> dict[int, int]:
    return {
        resource.RLIMIT_AS: limits.address_space_bytes,
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_CPU: max(1, int(limits.notebook_seconds) + 5),
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 1 << 16,
        resource.RLIMIT_MSGQUEUE: 0,
    }


def _drop_privileges(*, nobody: bool) -> None:
    for capability in range(64):
        if _libc is not None and _libc.prctl(_BOUNDING_DROP, capability, 0, 0, 0):
            break
    if nobody and os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _call("prctl", _AMBIENT, 4, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    _call("capset", header, b"\0" * 24)
    _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)
    if not seccomp.supported():
        seccomp.install()
    _call("prctl", _DUMPABLE, 1, 0, 0, 0)  # changing user took away /proc/self
    die_with_parent()  # so it did this


def _close_all_but(kept: set[int]) -> None:
    last = 3
    for number in sorted(kept | {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}):
        if number >= last:
            os.closerange(last, number)
            last = number + 1


# --- memory over all processes of a sandbox -----------------------------------------------------


class Group:
    """A control group for the children of one zygote, where this user may make one."""

    def __init__(self, limits: Limits) -> None:
        self.folders: list[Path] = []
        self.why = ""
        for kind, files in (
            (
                "memory",
                {
                    "memory.limit_in_bytes": limits.memory_bytes,
                    "memory.memsw.limit_in_bytes": limits.memory_bytes,
                },
            ),
            ("pids", {"pids.max": limits.processes}),
        ):
            try:
                self.folders.append(_make_group(kind, files, limits))
            except OSError as error:
                self.why = f"no control group can be made ({error.strerror or error})"

    @property
    def procs(self) -> list[str]:
        """The files to write a process's number to."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def remove(self) -> None:
        """Take the groups away; they must be empty."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _make_group(kind: str, files: Mapping[str, int], limits: Limits) -> Path:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if kind in names.split(","):
            parent = Path("/sys/fs/cgroup", kind, path.lstrip("/"))
            break
    else:
        parent, files = _unified(kind), {"memory.max": limits.memory_bytes, "pids.max": limits.processes}
        files = {name: most for name, most in files.items() if name.startswith(kind)}
    folder = Path(tempfile.mkdtemp(prefix="civicml-", dir=parent))
    try:
        for place, (name, most) in enumerate(files.items()):
            try:
                (folder / name).write_text(str(most))
            except OSError:
                if place == 0:  # the others are finer points, such as swap
                    raise
    except OSError:
        folder.rmdir()
        raise
    return folder


def _unified(kind: str) -> Path:
    own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    parent = Path("/sys/fs/cgroup") / own[3:].lstrip("/")
    if kind not in (parent / "cgroup.subtree_control").read_text().split():
        raise OSError(errno.ENOENT, f"the {kind} controller is not delegated to this user")
    return parent


# --- what stands here ---------------------------------------------------------------------------


def protections() -> list[Protection]:
    """Try each wall in a process of its own, and say which stand.

    Takes about a tenth of a second. Marks an absent wall with the reason that the system gives.
    """
    if sys.platform != "linux":
        why = "only Linux has it"
        return [Protection(name, True, False, why) for name in ("namespaces", "system-call filter")]
    with tempfile.TemporaryDirectory(prefix="civicml-walls-") as folder:
        found = subprocess.run(  # noqa: S603 - our own module, in this interpreter
            [sys.executable, "-m", "civicml.autograder.sandbox", folder],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    tried = dict(line.split("\t", 1) for line in found.stdout.splitlines() if "\t" in line)
    absent = (found.stderr.strip().splitlines() or ["the trial ended early"])[-1]
    walls = [
        Protection(name, essential, tried.get(key, absent) == "ok", tried.get(key, absent).removeprefix("ok"))
        for key, name, essential in (
            ("namespaces", "own users, mounts, processes, network, IPC and host name", True),
            ("root", "read-only root with only the libraries and the published data", True),
            ("user", "an unprivileged user without capabilities", True),
            ("privileges", "no new privileges", True),
            ("network", "no network", True),
            ("proc", "a /proc that shows only its own processes", False),
            ("filter", "system-call filter", True),
            ("limits", "limits on time, processes, files and memory of a process", True),
        )
    ]
    group = Group(Limits())
    whole = len(group.folders) == 2
    group.remove()
    return [*walls, Protection("limit on memory and processes of all together", False, whole, group.why)]


def sandboxed(found: list[Protection]) -> bool:
    """Whether what stands may be called a sandbox: every essential wall does."""
    return all(wall.active for wall in found if wall.essential)


def _try_walls() -> None:
    status = keep()
    if status >= 0:
        raise SystemExit(status)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    print("namespaces\tok", flush=True)
    root = build_root(sys.argv[1], {}, 1 << 20)
    child = Spawner().fork()
    if child:
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    enter(root, Limits(), ())
    print("limits\tok")
    told = Path("/proc/self/status")
    state = (
        dict(line.split(":\t", 1) for line in told.read_text().splitlines() if ":\t" in line)
        if told.exists()
        else {}
    )
    print(
        "proc\t"
        + (
            "ok"
            if state and len([p for p in Path("/proc").iterdir() if p.name.isdigit()]) == 1
            else "not mounted"
        )
    )
    print("root\t" + ("ok" if not _writable("/usr/x") else "writable"))
    print(
        "user\t"
        + ("ok" if os.getuid() and int(state.get("CapEff", "0"), 16) == 0 else "capabilities are left")
    )
    print("privileges\t" + ("ok" if state.get("NoNewPrivs", "1").strip() == "1" else "may be gained"))
    print("network\t" + ("ok" if _unreachable() else "reachable"))
    print(
        "filter\t"
        + (seccomp.supported() or ("ok" if state.get("Seccomp", "2").strip() == "2" else "not active")),
        flush=True,
    )
    os._exit(0)


def _writable(path: str) -> bool:
    try:
        Path(path).write_text("")
    except OSError:
        return False
    return True


def _unreachable() -> bool:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(("192.0.2.1", 9)) == errno.ENETUNREACH


if __name__ == "__main__":
    _try_walls()
