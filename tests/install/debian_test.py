#!/usr/bin/env python3
"""Makes the Debian packages, installs the command's one in a bare Debian, runs it, removes it.

    debian_test.py BUILD_DIR COMPILER MAIN_CPP

The bare Debian is a directory with this machine's own packages: those that every Debian has
("Essential: yes"), those that ours says it depends on, what these depend on, and no others. So a
dependency that ours lacks is a library that isn't there. dpkg of that root installs and removes.
Exit code 77 where this machine isn't Debian, or may not change its root.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

DEADLINE_S = 240
# What runs in the root, as a person would type it.
INSIDE = r"""
set -e
test ! -e /usr/bin/tailrace
find / -xdev -path /proc -prune -o -path /dev -prune -o -path /var/lib/dpkg -prune -o \
    -path /var/log -prune -o -path /tmp -prune -o -print | sort > /tmp/before
dpkg -i /tmp/tailrace.deb
dpkg -s tailrace | grep -q '^Status: install ok installed'
test -z "$(dpkg --verify tailrace)"
export TAILRACE_DIR=/dev/shm/tailrace TAILRACE_JOURNAL_DIR=/tmp/journals
tailrace --version
tailrace create orders --capacity 1MiB
seq 100 | tailrace pub orders
test "$(tailrace tail orders --from start -n 3 --format raw | tail -n 1)" = 3
tailrace lag orders
tailrace rm orders --yes
grep -q '^ExecStart=/usr/bin/tailrace record --all$' /usr/lib/systemd/system/tailrace-record.service
grep -q '^ExecStart=/usr/bin/tailrace serve$' /usr/lib/systemd/system/tailrace-serve.service
for file in man/man1/tailrace.1 bash-completion/completions/tailrace \
    zsh/vendor-completions/_tailrace doc/tailrace/copyright tailrace/tailrace.rules.yml; do
    test -s /usr/share/$file || { echo "no $file"; exit 1; }
done
test ! -e /usr/bin/.debug
dpkg -r tailrace
test ! -e /usr/bin/tailrace
find / -xdev -path /proc -prune -o -path /dev -prune -o -path /var/lib/dpkg -prune -o \
    -path /var/log -prune -o -path /tmp -prune -o -print | sort > /tmp/after
diff /tmp/before /tmp/after
echo 'installed, run and removed'
"""
# Names of mounts that only this process sees; then the root is entered.
ENTER = r"""
set -e
mount -t tmpfs tmpfs "$1/dev"
mkdir "$1/dev/shm"
for device in null zero urandom; do
    touch "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
