# A thin front door over cargo, the C compiler and the test runner.
#
# What a packager sets: prefix, exec_prefix, libdir, includedir, bindir, DESTDIR;
# CC, CFLAGS, CPPFLAGS, LDFLAGS, LD, AR, OBJCOPY, STRIP_PROGRAM, INSTALL, CARGO, RUSTFLAGS;
# DEFAULT_ENGINE (kernel, auto, userspace), DEBUG=1, STRIP=1, RUST_TARGET, CROSS_COMPILE.

# Names below are relative to this folder, so that it may lie under any path.
ifeq ($(wildcard include/liburing.h),)
$(error run make in the folder of its Makefile, or with -C)
endif

prefix ?= /usr/local
exec_prefix ?= $(prefix)
bindir ?= $(exec_prefix)/bin
libdir ?= $(exec_prefix)/lib
includedir ?= $(prefix)/include
DESTDIR ?=

# The Rust target to build the C libraries for, and the beginning of the names of the
# C tools for it (aarch64-linux-gnu-); nothing is this machine.
RUST_TARGET ?=
ifneq ($(RUST_TARGET),)
CROSS_COMPILE ?= $(subst riscv64gc,riscv64,$(subst -unknown,,$(RUST_TARGET)))-
ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
ifeq ($(origin LD),default)
LD := $(CROSS_COMPILE)ld
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
endif

CARGO ?= cargo
CC ?= cc
AR ?= ar
LD ?= ld
OBJCOPY ?= $(CROSS_COMPILE)objcopy
STRIP_PROGRAM ?= $(CROSS_COMPILE)strip
INSTALL ?= install
PYTHON ?= python3

# The version is that of the header, generated from the tables.
VERSION := $(shell sed -n 's/^.define IO_URING_VERSION_M.*OR \([0-9]*\)$$/\1/p' \
	include/liburing/io_uring_version.h | paste -sd . -)
TARGET := target
# Where the libraries for RUST_TARGET lie, and where cargo puts them.
LIBDIR := $(TARGET)$(RUST_TARGET:%=/%)/lib
CARGO_OUT := $(RUST_TARGET:%=%/)capi
# Whatever the environment says: the archive has to be where it is looked for.
export CARGO_TARGET_DIR := $(CURDIR)/$(TARGET)
unexport CARGO_BUILD_TARGET
ARCHIVE := $(TARGET)/$(CARGO_OUT)/libanyring_capi.a
# The same with the userspace engine inside, for the static archives, and the
# engine alone, for the shared library that the shared ones load on demand.
STATIC_ARCHIVE := $(TARGET)/static/$(CARGO_OUT)/libanyring_capi.a
ENGINE_ARCHIVE := $(TARGET)/engine/$(CARGO_OUT)/libanyring_engine.a
ENGINE := libanyring-engine.so.0
MAPS := crates/anyring-capi/maps
RUST_SOURCES := $(shell find crates/anyring-abi crates/anyring crates/anyring-capi crates/anyring-engine -name '*.rs' -o -name Cargo.toml) \
	Cargo.toml Cargo.lock
LIBS := $(foreach lib,liburing liburing-ffi,$(LIBDIR)/$(lib).so.$(VERSION) $(LIBDIR)/$(lib).a) \
	$(LIBDIR)/$(ENGINE)

# What serves rings where neither the program nor the environment chooses.
DEFAULT_ENGINE ?= kernel
ifeq ($(filter kernel auto userspace,$(DEFAULT_ENGINE)),)
$(error DEFAULT_ENGINE is "$(DEFAULT_ENGINE)"; it can be kernel, auto or userspace)
endif
export ANYRING_DEFAULT_ENGINE := $(DEFAULT_ENGINE)

# Information for debuggers: with DEBUG=1, or where CFLAGS ask for it of C.
DEBUG ?= $(if $(filter -g -g1 -g2 -g3 -ggdb%,$(CFLAGS)),1)
ifneq ($(filter-out 0,$(DEBUG)),)
export CARGO_PROFILE_CAPI_DEBUG := full
endif
# Nothing is stripped but by STRIP=1, and by install-strip what it installs.
STRIP ?=
STRIPPING := $(filter-out 0,$(STRIP))

.DEFAULT_GOAL := all

.PHONY: all
all: $(LIBS) ## build the C libraries (the default)

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile
	@echo "The parts of make test:"
	@$(PYTHON) tests/run.py --list | sed 's/^/  make test-/' || echo "  (python3 is needed to list them)"

