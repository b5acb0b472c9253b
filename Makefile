# wt: see `make help` for the targets. Sources are found by wildcard: a new file is picked up by itself.
#
# Nothing here runs a compiler or pkg-config while the file is read: `make test` and `make quickstart`
# start on a machine that has only make and git, and install the rest first.

VERSION := 0.1.0
SOMAJOR := 0

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/wt

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS   ?= -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
LDFLAGS  ?=
WERROR   ?= -Werror
SEED     ?= 1
SECONDS  ?= 60
TREE     ?= /usr/include

# A variant is the same sources built with other switches, in a directory of its own.
VARIANT ?=
BUILD   ?= build$(addprefix /,$(VARIANT))

ifeq ($(VARIANT),)
  # What people run comes from here: no switch that slows it down or breaks it on purpose may slip in.
  ifneq ($(findstring WT_CANARY,$(CFLAGS) $(CPPFLAGS))$(findstring -fsanitize,$(CFLAGS) $(LDFLAGS) $(CC)),)
    $(error canary and sanitizer switches belong to a VARIANT, never to the product)
  endif
  MALLOC_LIB := -ljemalloc
else
  ifeq ($(abspath $(BUILD)),$(abspath build))
    $(error VARIANT=$(VARIANT) needs a build directory of its own)
  endif
  SANITIZE := -DWT_PLAIN_MALLOC -fno-omit-frame-pointer -U_FORTIFY_SOURCE
  ifeq ($(VARIANT),asan)
    VARIANT_FLAGS := $(SANITIZE) -fsanitize=address,undefined -fno-sanitize-recover=all
  else ifeq ($(VARIANT),tsan)
    # gcc warns about fences, which TSan does not model; clang does not know that warning.
    VARIANT_FLAGS := $(SANITIZE) -fsanitize=thread -Wno-unknown-warning-option -Wno-tsan
  else ifeq ($(VARIANT),fuzz)
    VARIANT_FLAGS := $(SANITIZE) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
                     -fprofile-instr-generate -fcoverage-mapping
  else ifeq ($(VARIANT),canary-noflush)
    VARIANT_FLAGS := -DWT_CANARY_NO_FLUSH
    MALLOC_LIB := -ljemalloc
  else ifeq ($(VARIANT),canary-nochecksum)
    VARIANT_FLAGS := -DWT_CANARY_NO_JOURNAL_CHECKSUM
    MALLOC_LIB := -ljemalloc
  else
    $(error unknown VARIANT=$(VARIANT): asan tsan fuzz canary-noflush canary-nochecksum)
  endif
endif

WARNINGS := -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
ALL_CPPFLAGS = -D_GNU_SOURCE -DWT_VERSION=\"$(VERSION)\" -I. -Iinclude $(CPPFLAGS)
ALL_CFLAGS   = -std=gnu17 $(CFLAGS) $(WARNINGS) $(VARIANT_FLAGS) -pthread
ALL_LDFLAGS  = $(CFLAGS) $(VARIANT_FLAGS) -pthread -Wl,-z,relro,-z,now $(LDFLAGS)

# liburing goes in statically where its archive is installed; asked at link time, when it is there.
URING_LIB  = $(if $(filter /%,$(shell $(CC) -print-file-name=liburing.a)),-l:liburing.a,-luring)
SERVER_LIBS = $(URING_LIB) -lnuma -lisal
WTD_LIBS    = $(SERVER_LIBS) -linih
# wtcli keeps libc's malloc: jemalloc comes after libc, and only if a server object asks for it by name.
CLI_LIBS    = $(SERVER_LIBS) -ljson-c -Wl,--as-needed -lc $(MALLOC_LIB)
# Test programs of the server's code allocate as wtd does.
TEST_LDLIBS = $(WTD_LIBS) $(MALLOC_LIB) -lm

# ---- sources ---------------------------------------------------------------------------------------

