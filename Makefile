# A thin front door over cargo, the C compiler and the test runners.

prefix ?= /usr/local
exec_prefix ?= $(prefix)
libdir ?= $(exec_prefix)/lib
includedir ?= $(prefix)/include
DESTDIR ?=

CARGO ?= cargo
CC ?= cc
AR ?= ar
LD ?= ld
OBJCOPY ?= objcopy
INSTALL ?= install
PYTHON ?= python3

VERSION := 2.15
TARGET := $(CURDIR)/target
LIBDIR := $(TARGET)/lib
# Whatever the environment says: the archive has to be where it is looked for.
export CARGO_TARGET_DIR := $(TARGET)
unexport CARGO_BUILD_TARGET
ARCHIVE := $(TARGET)/capi/libanyring_capi.a
# The same with the userspace engine inside, for the static archives, and the
# engine alone, for the shared library that the shared ones load on demand.
STATIC_ARCHIVE := $(TARGET)/static/capi/libanyring_capi.a
ENGINE_ARCHIVE := $(TARGET)/engine/capi/libanyring_engine.a
ENGINE := libanyring-engine.so.0
MAPS := crates/anyring-capi/maps
RUST_SOURCES := $(shell find crates/anyring-abi crates/anyring crates/anyring-capi crates/anyring-engine -name '*.rs' -o -name Cargo.toml) \
	Cargo.toml Cargo.lock
LIBS := $(foreach lib,liburing liburing-ffi,$(LIBDIR)/$(lib).so.$(VERSION) $(LIBDIR)/$(lib).a) \
	$(LIBDIR)/$(ENGINE)
# What serves rings where nobody says anything: kernel, auto or userspace.
DEFAULT_ENGINE ?= kernel
export ANYRING_DEFAULT_ENGINE := $(DEFAULT_ENGINE)

.DEFAULT_GOAL := all

.PHONY: all
all: $(LIBS) ## build the C libraries (the default)

.PHONY: help
help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

.PHONY: print-libdir
print-libdir: ## print the folder that holds liburing.so.2
	@echo $(LIBDIR)

# ---- the C libraries

# rustc writes a version script of its own for a cdylib, which cannot be
# combined with named version nodes; so it makes an archive and cc links it.
$(ARCHIVE): $(RUST_SOURCES)
	$(CARGO) rustc --locked --package anyring-capi --lib --profile capi \
		--crate-type staticlib -- --cfg anyring_staticlib
	@touch $@

$(STATIC_ARCHIVE): $(RUST_SOURCES)
	CARGO_TARGET_DIR=$(TARGET)/static $(CARGO) rustc --locked --package anyring-capi --lib \
		--profile capi --crate-type staticlib -- --cfg anyring_staticlib --cfg anyring_engine_inside
	@touch $@

$(ENGINE_ARCHIVE): $(RUST_SOURCES)
	CARGO_TARGET_DIR=$(TARGET)/engine $(CARGO) rustc --locked --package anyring-engine --lib \
		--profile capi --crate-type staticlib -- --cfg anyring_staticlib
	@touch $@

$(LIBDIR)/$(ENGINE): $(ENGINE_ARCHIVE) $(MAPS)/engine.map
	@mkdir -p $(@D)
	$(CC) -shared -nostartfiles -o $@ \
		-Wl,--whole-archive $(ENGINE_ARCHIVE) -Wl,--no-whole-archive \
		-Wl,--version-script=$(MAPS)/engine.map -Wl,-soname,$(ENGINE) \
		-Wl,-Bsymbolic-functions -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,defs \
		-Wl,-z,nodelete -Wl,-O1 -Wl,-s

$(LIBDIR)/%.so.$(VERSION): $(ARCHIVE) $(MAPS)/%.map
	@mkdir -p $(@D)
	$(CC) -shared -nostartfiles -o $@ \
		-Wl,--whole-archive $(ARCHIVE) -Wl,--no-whole-archive \
		-Wl,--version-script=$(MAPS)/$*.map -Wl,-soname,$*.so.2 \
		-Wl,-Bsymbolic-functions -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,defs \
		-Wl,-O1 -Wl,-s
	@ln -sf $(@F) $(LIBDIR)/$*.so.2
	@ln -sf $(@F) $(LIBDIR)/$*.so