mount --rbind /proc "$1/proc"
exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive /bin/bash /tmp/inside
"""


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(77)


def run(*words, **options):
    return subprocess.run(words, check=True, text=True, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL, **options)


class Installed:
    """This machine's packages, as dpkg's own table has them."""

    def __init__(self):
        text = pathlib.Path("/var/lib/dpkg/status").read_text(encoding="utf-8")
        self.paragraphs, self.provided = {}, {}
        for paragraph in text.split("\n\n"):
            fields = dict(re.findall(r"(?m)^([\w-]+): (.*)$", paragraph))
            if fields.get("Status") != "install ok installed":
                continue
            name = fields["Package"]
            self.paragraphs[name] = (paragraph, fields)
            for one in fields.get("Provides", "").split(","):
                if one.strip():
                    self.provided.setdefault(one.split()[0], name)

    def resolve(self, alternatives):
        for one in alternatives.split("|"):
            name = re.sub(r"[:(\s].*", "", one.strip())
            if name in self.paragraphs:
                return name
            if name in self.provided:
                return self.provided[name]
        raise LookupError(f"{alternatives.strip()} isn't installed here")

    def with_what_they_need(self, wanted):
        found, left = set(), list(wanted)
        while left:
            name = left.pop()
            if name in found:
                continue
            found.add(name)
            fields = self.paragraphs[name][1]
            for field in ("Pre-Depends", "Depends"):
                left += [self.resolve(one) for one in fields.get(field, "").split(",")
                         if one.strip()]
        return found

    def essential(self):
        return [name for name, (_, fields) in self.paragraphs.items()
                if fields.get("Essential") == "yes"]

    def info_of(self, name):
        arch = self.paragraphs[name][1]["Architecture"]
        folder = pathlib.Path("/var/lib/dpkg/info")
        for stem in (name, f"{name}:{arch}"):
            if (folder / f"{stem}.list").exists():
                return [path for path in folder.glob(f"{stem}.*")
                        if path.name[len(stem) + 1:].count(".") == 0]
        raise LookupError(f"no list of files of {name}")


def make_root(root, installed, names):
    for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "proc", "tmp", "root",
                   "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log", "etc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("bin", "sbin", "lib", "lib64"):
        if pathlib.Path("/", folder).is_symlink():
            (root / folder).symlink_to(f"usr/{folder}")
    for name in sorted(names):
        for info in installed.info_of(name):
            shutil.copy2(info, root / "var/lib/dpkg/info")
        files = next(path for path in installed.info_of(name) if path.suffix == ".list")
        for line in files.read_text(encoding="utf-8").splitlines():
            put(root, pathlib.Path(line))
    status = "\n\n".join(installed.paragraphs[name][0].strip() for name in sorted(names))
    (root / "var/lib/dpkg/status").write_text(status + "\n", encoding="utf-8")
    for name in ("arch", "available", "diversions", "statoverride", "triggers/File"):
        there = root / "var/lib/dpkg" / name
        there.parent.mkdir(exist_ok=True)
        there.touch()
    for name in ("passwd", "group", "ld.so.conf"):
        if pathlib.Path("/etc", name).exists():
            shutil.copy2(f"/etc/{name}", root / "etc")
    shutil.copytree("/etc/alternatives", root / "etc/alternatives", symlinks=True,
                    dirs_exist_ok=True)


def put(root, path):
    # Documents and translations are of no use here, and the most of the bytes.
    if str(path).startswith(("/usr/share/doc/", "/usr/share/locale/", "/usr/share/man/")):
        return
    there = root / str(path).lstrip("/")
    if path.is_dir() and not path.is_symlink():
        there.mkdir(parents=True, exist_ok=True)
    elif (path.is_symlink() or path.is_file()) and not os.path.lexists(there):
        there.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            there.symlink_to(os.readlink(path))
        else:
            shutil.copy2(path, there)


def field_of(package, field):
    return run("dpkg-deb", "--field", str(package), field, capture_output=True).stdout.strip()


def check_development(package, folder, compiler, main_cpp):
    """What it holds compiles and runs, found by pkg-config."""
    run("dpkg-deb", "--extract", str(package), str(folder))
    place = next(folder.rglob("tailrace-bus.pc")).parent
    flags = run("pkg-config", "--cflags", "--libs", "tailrace-bus", capture_output=True,
                env={**os.environ, "PKG_CONFIG_PATH": str(place)}).stdout.split()
    program = folder / "outside"
    run(compiler, "-std=c++20", main_cpp, "-o", str(program), *flags)
    (folder / "streams").mkdir()
    run(str(program), str(folder / "streams"))
    assert not (folder / "usr/bin").exists(), "a command is in the wrong package"


def main(build_dir, compiler, main_cpp):
    for tool in ("cpack", "dpkg-deb", "dpkg-shlibdeps", "unshare", "chroot", "pkg-config"):
        if shutil.which(tool) is None:
            skip(f"there is no {tool} on this machine")
    build_dir = pathlib.Path(build_dir)
    with tempfile.TemporaryDirectory(prefix="tailrace-test-", dir="/var/tmp") as work:
        work = pathlib.Path(work)
        os.umask(0o022)
        run("cpack", "--config", str(build_dir / "CPackConfig.cmake"), "-B", str(work / "made"),
            stdout=subprocess.DEVNULL)
        packages = {field_of(path, "Package"): path for path in (work / "made").glob("*.deb")}
        assert set(packages) == {"tailrace", "libtailrace-dev"}, packages
        for name in ("libxxhash-dev", "liburing-dev", "libboost-dev"):
            assert name in field_of(packages["libtailrace-dev"], "Depends"), name
        check_development(packages["libtailrace-dev"], work / "dev", compiler, main_cpp)

        depends = field_of(packages["tailrace"], "Depends")
        print(f"tailrace depends on {depends}")
        assert "libc6" in depends, "it says of nothing that it needs it"
        root = work / "root"
        root.mkdir()
        root.chmod(0o755)
        installed = Installed()
        try:
            needed = [installed.resolve(one) for one in depends.split(",")]
            names = installed.with_what_they_need([*installed.essential(), *needed])
            make_root(root, installed, names)
        except LookupError as missing:
            skip(f"a bare Debian can't be made of this machine's packages: {missing}")
        print(f"the root has {len(names)} packages")
        shutil.copy(packages["tailrace"], root / "tmp/tailrace.deb")
        (root / "tmp/inside").write_text(INSIDE, encoding="utf-8")
        ours = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        if subprocess.run([*ours, "mount", "-t", "tmpfs", "tmpfs", str(root / "dev")],
                          capture_output=True, check=False, timeout=60).returncode != 0:
            skip("this machine lets nobody mount in a namespace of one's own")
        run(*ours, "/bin/sh", "-c", ENTER, "enter", str(root))


if __name__ == "__main__":
    main(*sys.argv[1:])
