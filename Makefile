# ADDS - see README.md. `make` builds, `make check` tests, `make demo` shows.

VERSION = 1.0.0

# ---- what a user may set (here, on the command line, or in .config.mk) ----
CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
MANPREFIX ?= $(PREFIX)/share/man
CUDA ?= auto
NVCC ?= nvcc
VARIANT ?= release
V ?= 0
-include .config.mk

comma := ,
ifneq ($(SAN),)
VARIANT := san-$(subst $(comma),-,$(SAN))
endif
BUILD = build/$(VARIANT)
Q = $(if $(filter 1,$(V)),,@)

# ---- flags that are ours ----
pkg = $(shell pkg-config $(2) $(1) 2>/dev/null || echo $(3))
PACKAGES = libzstd libcjson libjpeg libpng libwebp libwebpdemux libutf8proc libxxhash libcrypto zlib
LIB_CFLAGS := $(call pkg,$(PACKAGES),--cflags,)
LIB_LIBS := $(call pkg,$(PACKAGES),--libs,-lzstd -lcjson -ljpeg -lpng -lwebp -lwebpdemux -lutf8proc -lxxhash -lcrypto -lz)
SAN_FLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OUR_CFLAGS = -std=c11 -D_POSIX_C_SOURCE=200809L -DADDS_VERSION='"$(VERSION)"' -DADDS_DATADIR='"$(PREFIX)/share/adds"' \
	-DADDS_SOURCE_DATADIR='"$(CURDIR)/examples/clip"' -Wall -Wextra -fopenmp -pthread -ffp-contract=off $(SAN_FLAGS) $(LIB_CFLAGS)
OUR_LIBS = $(LIB_LIBS) -ldnnl -lm -pthread

# ---- CUDA: auto looks for nvcc, 1 demands it, 0 never looks ----
CUDA_ON := $(if $(filter 0,$(CUDA)),0,$(if $(shell command -v $(NVCC) 2>/dev/null),1,0))
ifeq ($(CUDA)$(CUDA_ON),10)
$(error CUDA=1, but '$(NVCC)' is not there: install the CUDA toolkit or set NVCC)
endif

# ---- lists: a room is a folder ----
ROOMS = stream label picture text clip pyramid decoder ridge train score
PROGRAMS = $(patsubst cmd/%.c,%,$(sort $(wildcard cmd/adds-*.c)))
STREAM_SRC = lib/fail.c $(sort $(wildcard lib/stream/*.c))
CORE_SRC = $(sort $(foreach r,$(filter-out stream,$(ROOMS)),$(wildcard lib/$(r)/*.c)))
CUDA_SRC = $(if $(filter 1,$(CUDA_ON)),$(sort $(wildcard kernels/cuda/*.cu)))
KERN_SRC = $(if $(CUDA_SRC),$(filter-out kernels/nocuda.c,$(wildcard kernels/*.c)),$(wildcard kernels/*.c)) $(sort $(wildcard kernels/cpu/*.c))
CMD_SRC = $(sort $(filter-out $(wildcard cmd/adds-*.c),$(wildcard cmd/*.c)))
UNIT_SRC = $(sort $(wildcard tests/unit/*.c))
TOOLS = $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(sort $(wildcard tests/tools/*.c)))
FUZZERS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(filter-out tests/fuzz/replay.c,$(sort $(wildcard tests/fuzz/*.c))))
BENCHES = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(sort $(wildcard tests/bench/*.c)))
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIBS = $(BUILD)/libaddscore.a $(BUILD)/libkern.a $(BUILD)/libadds.a

# ---- rules ----
all: $(PROGRAMS:%=$(BUILD)/%)

$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(OUR_CFLAGS) $(OUR_LIBS) CUDA=$(CUDA_ON)' | cmp -s - $@ || \
	 echo '$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(OUR_CFLAGS) $(OUR_LIBS) CUDA=$(CUDA_ON)' >$@
FORCE:

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo '  CC      $<')
	$(Q)$(CC) $(OUR_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libadds.a: $(call obj,$(STREAM_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/libaddscore.a: $(call obj,$(CORE_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/libkern.a: $(call obj,$(KERN_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^

link = $(CC) $(OUR_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(OUR_LIBS)
$(BUILD)/adds-%: $(BUILD)/cmd/adds-%.o $(call obj,$(CMD_SRC)) $(LIBS)
	@$(if $(filter 1,$(V)),,echo '  LINK    $@')
	$(Q)$(link)
$(BUILD)/suites.h: $(UNIT_SRC)
	@mkdir -p $(@D)
	@printf '%s\n' $(patsubst tests/unit/test_%.c,'SUITE(%)',$(filter tests/unit/test_%.c,$(UNIT_SRC))) >$@
$(BUILD)/tests/unit/main.o: $(BUILD)/suites.h
$(BUILD)/tests/unit/main.o: OUR_CFLAGS += -I$(BUILD)
$(BUILD)/unit: $(call obj,$(UNIT_SRC)) $(LIBS)
	$(Q)$(link) $$(pkg-config --libs check)
$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link)
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link)
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link)

# ---- check ----
check: all $(BUILD)/unit $(TOOLS) $(FUZZERS)
	@BUILD='$(CURDIR)/$(BUILD)' sh tests/run

clean:
	rm -rf build

.PHONY: all check clean FORCE
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