# One object with nothing global but the functions of the interface, so that
# it can be linked beside other Rust archives.
$(LIBDIR)/%.a: $(STATIC_ARCHIVE) $(MAPS)/%.symbols
	@mkdir -p $(@D)
	$(LD) -r --gc-sections $$(sed 's/^/-u /' $(MAPS)/$*.symbols) \
		-o $(TARGET)/$*.o $(STATIC_ARCHIVE)
	$(OBJCOPY) --keep-global-symbols=$(MAPS)/$*.symbols --strip-unneeded \
		--remove-section=.llvmbc --remove-section=.llvmcmd $(TARGET)/$*.o
	@rm -f $@
	$(AR) rcs $@ $(TARGET)/$*.o

# ---- installation

HEADERS := liburing.h liburing/io_uring.h liburing/io_uring/query.h \
	liburing/io_uring/bpf_filter.h liburing/barrier.h liburing/compat.h liburing/ext.h \
	liburing/io_uring_version.h
PACKAGE := crates/anyring-capi/package
# Where lib and include are below their common root, for staged installations.
FILL = sed -e 's|@prefix@|$(prefix)|g' -e 's|@libdir@|$(libdir)|g' \
	-e 's|@includedir@|$(includedir)|g' -e 's|@version@|$(VERSION)|g' \
	-e "s|@libdir_up@|$$(echo '$(libdir:$(prefix)/%=%)' | sed 's|[^/][^/]*|..|g')|g" \
	-e 's|@includedir_down@|$(includedir:$(prefix)/%=%)|g'

.PHONY: install
install: all ## install libraries, headers, pkg-config and CMake files (DESTDIR, prefix, libdir, includedir)
	$(INSTALL) -d $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(libdir)/cmake/liburing \
		$(DESTDIR)$(includedir)/liburing/io_uring
	for lib in liburing liburing-ffi; do \
		$(INSTALL) -m 755 $(LIBDIR)/$$lib.so.$(VERSION) $(DESTDIR)$(libdir)/ && \
		ln -sf $$lib.so.$(VERSION) $(DESTDIR)$(libdir)/$$lib.so.2 && \
		ln -sf $$lib.so.$(VERSION) $(DESTDIR)$(libdir)/$$lib.so && \
		$(INSTALL) -m 644 $(LIBDIR)/$$lib.a $(DESTDIR)$(libdir)/ && \
		$(FILL) $(PACKAGE)/$$lib.pc.in > $(DESTDIR)$(libdir)/pkgconfig/$$lib.pc || exit 1; \
	done
	$(INSTALL) -m 755 $(LIBDIR)/$(ENGINE) $(DESTDIR)$(libdir)/
	for header in $(HEADERS); do \
		$(INSTALL) -m 644 include/$$header $(DESTDIR)$(includedir)/$$header || exit 1; \
	done
	for file in liburingConfig liburingConfigVersion; do \
		$(FILL) $(PACKAGE)/$$file.cmake.in > $(DESTDIR)$(libdir)/cmake/liburing/$$file.cmake || exit 1; \
	done

.PHONY: uninstall
uninstall: ## remove what install put there
	for lib in liburing liburing-ffi; do \
		rm -f $(DESTDIR)$(libdir)/$$lib.so.$(VERSION) $(DESTDIR)$(libdir)/$$lib.so.2 \
			$(DESTDIR)$(libdir)/$$lib.so $(DESTDIR)$(libdir)/$$lib.a \
			$(DESTDIR)$(libdir)/pkgconfig/$$lib.pc; \
	done
	rm -f $(DESTDIR)$(libdir)/$(ENGINE)
	for header in $(HEADERS); do rm -f $(DESTDIR)$(includedir)/$$header; done
	rm -rf $(DESTDIR)$(libdir)/cmake/liburing
	-rmdir $(DESTDIR)$(includedir)/liburing/io_uring $(DESTDIR)$(includedir)/liburing 2>/dev/null
	-rmdir $(DESTDIR)$(libdir)/cmake $(DESTDIR)$(libdir)/pkgconfig 2>/dev/null

# ---- the main job, tests, benchmarks

INCLUDE := $(CURDIR)/include
RUNNER_ARGS := --include $(INCLUDE) --libdir $(LIBDIR)

.PHONY: requirements
requirements:
	@sh tests/requirements.sh build test python

.PHONY: run
run: ## build everything and show the library at work on a real file and a real connection
	@sh tests/requirements.sh build
	@$(MAKE) --no-print-directory all
	$(PYTHON) c-examples/run-demo.py $(RUNNER_ARGS) --build-dir $(TARGET)/c-examples

TESTS := test-lint test-rust test-abi test-conformance test-sanitize test-denied test-examples \
	test-binaries test-engine test-bench test-python test-asyncio test-python-engine

.PHONY: test
test: requirements ## run all tests
	@$(MAKE) --no-print-directory all
	@for part in $(TESTS); do \
		echo "== $$part"; \
		$(MAKE) --no-print-directory $$part || { echo "== $$part failed"; exit 1; }; \
	done
	@echo "== all parts passed: $(TESTS)"