.PHONY: print-libdir
print-libdir: ## print the folder that holds liburing.so.2
	@echo "$(abspath_LIBDIR)"

# abspath splits at spaces.
abspath_LIBDIR = $(if $(filter /%,$(LIBDIR)),$(LIBDIR),$(CURDIR)/$(LIBDIR))

# ---- the C libraries

# Files that change when what is set changes, so that what depends on it is built anew.
COMPILE_SETTINGS := $(CARGO) RUSTFLAGS=$(RUSTFLAGS) DEFAULT_ENGINE=$(DEFAULT_ENGINE) \
	DEBUG=$(CARGO_PROFILE_CAPI_DEBUG)
LINK_SETTINGS := $(CC) CFLAGS=$(CFLAGS) LDFLAGS=$(LDFLAGS) $(LD) $(AR) $(OBJCOPY) STRIP=$(STRIPPING)
SETTINGS := $(TARGET)/settings$(RUST_TARGET:%=-%)

$(SETTINGS)-compile: export CONTENT = $(COMPILE_SETTINGS)
$(SETTINGS)-link: export CONTENT = $(LINK_SETTINGS)
$(SETTINGS)-%: always
	@mkdir -p $(@D)
	@printf '%s\n' "$$CONTENT" | cmp -s - $@ || printf '%s\n' "$$CONTENT" > $@

.PHONY: always
always:

RUSTC := $(CARGO) rustc --locked --lib --profile capi --crate-type staticlib $(RUST_TARGET:%=--target %)

# rustc writes a version script of its own for a cdylib, which cannot be
# combined with named version nodes; so it makes an archive and cc links it.
$(ARCHIVE): $(RUST_SOURCES) $(SETTINGS)-compile
	$(RUSTC) --package anyring-capi -- --cfg anyring_staticlib
	@touch $@

$(STATIC_ARCHIVE): $(RUST_SOURCES) $(SETTINGS)-compile
	CARGO_TARGET_DIR="$(CURDIR)/$(TARGET)/static" $(RUSTC) --package anyring-capi \
		-- --cfg anyring_staticlib --cfg anyring_engine_inside
	@touch $@

$(ENGINE_ARCHIVE): $(RUST_SOURCES) $(SETTINGS)-compile
	CARGO_TARGET_DIR="$(CURDIR)/$(TARGET)/engine" $(RUSTC) --package anyring-engine \
		-- --cfg anyring_staticlib
	@touch $@

# Linkers resolve all that they are given before they drop what is not needed: so
# they get what the interface needs by name, not the whole archive.
LINK = $(CC) $(CFLAGS) $(CPPFLAGS) -shared -nostartfiles -o $@ \
	-Wl,-Bsymbolic-functions -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,defs -Wl,-O1 \
	$(if $(STRIPPING),-Wl$(comma)-s) $(LDFLAGS)
comma := ,

$(LIBDIR)/$(ENGINE): $(ENGINE_ARCHIVE) $(MAPS)/engine.map $(SETTINGS)-link
	@mkdir -p $(@D)
	$(LINK) -Wl,-u,anyring_engine $(ENGINE_ARCHIVE) \
		-Wl,--version-script=$(MAPS)/engine.map -Wl,-soname,$(ENGINE) -Wl,-z,nodelete

$(LIBDIR)/%.so.$(VERSION): $(ARCHIVE) $(MAPS)/%.map $(MAPS)/%.symbols $(SETTINGS)-link
	@mkdir -p $(@D)
	@echo "linking $@"
	@$(LINK) $$(sed 's/^/-Wl,-u,/' $(MAPS)/$*.symbols) $(ARCHIVE) \
		-Wl,--version-script=$(MAPS)/$*.map -Wl,-soname,$*.so.2
	@ln -sf $(@F) $(LIBDIR)/$*.so.2
	@ln -sf $(@F) $(LIBDIR)/$*.so

