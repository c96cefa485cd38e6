#!/bin/sh
# Makes sure that what the named purposes need is installed. As root on a system
# with apt-get it installs what is missing; otherwise it says what that is.
#
# Usage: requirements.sh PURPOSE...
#   build     what the C libraries need (failing without)
#   python    what the Python module needs (failing without)
#   test      what the tests use; a test without its program is skipped
#   bench     what the benchmarks use
set -u

missing=""
essential=""

# need PURPOSE-KIND PROGRAM-OR-FILE PACKAGE
need() {
	case $2 in
	/*) [ -e "$2" ] && return ;;
	*) command -v "$2" >/dev/null 2>&1 && return ;;
	esac
	missing="$missing $3"
	[ "$1" = must ] && essential="$essential $2($3)"
}

for purpose; do
	case $purpose in
	build)
		need must cargo cargo
		need must cc gcc
		need must ld binutils
		need must objcopy binutils
		;;
	python)
		need must python3 python3
		python3 -c 'import venv, ensurepip' 2>/dev/null || {
			missing="$missing python3-venv"
			essential="$essential python3-venv"
		}
		;;
	test)
		need must python3 python3
		cargo fmt --version >/dev/null 2>&1 || missing="$missing rustfmt"
		cargo clippy --version >/dev/null 2>&1 || missing="$missing rust-clippy"
		need may g++ g++
		need may clang clang
		need may pkg-config pkg-config
		need may cmake cmake
		need may qemu-img qemu-utils
		need may plocate plocate
		need may /usr/include/liburing.h liburing-dev
		;;
	bench)
		need may valgrind valgrind
		need may strace strace
		need may fio fio
		need may fio fio
		need may /usr/include/liburing.h liburing-dev
		;;
	*)
		echo "requirements.sh: unknown purpose $purpose" >&2
		exit 2
		;;
	esac
done

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing:$missing"
	if (apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends $missing) >/dev/null 2>&1; then
		exit 0
	fi
	# One package that cannot be had must not keep the others away.
	for package in $missing; do
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
			--no-install-recommends "$package" >/dev/null 2>&1 ||
			echo "could not install $package"
	done
	for program in $essential; do
		name=${program%%(*}
		[ "$name" = python3-venv ] && continue
		command -v "$name" >/dev/null 2>&1 || { echo "missing: $program" >&2; exit 1; }
	done
	exit 0
fi
echo "not installed:$missing" >&2
if [ -n "$essential" ]; then
	echo "needed to go on:$essential; install them and try again" >&2
	exit 1
fi
