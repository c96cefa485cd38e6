#!/bin/sh
# Says what a command is about to need, download and install, and makes sure that it is
# there: as root on a system with apt-get it installs what is missing, otherwise it says
# what that is.
#
# Usage: requirements.sh run|test|python|bench
#   run       what building the C libraries and the examples needs (failing without)
#   test      the same, and what the tests use; a test without its program is skipped
#   python    what the Python module needs (failing without)
#   bench     what the benchmarks use
set -u

# The oldest Rust that Cargo.toml accepts.
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
cargo=${CARGO:-cargo}
optional=""
essential=""

# need must|may PROGRAM-OR-FILE PACKAGE
need() {
	case $2 in
	/*) [ -e "$2" ] && return ;;
	*) command -v "$2" >/dev/null 2>&1 && return ;;
	esac
	if [ "$1" = must ]; then essential="$essential $3"; else optional="$optional $3"; fi
}

# Whether the first version is at least the second.
at_least() {
	[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

root_with_apt() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1
}

advise_rust() {
	echo "Rust $rust or newer is needed ($1). rustup gives it:" >&2
	echo "    https://rustup.rs, then: rustup toolchain install stable" >&2
	echo "(a distribution's cargo does if it is new enough: apt-cache policy cargo)" >&2
	exit 1
}

need_rust() {
	if ! command -v "$cargo" >/dev/null 2>&1; then
		# What a distribution has is installed only if it is new enough.
		candidate=""
		if root_with_apt; then
			lists
			candidate=$(apt-cache policy rustc 2>/dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')
		fi
		if [ -n "$candidate" ] && at_least "$candidate" "$rust"; then
			essential="$essential cargo rustc"
			return
		fi
		advise_rust "there is no cargo${candidate:+, and that of this distribution is $candidate}"
	fi
	# rustup's cargo exists without a toolchain, too.
	version=$("${RUSTC:-rustc}" --version 2>/dev/null | awk '{ print $2 }')
	[ -n "$version" ] || advise_rust "rustc --version says nothing"
	at_least "${version%%-*}" "$rust" || advise_rust "this is rustc $version"
	"$cargo" --version >/dev/null 2>&1 || advise_rust "cargo --version fails"
}

# Package lists, where there are none: images are delivered without.
lists() {
	[ -n "${listed:-}" ] && return
	listed=yes
	find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | grep -q . || apt-get update -qq >/dev/null 2>&1
}

need_c() {
	need must "${CC:-cc}" gcc
	need must ld binutils
	need must objcopy binutils
	# A compiler without the C library's headers builds nothing.
	if command -v "${CC:-cc}" >/dev/null 2>&1 &&
		! printf '#include <stdlib.h>\n' | ${CC:-cc} -E -x c - >/dev/null 2>&1; then
		essential="$essential libc6-dev"
	fi
}

need_python() {
	need must python3 python3
}

need_venv() {
	"${PYTHON:-python3}" -c 'import venv, ensurepip' 2>/dev/null && return
	if [ "$1" = must ]; then essential="$essential python3-venv"; else optional="$optional python3-venv"; fi
}

purpose=${1:?usage: requirements.sh run|test|python|bench}
case $purpose in
run)
	echo "make run: builds the C libraries and twelve examples into target/; about 3 minutes on 2 processors,"
	echo "200 MB of disk, and one small crate (libc) from the network if cargo does not have it."
	need_python
	need_c
	need_rust
	;;
test)
	echo "make test: builds into target/ and tests; about half an hour on 2 processors, 2.5 GB of disk,"
	echo "and from the network what is not here yet: crates (30 MB) and Python packages (70 MB) into"
	echo "cargo's and pip's caches and target/. As root on Debian it installs packages that the tests"
	echo "use (all of them: about 350 MB). What cannot be had is skipped with the reason."
	need_python
	need_c
	need_rust
	need_venv may
	need may g++ g++
	need may clang clang
	need may pkg-config pkg-config
	need may cmake cmake
	need may kill procps
	need may qemu-img qemu-utils
	need may plocate plocate
	need may /usr/include/liburing.h liburing-dev
	# Languages that call the library; Go, Node.js and Zig only where they are.
	need may luajit luajit
	need may ruby ruby
	need may bindgen bindgen
	need may /usr/lib/python3/dist-packages/cffi python3-cffi
	# CPython's tests of asyncio, where the interpreter is Debian's.
	case $(command -v "${PYTHON:-python3}") in
	/usr/bin/*)
		"${PYTHON:-python3}" -c 'import test.test_asyncio' 2>/dev/null ||
			optional="$optional libpython3-testsuite"
		need may /etc/protocols netbase
		;;
	esac
	;;
python)
	need_python
	need_venv must
	;;
bench)
	need_c
	need_rust
	need may valgrind valgrind
	need may strace strace
	need may fio fio
	need may /usr/include/liburing.h liburing-dev
	;;
*)
	echo "requirements.sh: unknown purpose $purpose" >&2
	exit 2
	;;
esac

[ -n "$essential$optional" ] || exit 0
if root_with_apt; then
	lists
	size=$(apt-get install -y --no-install-recommends --print-uris $essential $optional 2>/dev/null |
		awk '/^\x27/ { sum += $3 } END { if (sum) printf " (a download of %.0f MB)", sum / 1e6 + 0.5 }')
	echo "installing with apt-get$size:$essential$optional"
	# One package that cannot be had must not keep the others away.
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		$essential $optional >/dev/null 2>&1 ||
		for package in $essential $optional; do
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
				--no-install-recommends "$package" >/dev/null 2>&1 && continue
			echo "could not install $package"
			case " $essential " in *" $package "*) failed=yes ;; esac
		done
	[ -z "${failed:-}" ] || { echo "needed to go on:$essential" >&2; exit 1; }
	exit 0
fi
[ -z "$optional" ] || echo "not installed, and what needs it is skipped:$optional"
[ -z "$essential" ] || { echo "needed to go on:$essential; install them and try again" >&2; exit 1; }