# One object with nothing global but the functions of the interface, so that
# it can be linked beside other Rust archives. lld takes the machine from the first
# object; only GNU's linker can drop sections here.
$(LIBDIR)/%.a: $(STATIC_ARCHIVE) $(MAPS)/%.symbols $(SETTINGS)-link
	@mkdir -p $(@D)
	@echo "linking $@"
	@printf '' | $(CC) -c -x c -o $(TARGET)/$(RUST_TARGET)$*-empty.o -
	@$(LD) -r $$($(LD) --version | grep -q '^GNU ld' && echo --gc-sections) \
		$$(sed 's/^/-u /' $(MAPS)/$*.symbols) \
		-o $(TARGET)/$(RUST_TARGET)$*.o $(TARGET)/$(RUST_TARGET)$*-empty.o $(STATIC_ARCHIVE)
	@$(OBJCOPY) --keep-global-symbols=$(MAPS)/$*.symbols $(if $(STRIPPING),--strip-unneeded) \
		--remove-section=.llvmbc --remove-section=.llvmcmd $(TARGET)/$(RUST_TARGET)$*.o
	@rm -f $@
	@$(AR) rcs $@ $(TARGET)/$(RUST_TARGET)$*.o

# ---- the command

URING := $(TARGET)/$(RUST_TARGET:%=%/)release/uring

.PHONY: uring
uring: ## build the command uring
	$(CARGO) build --locked --release --package anyring-cli $(RUST_TARGET:%=--target %)

.PHONY: print-uring
print-uring: ## print the path of the command uring
	@echo "$(CURDIR)/$(URING)"

# ---- installation

HEADERS := $(shell cd include && find . -name '*.h' | sed 's|^\./||' | LC_ALL=C sort)
PACKAGE := crates/anyring-capi/package
TO_LIB = $(DESTDIR)$(libdir)
TO_INCLUDE = $(DESTDIR)$(includedir)
# Where lib and include are below their common root, for staged installations.
FILL = sed -e 's|@prefix@|$(prefix)|g' -e 's|@libdir@|$(libdir)|g' \
	-e 's|@exec_prefix@|$(if $(filter $(prefix),$(exec_prefix)),$${prefix},$(exec_prefix))|g' \
	-e 's|@includedir@|$(includedir)|g' -e 's|@version@|$(VERSION)|g' \
	-e "s|@libdir_up@|$$(echo '$(libdir:$(prefix)/%=%)' | sed 's|[^/][^/]*|..|g')|g" \
	-e 's|@includedir_down@|$(includedir:$(prefix)/%=%)|g'

.PHONY: install
install: all ## install libraries, headers, pkg-config and CMake files, and uring if it was built (DESTDIR, prefix, libdir, includedir, bindir)
	$(INSTALL) -d "$(TO_LIB)/pkgconfig" "$(TO_LIB)/cmake/liburing" "$(TO_INCLUDE)"
	for lib in liburing liburing-ffi; do \
		$(INSTALL) -m 755 "$(LIBDIR)/$$lib.so.$(VERSION)" "$(TO_LIB)/" && \
		ln -sf $$lib.so.$(VERSION) "$(TO_LIB)/$$lib.so.2" && \
		ln -sf $$lib.so.$(VERSION) "$(TO_LIB)/$$lib.so" && \
		$(INSTALL) -m 644 "$(LIBDIR)/$$lib.a" "$(TO_LIB)/" && \
		$(FILL) $(PACKAGE)/$$lib.pc.in > "$(TO_LIB)/pkgconfig/$$lib.pc" || exit 1; \
	done
	$(INSTALL) -m 755 "$(LIBDIR)/$(ENGINE)" "$(TO_LIB)/"
	for header in $(HEADERS); do \
		$(INSTALL) -d "$(TO_INCLUDE)/$$(dirname $$header)" && \
		$(INSTALL) -m 644 include/$$header "$(TO_INCLUDE)/$$header" || exit 1; \
	done
	$(INSTALL) -m 644 include/liburing-ffi.json "$(TO_INCLUDE)/liburing-ffi.json"
	for file in liburingConfig liburingConfigVersion; do \
		$(FILL) $(PACKAGE)/$$file.cmake.in > "$(TO_LIB)/cmake/liburing/$$file.cmake" || exit 1; \
	done
	@if [ -x $(URING) ]; then $(MAKE) --no-print-directory install-uring; fi
	@sh tests/loader.sh "$(DESTDIR)" "$(libdir)"

.PHONY: install-strip
install-strip: install ## install, without symbols and information for debuggers in the libraries
	for library in liburing.so.$(VERSION) liburing-ffi.so.$(VERSION) $(ENGINE); do \
		$(STRIP_PROGRAM) "$(TO_LIB)/$$library" || exit 1; \
	done
	for library in liburing.a liburing-ffi.a; do \
		$(STRIP_PROGRAM) --strip-unneeded "$(TO_LIB)/$$library" || exit 1; \
	done
	if [ -x "$(DESTDIR)$(bindir)/uring" ]; then $(STRIP_PROGRAM) "$(DESTDIR)$(bindir)/uring"; fi