.PHONY: test-lint
test-lint: ## formatting, clippy, and that generated files are up to date
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(CARGO) xtask codegen --check

.PHONY: test-rust
test-rust: ## the core and the generator
	$(CARGO) test --locked --workspace --all-features

.PHONY: test-abi
test-abi: all ## symbols, constants, layouts, headers, prep vectors
	$(PYTHON) tests/abi/run.py $(RUNNER_ARGS) --peer --build-dir $(TARGET)/abi

.PHONY: test-conformance
test-conformance: all ## C programs on the real kernel
	$(PYTHON) tests/conformance/op-coverage.py
	$(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) --peer --build-dir $(TARGET)/conformance
	$(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) --link static --build-dir $(TARGET)/conformance-static
	$(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) --link ffi --build-dir $(TARGET)/conformance-ffi

.PHONY: test-sanitize
test-sanitize: all ## the same with address and undefined-behaviour sanitizers
	$(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) --sanitize --build-dir $(TARGET)/conformance-sanitize

DENY := $(TARGET)/hostile/deny-io-uring

$(TARGET)/hostile/%: tests/hostile/%.c
	@mkdir -p $(@D)
	$(CC) -O1 -Wall -Wextra -Werror $< -o $@

.PHONY: test-denied
test-denied: all $(DENY) ## that the same programs skip with the reason where io_uring is denied
	for error in ENOSYS EPERM EACCES; do \
		echo "io_uring_setup answers $$error"; \
		$(DENY) $$error $(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) \
			--build-dir $(TARGET)/conformance | sed '/^skip/d' > $(TARGET)/hostile/$$error.log; \
		cat $(TARGET)/hostile/$$error.log; \
		tail -1 $(TARGET)/hostile/$$error.log | grep -q ' 0 failed' || exit 1; \
	done

.PHONY: test-engine
test-engine: all $(DENY) $(TARGET)/hostile/deny-calls ## everything again on the userspace engine, with io_uring denied and without
	for error in ENOSYS EPERM EACCES; do \
		$(DENY) $$error $(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) \
			--engine auto --build-dir $(TARGET)/conformance || exit 1; \
	done
	for link in shared static ffi; do \
		$(DENY) KILL $(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) \
			--engine userspace --link $$link --build-dir $(TARGET)/conformance-$$link || exit 1; \
	done
	$(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) --folder tests/engine --engine userspace \
		--build-dir $(TARGET)/engine-tests
	$(TARGET)/hostile/deny-calls $(PYTHON) tests/conformance/run.py $(RUNNER_ARGS) \
		--folder tests/engine --engine userspace --build-dir $(TARGET)/engine-tests
	$(PYTHON) tests/engine/choice.py $(RUNNER_ARGS)
	$(CARGO) test --locked --workspace --all-features --test rings --no-run
	ANYRING_ENGINE=auto $(DENY) EPERM \
		$(CARGO) test --locked --workspace --all-features --test rings
	ANYRING_ENGINE=userspace $(DENY) KILL \
		$(CARGO) test --locked --workspace --all-features --test rings
	ANYRING_ENGINE=auto $(DENY) EPERM \
		$(PYTHON) c-examples/test.py $(RUNNER_ARGS) --build-dir $(TARGET)/c-examples
	ANYRING_ENGINE=userspace $(PYTHON) c-examples/test.py $(RUNNER_ARGS) --build-dir $(TARGET)/c-examples
	ANYRING_ENGINE=auto $(DENY) EPERM \
		$(PYTHON) tests/binaries/run.py --libdir $(LIBDIR)
	ANYRING_ENGINE=userspace $(PYTHON) tests/binaries/run.py --libdir $(LIBDIR)

# How long the soak runs, in seconds.
SOAK_SECONDS ?= 120

.PHONY: soak-engine
soak-engine: all ## random operations on the engine for two minutes (SOAK_SECONDS), then on the kernel for a tenth
	@mkdir -p $(TARGET)/engine-tests
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -I$(INCLUDE) tests/engine/soak.c \
		-o $(TARGET)/engine-tests/soak -L$(LIBDIR) -Wl,-rpath,$(LIBDIR) -luring
	ANYRING_ENGINE=userspace SOAK_SECONDS=$(SOAK_SECONDS) $(TARGET)/engine-tests/soak
	ANYRING_ENGINE=kernel SOAK_SECONDS=$$(($(SOAK_SECONDS) / 10)) $(TARGET)/engine-tests/soak || [ $$? = 77 ]