FLOORS     := base device cache volume file session shard
# What wtd.c calls beside it is tested with the floors.
SERVER_SRC := $(foreach f,$(FLOORS),$(wildcard server/$(f)/*.c)) $(wildcard server/wtd_*.c)
# The simulated device is for tests: in no program that people run.
SIM_SRC    := $(wildcard server/device/sim*.c)
PROD_SRC   := $(filter-out $(SIM_SRC),$(SERVER_SRC))
# What mkfs, check and info on a device need. An archive, so that only what is called gets in.
TOOL_SRC   := $(filter-out $(SIM_SRC),$(foreach f,base device cache volume,$(wildcard server/$(f)/*.c)))
LIBWT_SRC  := $(wildcard client/lib/*.c)
CLI_SRC    := $(wildcard client/cli/*.c)
EXAMPLE_SRC := $(wildcard client/examples/*.c)

SUPPORT_SRC := $(wildcard tests/support/*.c)
UNIT_SRC    := $(wildcard tests/unit/test_*.c)
SIMTEST_SRC := $(wildcard tests/sim/*.c)
INTEG_SRC   := $(wildcard tests/integration/*.c)
POSIX_SRC   := $(wildcard tests/posix/*.c)
WALK_SRC    := $(wildcard tests/walk/*.c)
NVME_SRC    := $(wildcard tests/nvme/*.c)
TSAN_SRC    := $(wildcard tests/tsan/*.c)
BENCH_SRC   := $(wildcard tests/bench/*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/*.c)

ALL_SRC := $(SERVER_SRC) $(wildcard server/wtd.c) $(LIBWT_SRC) $(CLI_SRC) $(EXAMPLE_SRC) $(SUPPORT_SRC) \
           $(UNIT_SRC) $(SIMTEST_SRC) $(INTEG_SRC) $(POSIX_SRC) $(WALK_SRC) $(NVME_SRC) $(TSAN_SRC) \
           $(BENCH_SRC) $(FUZZ_SRC)
# A page's section is its name's end.
MAN_PAGES := $(wildcard client/lib/man/*.3 client/cli/*.1 server/*.5 server/*.8)
# Every C file, for clang-format.
C_FILES = $(sort $(ALL_SRC) $(shell find proto include server client tests -name '*.[ch]' 2>/dev/null))

objects   = $(1:%.c=$(BUILD)/obj/%.o)
programs  = $(1:%.c=$(BUILD)/%)
UNIT_BIN  := $(call programs,$(UNIT_SRC))
EXAMPLE_BIN := $(call programs,$(EXAMPLE_SRC))
INTEG_BIN := $(call programs,$(INTEG_SRC)) $(if $(POSIX_SRC),$(BUILD)/tests/posix/posix) \
             $(if $(WALK_SRC),$(BUILD)/tests/walk/walk)
NVME_BIN  := $(call programs,$(NVME_SRC))
TSAN_BIN  := $(call programs,$(TSAN_SRC))
BENCH_BIN := $(call programs,$(BENCH_SRC))
FUZZ_BIN  := $(call programs,$(FUZZ_SRC))

LIBWT_A  := $(BUILD)/libwt.a
LIBWT_SO := $(BUILD)/libwt.so.$(VERSION)
TEST_LIBS := $(BUILD)/libwt-support.a $(BUILD)/libwt-server-test.a $(LIBWT_A)

# ---- building --------------------------------------------------------------------------------------

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

PRODUCT := $(addprefix $(BUILD)/,wtd wtcli libwt.so libwt.a wt.pc)
.PHONY: all
all: $(PRODUCT)

Q    = $(if $(V),,@)
say  = $(if $(V),,@printf '  %-5s %s\n' $(1) '$(2)')
link = $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group
# Stamps change only when what they record changes: another compiler or flag rebuilds everything, a file
# added or removed links again.
stamp = mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' >$@

.PHONY: FORCE
FORCE:

$(BUILD)/.flags: FORCE
	@command -v $(firstword $(CC)) >/dev/null || \
	    { echo "make: no compiler $(firstword $(CC)): run deploy/install-deps build" >&2; exit 1; }
	@$(call stamp,$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS))

$(BUILD)/.sources: FORCE
	@$(call stamp,$(ALL_SRC))

$(BUILD)/.prefix: FORCE
	@$(call stamp,$(PREFIX) $(LIBDIR) $(INCLUDEDIR) $(VERSION))

$(BUILD)/obj/%.o: %.c $(BUILD)/.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(OBJ_FLAGS) -MMD -MP -c -o $@ $<

# One set of objects serves both libraries; wt.h marks what is public.
$(call objects,$(LIBWT_SRC)): private OBJ_FLAGS := -fPIC -fvisibility=hidden

# `q` and not `r`: two floors may have files of one name.
$(BUILD)/%.a: $(BUILD)/.flags $(BUILD)/.sources
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar qcs $@ $(filter %.o,$^)

$(LIBWT_A): $(call objects,$(LIBWT_SRC))
$(BUILD)/libwt-tools.a: $(call objects,$(TOOL_SRC))
$(BUILD)/libwt-server-test.a: $(call objects,$(SERVER_SRC))
$(BUILD)/libwt-support.a: $(call objects,$(SUPPORT_SRC))

$(LIBWT_SO): $(call objects,$(LIBWT_SRC)) client/lib/libwt.map $(BUILD)/.sources
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libwt.so.$(SOMAJOR) -Wl,--version-script,client/lib/libwt.map \
	    -o $@ $(filter %.o,$^)

$(BUILD)/libwt.so: $(LIBWT_SO)
	@ln -sf $(<F) $(BUILD)/libwt.so.$(SOMAJOR)
	@ln -sf libwt.so.$(SOMAJOR) $@

$(BUILD)/wt.pc: deploy/wt.pc.in $(BUILD)/.prefix
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' $< >$@

# A server with a canary in it must not exist at all, but for one that tests/nvme cuts the power of. Its name
# says what it is, and nothing installs it.
ifeq ($(VARIANT),canary-noflush)
LOSES_DATA := $(BUILD)/wtd-loses-data
$(LOSES_DATA): $(call objects,server/wtd.c $(PROD_SRC)) $(BUILD)/.sources
	$(call say,LINK,$@)
	$(Q)$(link) $(WTD_LIBS) $(MALLOC_LIB)
endif
ifeq ($(filter canary-%,$(VARIANT)),)
$(BUILD)/wtd: $(call objects,server/wtd.c $(PROD_SRC)) $(BUILD)/.sources
	$(call say,LINK,$@)
	$(Q)$(link) $(WTD_LIBS) $(MALLOC_LIB)

$(BUILD)/wtcli: $(call objects,$(CLI_SRC)) $(LIBWT_A) $(BUILD)/libwt-tools.a $(BUILD)/.sources
	$(call say,LINK,$@)
	$(Q)$(link) $(CLI_LIBS)
endif

# ---- test programs ---------------------------------------------------------------------------------

$(UNIT_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $(TEST_LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) $(TEST_LDLIBS) -lcriterion

$(TSAN_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $(TEST_LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) $(TEST_LDLIBS)

$(FUZZ_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $(TEST_LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) -fsanitize=fuzzer $(TEST_LDLIBS)

$(BUILD)/sim_test: $(call objects,$(SIMTEST_SRC)) $(TEST_LIBS)
	$(call say,LINK,$@)
	$(Q)$(link) $(TEST_LDLIBS)

# These are programs of a user of wt: they see the library and nothing of the server.
$(call programs,$(INTEG_SRC)) $(NVME_BIN) $(BENCH_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libwt-support.a $(LIBWT_A)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) $(URING_LIB) -lm

# Programs of many files, each started by the script of its name in tests/integration.
$(BUILD)/tests/posix/posix: $(call objects,$(POSIX_SRC)) $(LIBWT_A) $(BUILD)/.sources
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link)

$(BUILD)/tests/walk/walk: $(call objects,$(WALK_SRC)) $(BUILD)/libwt-support.a $(LIBWT_A) $(BUILD)/.sources
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link)

# As a user builds them: the library and nothing else.
$(EXAMPLE_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $(LIBWT_A)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link)

.PHONY: examples
examples: $(EXAMPLE_BIN)

.PHONY: unit-programs integration-programs nvme-programs tsan-programs bench-programs fuzz-programs
unit-programs: $(UNIT_BIN)
integration-programs: $(PRODUCT) $(INTEG_BIN) $(EXAMPLE_BIN)
nvme-programs: $(PRODUCT) $(INTEG_BIN) $(NVME_BIN)
tsan-programs: $(TSAN_BIN)
bench-programs: $(PRODUCT) $(BENCH_BIN)
fuzz-programs: $(FUZZ_BIN)

-include $(patsubst %.o,%.d,$(call objects,$(ALL_SRC)))

# ---- targets that install what they miss, build, and run -------------------------------------------

# A sub-make uses every processor unless the user said how many.
SUB = --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
CANARIES := canary-noflush canary-nochecksum
ASAN_ENV := ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
SIM_PROGRAM = $(if $(SIMTEST_SRC),$(BUILD)/sim_test)

.PHONY: quickstart test test-long test-unit test-integration test-nvme test-nvme-full test-asan test-tsan sim fuzz \
        bench bench-quick
quickstart:
	@deploy/install-deps build
	@$(MAKE) $(SUB) all
	@BUILD='$(BUILD)' TREE='$(TREE)' deploy/quickstart

test:
	@deploy/install-deps build test
	@$(MAKE) $(SUB) unit-programs integration-programs $(SIM_PROGRAM)
	@$(if $(SIMTEST_SRC),for v in $(CANARIES); do \
	    $(MAKE) $(SUB) VARIANT=$$v BUILD='$(BUILD)/'$$v '$(BUILD)/'$$v/sim_test || exit; done)
	@tests/run --build '$(BUILD)' sim integration unit canary

# The same cases, as long as an issue asks for: a minute of eight clients, 20 rounds of SIGKILL, 100,000 files,
# 10,000 simulated seeds; then a million steps of the random walk under the sanitizers.
test-long:
	@deploy/install-deps build test
	@$(MAKE) $(SUB) unit-programs integration-programs $(SIM_PROGRAM)
	@STRESS_SECONDS=60 STRESS_ROUNDS=20 TREE_FILES=100000 SCALE_FILES=1000000 SCALE_WAIT=20 \
	    LIMITS_LONG=1 BAD_INPUT_LONG=1 SIM_SEEDS=10000 FILE_WALK_SEEDS=20 PAIRS_STEP=10 DUMP_ROUNDS=1000 \
	    TAR_ROUNDS=1000 TEST_TIMEOUT=3600 tests/run --build '$(BUILD)' sim integration unit
	@$(MAKE) $(SUB) VARIANT=asan BUILD='$(BUILD)/asan' all '$(BUILD)/asan/tests/walk/walk'
	@$(ASAN_ENV) WALK_STEPS=1000000 TEST_TIMEOUT=7200 tests/run --build '$(BUILD)/asan' --only walk integration

test-unit:
	@deploy/install-deps build test
	@$(MAKE) $(SUB) unit-programs
	@tests/run --build '$(BUILD)' unit

test-integration:
	@deploy/install-deps build test
	@$(MAKE) $(SUB) integration-programs
	@tests/run --build '$(BUILD)' integration

# In virtual machines with NVMe controllers (tests/nvme/README.md). Where they cannot be installed or started,
# each case is skipped and says why.
test-nvme:
	@deploy/install-deps build
	@deploy/install-deps nvme || echo 'make: going on without what tests/nvme needs' >&2
	@$(MAKE) $(SUB) nvme-programs
	@$(MAKE) $(SUB) VARIANT=canary-noflush BUILD='$(BUILD)/canary-noflush' '$(BUILD)/canary-noflush/wtd-loses-data'
	@tests/run --build '$(BUILD)' nvme

# Everything on every combination.
test-nvme-full: export NVME_FULL := 1
test-nvme-full: test-nvme

test-asan:
	@deploy/install-deps build test
	@$(MAKE) $(SUB) VARIANT=asan BUILD='$(BUILD)/asan' unit-programs integration-programs \
	    $(if $(SIMTEST_SRC),'$(BUILD)/asan/sim_test')
	@$(ASAN_ENV) SIM_SEEDS=100 tests/run --build '$(BUILD)/asan' --slow unit integration sim

test-tsan:
	@deploy/install-deps build test
	@$(MAKE) $(SUB) VARIANT=tsan BUILD='$(BUILD)/tsan' tsan-programs
	@TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 tests/run --build '$(BUILD)/tsan' --slow tsan

sim:
	@deploy/install-deps build
	@$(MAKE) $(SUB) '$(BUILD)/sim_test'
	@'$(BUILD)/sim_test' --seed '$(SEED)' --cuts 3000

fuzz:
	@deploy/install-deps build fuzz
	@$(MAKE) $(SUB) CC=clang VARIANT=fuzz BUILD='$(BUILD)/fuzz' fuzz-programs
	@FUZZ_SECONDS='$(SECONDS)' tests/run --build '$(BUILD)/fuzz' fuzz

# The report goes to build/bench/report.json. Both names run the three figures there are today.
bench bench-quick:
	@deploy/install-deps build
	@$(MAKE) $(SUB) bench-programs
	@mkdir -p '$(BUILD)/bench'
	@BUILD='$(abspath $(BUILD))' '$(BUILD)/tests/bench/quick'

# ---- care ------------------------------------------------------------------------------------------

.PHONY: lint format install uninstall clean help
lint:
	@deploy/install-deps build lint
	@tests/lint/run

format:
	@deploy/install-deps lint
	@clang-format -i $(C_FILES)

install: all
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(INCLUDEDIR)'
	install -m 755 $(BUILD)/wtd $(BUILD)/wtcli '$(DESTDIR)$(BINDIR)'
	install -m 644 $(LIBWT_A) $(LIBWT_SO) '$(DESTDIR)$(LIBDIR)'
	ln -sf libwt.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libwt.so.$(SOMAJOR)'
	ln -sf libwt.so.$(SOMAJOR) '$(DESTDIR)$(LIBDIR)/libwt.so'
	install -m 644 include/wt.h '$(DESTDIR)$(INCLUDEDIR)'
	install -m 644 $(BUILD)/wt.pc '$(DESTDIR)$(LIBDIR)/pkgconfig'
	install -d '$(DESTDIR)$(DOCDIR)' $(foreach n,1 3 5 8,'$(DESTDIR)$(MANDIR)/man$n')
	install -m 644 deploy/wtd.conf '$(DESTDIR)$(DOCDIR)'
	$(foreach n,1 3 5 8,$(if $(filter %.$n,$(MAN_PAGES)),\
	    install -m 644 $(filter %.$n,$(MAN_PAGES)) '$(DESTDIR)$(MANDIR)/man$n' &&)) :

uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/wtd' '$(DESTDIR)$(BINDIR)/wtcli' '$(DESTDIR)$(LIBDIR)/libwt.a'
	rm -f $(foreach v,.$(VERSION) .$(SOMAJOR) ,'$(DESTDIR)$(LIBDIR)/libwt.so$v') '$(DESTDIR)$(LIBDIR)/libwt.so'
	rm -f '$(DESTDIR)$(INCLUDEDIR)/wt.h' '$(DESTDIR)$(LIBDIR)/pkgconfig/wt.pc'
	rm -f $(foreach p,$(MAN_PAGES),'$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $p))/$(notdir $p)')
	rm -f '$(DESTDIR)$(DOCDIR)/wtd.conf'
	! test -d '$(DESTDIR)$(DOCDIR)' || rmdir --ignore-fail-on-non-empty '$(DESTDIR)$(DOCDIR)'

clean:
	rm -rf '$(BUILD)'

help:
	@printf '%s\n' \
	'make                    the product: wtd, wtcli, libwt, into build/' \
	'make quickstart         install what is missing, build, try it on real data (TREE=$(TREE))' \
	'make examples           the programs of client/examples' \
	'make test               unit and integration tests, the simulator and its canaries' \
	'make test-long          the same cases, much longer' \
	'make test-unit          the unit tests alone          make test-integration   the scripts alone' \
	'make test-nvme          on NVMe controllers in virtual machines; test-nvme-full: every combination' \
	'make test-asan          all of it under address and undefined-behaviour sanitizers' \
	'make test-tsan          the threaded tests under the thread sanitizer' \
	'make sim SEED=n         3,000 power cuts from one seed' \
	'make fuzz SECONDS=n     every fuzzer for n seconds, then the coverage of the parsers' \
	'make bench-quick        three figures against their peers, as ratios (make bench: the same)' \
	'make lint, make format  check the style, apply it' \
	'make install, make uninstall   DESTDIR= PREFIX=$(PREFIX)' \
	'make clean              remove $(BUILD)/' \
	'Variables: CC CFLAGS LDFLAGS WERROR BUILD V=1 (show commands)'