# What `uring manuals` writes below the prefix.
MANUALS := $(foreach page,uring uring-bench uring-chaos uring-check uring-doctor uring-explain uring-top uring-trace,share/man/man1/$(page).1) \
	share/bash-completion/completions/uring share/zsh/site-functions/_uring \
	share/fish/vendor_completions.d/uring.fish

.PHONY: install-uring
install-uring: ## install the command uring with its manual pages and completions (make uring builds it)
	@[ -x $(URING) ] || { echo "uring is not built: make uring" >&2; exit 1; }
	$(INSTALL) -d "$(DESTDIR)$(bindir)"
	$(INSTALL) -m 755 $(URING) "$(DESTDIR)$(bindir)/uring"
	@$(if $(RUST_TARGET),echo "no manual pages and completions: $(URING) runs on $(RUST_TARGET)",\
		$(URING) manuals "$(DESTDIR)$(prefix)")

.PHONY: uninstall
uninstall: ## remove what install put there
	for lib in liburing liburing-ffi; do \
		rm -f "$(TO_LIB)/$$lib.so.$(VERSION)" "$(TO_LIB)/$$lib.so.2" \
			"$(TO_LIB)/$$lib.so" "$(TO_LIB)/$$lib.a" "$(TO_LIB)/pkgconfig/$$lib.pc"; \
	done
	rm -f "$(TO_LIB)/$(ENGINE)" "$(DESTDIR)$(bindir)/uring"
	for file in $(MANUALS); do rm -f "$(DESTDIR)$(prefix)/$$file"; done
	for header in $(HEADERS); do rm -f "$(TO_INCLUDE)/$$header"; done
	rm -f "$(TO_INCLUDE)/liburing-ffi.json"
	rm -rf "$(TO_LIB)/cmake/liburing"
	-rmdir "$(TO_INCLUDE)/liburing/io_uring" "$(TO_INCLUDE)/liburing" 2>/dev/null
	-rmdir "$(TO_LIB)/cmake" "$(TO_LIB)/pkgconfig" 2>/dev/null

# ---- the main job, tests, benchmarks

INCLUDE := include
RUNNER_ARGS := --include "$(CURDIR)/include" --libdir "$(abspath_LIBDIR)"

.PHONY: run
run: ## build everything and show the library at work on a real file and a real connection
	@sh tests/requirements.sh run
	@$(MAKE) --no-print-directory all
	$(PYTHON) c-examples/run-demo.py $(RUNNER_ARGS) --build-dir $(TARGET)/c-examples

# The runner builds what the parts need; tests/parts.py lists them.
RUN_TESTS = MAKE="$(MAKE)" CARGO="$(CARGO)" LIBDIR="$(LIBDIR)" $(PYTHON) tests/run.py
# Names of parts (make test PARTS="lint rust"); CHANGED=1 are those that a change
# touches, CHANGED=COMMIT those that differ from a commit.
PARTS ?=
CHANGED ?=

.PHONY: test
test: ## run all tests; some with PARTS="lint rust", those that a change touches with CHANGED=1
	@sh tests/requirements.sh test
	@$(RUN_TESTS) $(PARTS) $(CHANGED:%=--changed=%)

TESTS := test-lint test-rust test-abi test-conformance test-sanitize test-denied test-examples \
	test-binaries test-observe test-check test-chaos test-engine-rust test-bench test-python test-asyncio test-python-engine

.PHONY: $(TESTS)
$(TESTS):
	@$(RUN_TESTS) $(@:test-%=%)

.PHONY: test-engine
test-engine:
	@$(RUN_TESTS) engine engine-rust

DENY := $(TARGET)/hostile/deny-io-uring

$(TARGET)/hostile/%: tests/hostile/%.c
	@mkdir -p $(@D)
	$(CC) -O1 -Wall -Wextra -Werror $< -o $@

# How long the soak runs, in seconds.
SOAK_SECONDS ?= 120

