#!/bin/sh
# After an installation: makes the dynamic loader aware of it, or says what is left to do.
#
# Usage: loader.sh DESTDIR LIBDIR
[ -z "$1" ] || exit 0
libdir=$2
PATH=$PATH:/usr/sbin:/sbin
command -v ldconfig >/dev/null || exit 0

if ! ldconfig -v -N -X 2>/dev/null | sed -n 's/^\(\/[^:]*\):.*/\1/p' | grep -qxF "$libdir"; then
	echo "The loader does not look into $libdir: link with -Wl,-rpath,$libdir, run programs with"
	echo "LD_LIBRARY_PATH=$libdir, or add it to /etc/ld.so.conf.d and run ldconfig."
	exit 0
fi
if [ "$(id -u)" = 0 ]; then
	ldconfig || true
fi
found=$(ldconfig -p | sed -n 's/^\tliburing\.so\.2 (.*) => //p' | head -n 1)
if [ "$found" = "$libdir/liburing.so.2" ]; then
	echo "Programs load $found from now on. ldd PROGRAM shows which library a program gets,"
	echo "ANYRING_LOG=stderr PROGRAM what serves its rings."
elif [ "$(id -u)" != 0 ]; then
	echo "The loader gets to know $libdir/liburing.so.2 by ldconfig, run as root. Until then"
	echo "programs load ${found:-no liburing.so.2}."
else
	echo "Programs load $found, whose folder comes before $libdir; LD_LIBRARY_PATH=$libdir changes it."
fi
