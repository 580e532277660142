# make demo      a shop with a program, on http://127.0.0.1:8080/
# make shop      the same in PHP, with accounts, orders and rewards
# make build     build/ngx_http_referral_module.so, build/referralctl
# make web       build/web: the pages that the module serves; needs npm
# make test      builds, then all tests
# make asan      the same tests under AddressSanitizer and UBSan
# make valgrind  the same under valgrind
# make long      the tests of the store's life at full length
# make fuzz      each fuzz target for FUZZ_TIME=60 seconds, FUZZ_JOBS=1 at once
# make bench     the benchmarks, one after the other; the first lines of each
#                name its variables
# make deb       the Debian package of all of it, build/*.deb
# make test-deb  the package in a bare Debian 12; needs root, takes minutes
# make install   the module, the snippet that loads it, referralctl, man pages;
#                DESTDIR=dir
# make clean
#
# NGX_SRC=dir    builds nginx from that source, as build/nginx, and the module
#                for it; STATIC=1: with the module in it
# TESTS=files    of make test and make asan; JOBS=n, 2: so many at a time
# FUZZ=names     of make fuzz, of t/fuzz/fuzz_NAME.c
# BENCH=names    of make bench, of t/bench/NAME
# BUILD=dir      instead of build

BUILD = build
NGX_SRC =
STATIC =
SANITIZE =
JOBS = 2

CC = gcc
CFLAGS = -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
LDFLAGS = -Wl,-z,relro -Wl,-z,now

prefix = /usr
modules_dir = $(prefix)/lib/nginx/modules
available_dir = $(prefix)/share/nginx/modules-available
enabled_dir = /etc/nginx/modules-enabled
pages_dir = $(prefix)/share/nginx-referral/web

out := $(abspath $(BUILD))
ifneq ($(NGX_SRC),)
objs := $(out)/objs$(if $(STATIC),-static)$(subst /,-,$(abspath $(NGX_SRC)))
source := $(objs)/source
nginx := $(out)/nginx
else
objs := $(out)/objs
source := /usr/share/nginx/src
nginx := /usr/sbin/nginx
endif