.PHONY: soak-engine
soak-engine: all ## random operations on the engine for two minutes (SOAK_SECONDS), then on the kernel for a tenth
	@mkdir -p $(TARGET)/engine-tests
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -I$(INCLUDE) tests/engine/soak.c \
		-o $(TARGET)/engine-tests/soak -L$(LIBDIR) -Wl,-rpath,"$(abspath_LIBDIR)" -luring
	ANYRING_ENGINE=userspace SOAK_SECONDS=$(SOAK_SECONDS) $(TARGET)/engine-tests/soak
	ANYRING_ENGINE=kernel SOAK_SECONDS=$$(($(SOAK_SECONDS) / 10)) $(TARGET)/engine-tests/soak || [ $$? = 77 ]

# How long random programs run, in seconds, and how many of them may differ until the search ends.
RANDOM_SECONDS ?= 600
RANDOM_FAILURES ?= 5

.PHONY: random-programs
random-programs: all ## random programs with signals, threads, forks beside them for RANDOM_SECONDS, on kernel and engine
	$(PYTHON) tests/random/run.py --include $(INCLUDE) --libdir $(LIBDIR) --build-dir $(TARGET)/random \
		--seconds $(RANDOM_SECONDS) --failures $(RANDOM_FAILURES)

# How many seeds make chaos tries.
CHAOS_SEEDS ?= 100

.PHONY: chaos
chaos: all uring ## right programs and the C examples under uring chaos with CHAOS_SEEDS seeds
	$(PYTHON) tests/chaos/run.py --include $(INCLUDE) --libdir $(LIBDIR) --build-dir $(TARGET)/chaos \
		--uring $(URING) --seeds $(CHAOS_SEEDS)

.PHONY: test-engine-tsan
test-engine-tsan: ## the engine under the thread sanitizer, if this toolchain has it
	@runtime=$$(find "$$(rustc --print sysroot)" -name '*rustc*tsan.a' | head -1); \
	if [ -z "$$runtime" ]; then echo "skipped: the toolchain has no runtime of the thread sanitizer"; exit 0; fi; \
	TSAN_OPTIONS="suppressions=$(CURDIR)/crates/anyring-engine/tests/support/tsan.txt" RUSTC_BOOTSTRAP=1 \
		RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" CARGO_TARGET_DIR="$(CURDIR)/$(TARGET)/tsan" \
		$(CARGO) test --locked --package anyring-engine --test threads --test differential \
		--target $$(rustc -vV | sed -n 's/^host: //p') -- --nocapture

.PHONY: test-engine-mutants
test-engine-mutants: ## that the models of the engine's lock and queues notice what is wrong with them
	$(PYTHON) crates/anyring-engine/tests/loom/mutants.py

.PHONY: test-machines
test-machines: ## the conformance programs on musl, and for aarch64 and riscv64 under qemu-user, as far as the tools are here
	$(PYTHON) tests/machines/run.py

.PHONY: bench
bench: ## compare with an installed liburing: instructions, time, size; then bench-uring and bench-python
	@sh tests/requirements.sh bench
	@$(MAKE) --no-print-directory all
	$(PYTHON) benches/c/compare.py $(RUNNER_ARGS)
	$(PYTHON) benches/engine/compare.py $(RUNNER_ARGS)
	@$(MAKE) --no-print-directory bench-rust
	@$(MAKE) --no-print-directory bench-uring
	@$(MAKE) --no-print-directory bench-python

# BENCH_ARGS=--record writes the counts anew.
.PHONY: bench-check
bench-check: all python ## compare counts that repeat (instructions, system calls) with benches/counts/counts.json
	$(PYTHON) benches/counts/check.py --include $(INCLUDE) --libdir $(LIBDIR) --build-dir $(TARGET)/counts \
		--python $(VENV_PYTHON) $(BENCH_ARGS) || [ $$? = 77 ]

.PHONY: bench-rust
bench-rust: ## compare the Rust crate with the io-uring crate: instructions of each piece of a loop
	$(PYTHON) benches/rust/compare.py --cargo "$(CARGO)" || [ $$? = 77 ]

BENCH_ARGS ?=

.PHONY: bench-uring
bench-uring: ## measure what io_uring is known for; the results go to benches/record (BENCH_ARGS=--quick: a minute)
	@sh tests/requirements.sh bench
	@$(MAKE) --no-print-directory all uring
	$(URING) bench $(RUNNER_ARGS) --record benches/record \
		--html $(TARGET)/bench.html --svg $(TARGET)/bench-charts $(BENCH_ARGS)
	@echo "page: $(TARGET)/bench.html, charts: $(TARGET)/bench-charts"