.PHONY: test-engine-tsan
test-engine-tsan: ## the engine under the thread sanitizer, if this toolchain has it
	@runtime=$$(find "$$(rustc --print sysroot)" -name '*rustc*tsan.a' | head -1); \
	if [ -z "$$runtime" ]; then echo "skipped: the toolchain has no runtime of the thread sanitizer"; exit 0; fi; \
	TSAN_OPTIONS="suppressions=$(CURDIR)/crates/anyring-engine/tests/support/tsan.txt" RUSTC_BOOTSTRAP=1 \
		RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" CARGO_TARGET_DIR=$(TARGET)/tsan \
		$(CARGO) test --locked --package anyring-engine --test threads --test differential \
		--target $$(rustc -vV | sed -n 's/^host: //p') -- --nocapture

.PHONY: test-engine-mutants
test-engine-mutants: ## that the models of the engine's lock and queues notice what is wrong with them
	$(PYTHON) crates/anyring-engine/tests/loom/mutants.py

.PHONY: test-examples
test-examples: all ## the C examples
	$(PYTHON) c-examples/test.py $(RUNNER_ARGS) --build-dir $(TARGET)/c-examples

.PHONY: test-binaries
test-binaries: all ## programs of the distribution on our library
	$(PYTHON) tests/binaries/run.py --libdir $(LIBDIR)

.PHONY: test-bench
test-bench: all ## that the benchmark programs do what they say
	$(PYTHON) benches/c/compare.py $(RUNNER_ARGS) --check
	$(PYTHON) benches/engine/compare.py $(RUNNER_ARGS) --check

.PHONY: bench
bench: ## compare with an installed liburing: instructions, time, size; then bench-uring and bench-python
	@sh tests/requirements.sh build bench
	@$(MAKE) --no-print-directory all
	$(PYTHON) benches/c/compare.py $(RUNNER_ARGS)
	$(PYTHON) benches/engine/compare.py $(RUNNER_ARGS)
	@$(MAKE) --no-print-directory bench-uring
	@$(MAKE) --no-print-directory bench-python

BENCH_ARGS ?=

.PHONY: bench-uring
bench-uring: ## measure what io_uring is known for; the results go to benches/record (BENCH_ARGS=--quick: a minute)
	@sh tests/requirements.sh build bench
	@$(MAKE) --no-print-directory all
	$(CARGO) build --locked --release --package anyring-cli
	$(TARGET)/release/uring bench $(RUNNER_ARGS) --record benches/record \
		--html $(TARGET)/bench.html --svg $(TARGET)/bench-charts $(BENCH_ARGS)
	@echo "page: $(TARGET)/bench.html, charts: $(TARGET)/bench-charts"

# ---- Python

VENV := $(TARGET)/venv
VENV_PYTHON := $(VENV)/bin/python

$(VENV_PYTHON):
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ [ "$$(id -u)" = 0 ] && apt-get install -y python3-venv; } || \
		{ echo "python3 lacks venv: install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

.PHONY: python
python: $(VENV_PYTHON) ## build the Python module and install it in target/venv
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --force-reinstall .

.PHONY: wheel
wheel: $(VENV_PYTHON) ## build the wheel, checked for its manylinux tag, and the source distribution into target/dist
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check 'maturin>=1.7,<2'
	$(VENV_PYTHON) -m maturin build --release --locked --auditwheel check --out $(TARGET)/dist
	$(VENV_PYTHON) -m maturin sdist --out $(TARGET)/dist

.PHONY: stubs
stubs: python ## write the type stubs of the Python module anew
	$(VENV_PYTHON) python/tools/stubs.py tests/python/facts/python-api.json

.PHONY: print-python
print-python: ## print the interpreter that has the Python module
	@echo $(VENV_PYTHON)

.PHONY: test-python
test-python: python ## the Python module
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check pytest pytest-timeout mypy 'maturin>=1.7,<2'
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check uvloop numpy || \
		echo "uvloop or numpy cannot be installed; what needs it is skipped"
	$(VENV_PYTHON) -m pytest -q

.PHONY: test-asyncio
test-asyncio: python ## CPython's tests of asyncio on our event loop
	$(VENV_PYTHON) tests/python/aio/cpython_suite.py

.PHONY: test-python-engine
test-python-engine: python $(DENY) ## the tests of the Python module and CPython's of asyncio on the userspace engine
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check pytest pytest-timeout
	$(VENV_PYTHON) tests/python/engine_suite.py --deny $(DENY)

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
	$(PEER_PYTHON) -m pip install --quiet --disable-pip-version-check liburing==2026.3.30

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