TEST_NGINX_BINARY ?= $(nginx)
TESTS = $(filter-out $(tools),$(unit)) $(wildcard t/*.t)
PROVE = scripts/prove --timer -It/lib -j $(JOBS)

.PHONY: build demo shop test asan long fuzz bench install clean module unit
.PHONY: fuzz-targets deb test-deb web
.PHONY: deps-build deps-test deps-web FORCE
.SECONDARY:

build: module $(out)/referralctl


# nginx part: its own Makefile knows what changed, and has its own CFLAGS.

$(objs)/Makefile: config $(objs)/sources | deps-build
	CC="$(CC)" NGX_SRC="$(abspath $(NGX_SRC))" STATIC="$(STATIC)" \
	    SANITIZE="$(SANITIZE)" scripts/configure $(objs)

$(objs)/sources: FORCE
	@mkdir -p $(@D)
	@ls lmdb-store ngx_http_referral_module | grep '[.][ch]$$' > $@.now
	@cmp -s $@ $@.now || cp $@.now $@

module: $(objs)/Makefile
	@env -u MAKEFLAGS $(MAKE) -s -j $$(nproc) --no-print-directory \
	    -C $(source) -f $(objs)/Makefile \
	    $(if $(NGX_SRC),binary) $(if $(STATIC),,modules)
	@for file in $(if $(NGX_SRC),nginx) \
	    $(if $(STATIC),,ngx_http_referral_module.so); do \
	    cmp -s $(objs)/$$file $(out)/$$file || \
	    install $(objs)/$$file $(out)/$$file || exit 1; \
	done


# The rest: the store, the pure pieces of the module, and what is made of them;
# the tools are no tests themselves, some t/*.t run them.

flags = -std=gnu11 -Wall -Wextra -Werror -pthread $(CFLAGS) $(SANITIZE) \
    -Ilmdb-store -Ingx_http_referral_module -It/unit -MMD -MP
libs = -llmdb -lcrypto -lpcre2-8 -ljansson

sources = $(wildcard lmdb-store/*.c ngx_http_referral_module/referral_*.c)
ctl = $(filter lmdb-store/referralctl%,$(sources))
ctl_objs = $(ctl:%.c=$(out)/c/%.o)
lib_objs = $(patsubst %.c,$(out)/c/%.o,$(filter-out $(ctl),$(sources)))
unit = $(patsubst t/%.c,$(out)/%,$(wildcard t/unit/*.c))
tools = $(out)/unit/store_make $(filter %_cli,$(unit))
bench = $(patsubst t/%.c,$(out)/%,$(wildcard t/bench/*.c))
bench_tools = $(filter-out %/classify,$(bench))

$(out)/c/%.o: %.c | deps-build
	@mkdir -p $(@D)
	$(CC) $(flags) -c -o $@ $<

$(out)/libreferral.a: $(lib_objs) $(objs)/sources
	@rm -f $@
	ar rcs $@ $(lib_objs)

$(out)/referralctl: $(ctl_objs) $(out)/libreferral.a
	$(CC) $(flags) $(LDFLAGS) -o $@ $^ $(libs)

$(out)/%: $(out)/c/t/%.o $(out)/libreferral.a
	@mkdir -p $(@D)
	$(CC) $(flags) $(LDFLAGS) -o $@ $^ $(libs)

# What tests put before the C library: never with a sanitizer of its own.

preloads = $(patsubst t/%.c,$(out)/%.so,$(wildcard t/preload/*.c))

$(out)/preload/%.so: t/preload/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra -Werror -O2 -g -fPIC -shared -pthread \
	    -It/preload -o $@ $<

$(preloads): $(wildcard t/preload/*.h)

# Fuzz targets: run by libFuzzer in `make fuzz`, else by t/fuzz/replay.c.

fuzzer = $(out)/c/t/fuzz/replay.o
fuzz = $(patsubst t/%.c,$(out)/%,$(wildcard t/fuzz/fuzz_*.c))
wrap = $(patsubst %,-Wl$(comma)--wrap=%,$(1))
comma = ,

$(patsubst %,$(out)/fuzz/fuzz_%,record store ndjson): \
    $(out)/c/t/fuzz/base.o $(out)/c/t/fuzz/base_read.o
$(patsubst %,$(out)/fuzz/fuzz_%,record store ndjson): \
    FUZZ_WRAP = $(call wrap,mdb_txn_begin mdb_get mdb_cursor_get \
    store_replaced)
$(out)/fuzz/fuzz_ndjson: $(patsubst %,$(out)/c/lmdb-store/referralctl_%.o, \
    import lines orders codes open progress)
$(out)/fuzz/fuzz_ndjson: FUZZ_WRAP += $(call wrap,referral_intake_put \
    referral_intake_apply)

$(out)/fuzz/%: $(out)/c/t/fuzz/%.o $(fuzzer) $(out)/libreferral.a
	@mkdir -p $(@D)
	$(CC) $(flags) $(LDFLAGS) $(FUZZ_LINK) $(FUZZ_WRAP) -o $@ \
	    $(filter %.o,$^) $(filter %.a,$^) $(libs)

fuzz-targets: $(fuzz)

# One bench makes stores for tests, too.

unit: $(unit) $(fuzz) $(preloads) $(out)/bench/sizing

-include $(shell find $(out)/c -name '*.d' 2>/dev/null)


# The pages, bundled in a copy: what npm fetches never lies in this tree.

pages = $(out)/web-src

web: $(pages)/done

$(pages)/done: $(shell find web -type f 2>/dev/null) scripts/modules \
    | deps-web
	scripts/modules web $(pages)
	@cp -a web/. $(pages)
	cd $(pages) && node build.mjs $(out)/web
	@touch $@


# Running it.

demo: build web
	@scripts/deps demo
	@BUILD=$(out) NGINX_BINARY=$(nginx) examples/demo/run

shop: build web
	@scripts/deps shop
	@BUILD=$(out) NGINX_BINARY=$(nginx) examples/shop/run

test: build unit web | deps-test
	TEST_BUILD=$(out) TEST_NGINX_BINARY=$(TEST_NGINX_BINARY) \
	    $(PROVE) $(TESTS)

# The run-time has to be in a stock nginx before the module is.

asan_flags = -fsanitize=address,undefined -fno-sanitize=nonnull-attribute \
    -fno-sanitize-recover=undefined
preload = $(shell $(CC) -print-file-name=libasan.so) \
    $(shell $(CC) -print-file-name=libubsan.so)

long: build unit | deps-test
	REFERRAL_LONG=1 TEST_BUILD=$(out) \
	    TEST_NGINX_BINARY=$(TEST_NGINX_BINARY) \
	    $(PROVE) $(addprefix $(out)/unit/,store_power store_compact \
	    store_erase_files store_fault) t/fault.t t/kill_matrix.t t/storm.t

asan: | deps-build
	$(MAKE) --no-print-directory test BUILD=$(BUILD)/asan \
	    SANITIZE="$(asan_flags)" \
	    CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	    $(if $(STATIC),,TEST_NGINX_PRELOAD="$(preload)")

# Its targets once more, by clang, whose libFuzzer it is.

FUZZ =
FUZZ_TIME = 60
FUZZ_JOBS = 1
fuzz_flags = -fsanitize=address,undefined,fuzzer-no-link \
    -fno-sanitize=nonnull-attribute -fno-sanitize-recover=undefined

fuzz:
	@scripts/deps fuzz
	$(MAKE) --no-print-directory fuzz-targets BUILD=$(BUILD)/fuzz/build \
	    CC=clang SANITIZE="$(fuzz_flags)" LDFLAGS= fuzzer= \
	    CFLAGS="-O1 -g -fno-omit-frame-pointer" FUZZ_LINK=-fsanitize=fuzzer
	@BUILD=$(out)/fuzz FUZZ_TIME=$(FUZZ_TIME) FUZZ_JOBS=$(FUZZ_JOBS) \
	    t/fuzz/run $(FUZZ)

# Not those whose point is a number of deaths in a time.

valgrind: build unit web | deps-test
	TEST_BUILD=$(out) TEST_NGINX_BINARY=$(TEST_NGINX_BINARY) \
	    $(PROVE) --exec t/valgrind.sh $(filter-out \
	    %/store_power t/kill_matrix.t t/storm.t t/fault.t,$(TESTS))

BENCH =
bench_all = $(filter-out $(bench_tools),$(bench)) \
    $(sort $(shell find t/bench -type f -perm -u+x))
bench_runs = $(if $(BENCH),$(foreach name,$(BENCH),$(or $(filter \
    %/$(name),$(bench_all)),$(error no benchmark "$(name)"))),$(bench_all))

bench: build web $(bench) $(preloads)
	@scripts/deps bench
	@for run in $(bench_runs); do \
	    echo "$$run"; \
	    BUILD=$(out) NGINX=$(nginx) $$run || exit 1; \
	done

# The pages, when there is npm, or they are there already.

ifneq ($(and $(wildcard web/*.mjs),$(shell command -v npm)),)
install: web
endif

install: build
	install -d $(DESTDIR)$(modules_dir) $(DESTDIR)$(available_dir) \
	    $(DESTDIR)$(enabled_dir) $(DESTDIR)$(prefix)/bin \
	    $(DESTDIR)$(prefix)/share/man/man7 $(DESTDIR)$(prefix)/share/man/man8
	install -m 644 $(out)/ngx_http_referral_module.so \
	    $(DESTDIR)$(modules_dir)
	echo 'load_module modules/ngx_http_referral_module.so;' \
	    > $(DESTDIR)$(available_dir)/mod-http-referral.conf
	ln -sf $(available_dir)/mod-http-referral.conf \
	    $(DESTDIR)$(enabled_dir)/50-mod-http-referral.conf
	install $(out)/referralctl $(DESTDIR)$(prefix)/bin
	install -m 644 man/*.7 $(DESTDIR)$(prefix)/share/man/man7
	install -m 644 man/*.8 $(DESTDIR)$(prefix)/share/man/man8
	@if test -d $(out)/web; then \
	    install -d $(DESTDIR)$(pages_dir) && \
	    cp -R $(out)/web/. $(DESTDIR)$(pages_dir); \
	else \
	    echo 'no pages are installed: they need npm, or make web before'; \
	fi

# The package is built of a copy, which has the pages in it: nothing is fetched
# while a package is built.

package = $(out)/deb/package

deb: web
	@scripts/deps deb
	rm -rf $(out)/deb $(out)/*.deb
	mkdir -p $(package)
	cp -a CHANGES LICENSE Makefile README.md config debian docs examples \
	    lmdb-store man ngx_http_referral_module scripts $(package)
	cp -a $(out)/web $(package)/debian
	cd $(package) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
	    dpkg-buildpackage -us -uc -b > ../build.log 2>&1 || \
	    { tail -n 40 ../build.log; exit 1; }
	cp $(out)/deb/libnginx-mod-http-referral_*.deb $(out)

test-deb:
	@scripts/deps test-deb
	$(PROVE) t/deb/package.t

clean:
	rm -rf $(out)

deps-build:
	@scripts/deps build

deps-test:
	@scripts/deps test

deps-web:
	@scripts/deps web