# ---- Python

VENV := $(TARGET)/venv
VENV_PYTHON := $(VENV)/bin/python

$(VENV_PYTHON):
	@sh tests/requirements.sh python
	$(PYTHON) -m venv $(VENV)

.PHONY: python
python: $(VENV_PYTHON) ## build the Python module and install it in target/venv
	@sh tests/install-module.sh $(VENV_PYTHON)

.PHONY: wheel
wheel: $(VENV_PYTHON) ## build the wheel, checked for its manylinux tag, and the source distribution into target/dist
	$(VENV_PYTHON) tests/python/packages.py 'maturin>=1.7,<2'
	$(VENV_PYTHON) -m maturin build --release --locked --auditwheel check --out $(TARGET)/dist
	$(VENV_PYTHON) -m maturin sdist --out $(TARGET)/dist

.PHONY: stubs
stubs: python ## write the type stubs of the Python module anew
	$(VENV_PYTHON) python/tools/stubs.py tests/python/facts/python-api.json

.PHONY: print-python
print-python: ## print the interpreter that has the Python module
	@echo "$(CURDIR)/$(VENV_PYTHON)"

FUZZ_SECONDS ?= 600

.PHONY: fuzz-python
fuzz-python: python ## random programs against the Python module for FUZZ_SECONDS, on the kernel and on the engine
	$(VENV_PYTHON) tests/python/fuzz.py --seconds $(FUZZ_SECONDS) --keep-going

ASAN := $(TARGET)/asan
ASAN_LIBRARY = $(shell $(CC) -print-file-name=libasan.so)

.PHONY: fuzz-python-asan
fuzz-python-asan: python ## the same with the module under the address sanitizer, if this toolchain has it
	@[ -e "$(ASAN_LIBRARY)" ] || { echo "skipped: $(CC) has no libasan.so"; exit 0; }; \
	host=$$(rustc -vV | sed -n 's/^host: //p'); set -e; \
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer" \
		CARGO_TARGET_DIR="$(CURDIR)/$(ASAN)" PYO3_PYTHON="$(CURDIR)/$(VENV_PYTHON)" \
		$(CARGO) build --locked --release --package anyring-py --lib --target $$host; \
	rm -rf "$(ASAN)/python"; mkdir -p "$(ASAN)/python"; \
	cp -R python/liburing "$(ASAN)/python/"; \
	cp "$(ASAN)/$$host/release/lib_liburing.so" "$(ASAN)/python/liburing/_liburing.abi3.so"; \
	PYTHONPATH="$(CURDIR)/$(ASAN)/python" $(VENV_PYTHON) tests/python/fuzz.py \
		--asan "$(ASAN_LIBRARY)" --seconds $(FUZZ_SECONDS) --keep-going

.PHONY: bench-asyncio
bench-asyncio: python ## compare liburing.aio with aiofiles, run_in_executor and uvloop
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check aiofiles uvloop || \
		echo "a peer cannot be installed; the comparison goes without it"
	$(VENV_PYTHON) benches/python/aio.py
	$(VENV_PYTHON) benches/python/echo.py

PEER_VENV := $(TARGET)/peer-venv
PEER_PYTHON := $(PEER_VENV)/bin/python

$(PEER_PYTHON): | $(VENV_PYTHON)
	$(PYTHON) -m venv $(PEER_VENV)
	@$(PEER_PYTHON) -m pip install --quiet --disable-pip-version-check liburing==2026.3.30 || \
		{ rm -rf $(PEER_VENV); echo "the PyPI package cannot be installed; the comparison goes without it"; }

FLOOR := $(TARGET)/bench-floor

$(FLOOR): benches/python/floor.c benches/c/bench.h $(LIBDIR)/liburing.a
	$(CC) -O2 -Wall -Wextra -I$(INCLUDE) -o $@ $< $(LIBDIR)/liburing.a

.PHONY: bench-python
bench-python: python $(PEER_PYTHON) $(FLOOR) ## compare the Python module with the PyPI package, with C and with os.preadv
	$(VENV_PYTHON) benches/python/nop.py --peer $(PEER_PYTHON) --floor $(FLOOR)
	$(VENV_PYTHON) benches/python/objects.py --peer $(PEER_PYTHON) --floor $(FLOOR) --folder $(TARGET)

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(TARGET)
