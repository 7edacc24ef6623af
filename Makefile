# ADDS - see README.md. `make` builds, `make check` tests, `make demo` shows.

VERSION = 1.0.0

# ---- what a user may set (here, on the command line, or in .config.mk) ----
CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
MANPREFIX ?= $(PREFIX)/share/man
CUDA ?= auto
NVCC ?= nvcc
MPI ?= 0
VARIANT ?= $(if $(filter 1,$(MPI)),mpi,release)
V ?= 0
-include .config.mk

comma := ,
ifneq ($(SAN),)
VARIANT := $(if $(filter 1,$(MPI)),mpi-)san-$(subst $(comma),-,$(SAN))
endif
BUILD = build/$(VARIANT)
Q = $(if $(filter 1,$(V)),,@)

# ---- flags that are ours ----
pkg = $(shell pkg-config $(2) $(1) 2>/dev/null || echo $(3))
PACKAGES = libzstd libcjson libjpeg libpng libwebp libwebpdemux libutf8proc libxxhash libcrypto zlib
LIB_CFLAGS := $(call pkg,$(PACKAGES),--cflags,)
LIB_LIBS := $(call pkg,$(PACKAGES),--libs,-lzstd -lcjson -ljpeg -lpng -lwebp -lwebpdemux -lutf8proc -lxxhash -lcrypto -lz)
SAN_FLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OUR_CFLAGS = -std=c11 -D_POSIX_C_SOURCE=200809L -DADDS_VERSION='"$(VERSION)"' \
	-Wall -Wextra -fopenmp -pthread -ffp-contract=off $(SAN_FLAGS) $(LIB_CFLAGS)
OUR_LIBS = $(LIB_LIBS) $(KERN_LIBS)

# ---- oneDNN: without it (a machine that only tests a GPU) all products are our own loops ----
HAVE_DNNL := $(shell $(CC) $(CPPFLAGS) $(CFLAGS) -include oneapi/dnnl/dnnl.h -E -x c /dev/null >/dev/null 2>&1 && echo 1)
OUR_CFLAGS += $(if $(HAVE_DNNL),,-DADDS_NO_DNNL)
KERN_LIBS = $(if $(HAVE_DNNL),-ldnnl) $(CUDA_LIBS) -lm -pthread

# ---- MPI: with MPI=1 adds-train runs as ranks under mpirun; nothing else is linked with it ----
ifeq ($(MPI),1)
MPI_CFLAGS := $(shell pkg-config --cflags ompi-c 2>/dev/null)
MPI_LIBS := $(shell pkg-config --libs ompi-c 2>/dev/null)
ifeq ($(MPI_LIBS)$(filter deps clean,$(MAKECMDGOALS)),)
$(error MPI=1, but Open MPI is not there: 'make deps MPI=1' installs it)
endif
endif

# ---- CUDA: auto looks for nvcc, 1 demands it, 0 never looks ----
NVCC_PATH := $(if $(filter 0,$(CUDA)),,$(shell command -v $(NVCC) 2>/dev/null))
CUDA_ON := $(if $(NVCC_PATH),1,0)
ifeq ($(CUDA)$(CUDA_ON),10)
$(error CUDA=1, but '$(NVCC)' is not there: install the CUDA toolkit or set NVCC)
endif
ifeq ($(CUDA)$(CUDA_ON),auto0)
$(info no '$(NVCC)': built without CUDA)
endif
CUDA_SRC := $(if $(NVCC_PATH),$(sort $(wildcard kernels/cuda/*.cu)))
ifneq ($(CUDA_SRC),)
# code for Hopper, Ampere and its kin, and the families behind Hopper that this nvcc knows; PTX that drivers turn into code for the rest
CUDA_HOME ?= $(patsubst %/bin/,%,$(dir $(realpath $(NVCC_PATH))))
GPU_CODES := $(filter sm_100 sm_110 sm_120,$(shell $(NVCC_PATH) --list-gpu-code 2>/dev/null))
GENCODE ?= -gencode arch=compute_90a,code=sm_90a $(foreach c,$(GPU_CODES),-gencode arch=compute_$(c:sm_%=%),code=$(c)) -gencode arch=compute_80,code=[sm_80,compute_80]
NVCC_FLAGS = -std=c++17 -O3 --extended-lambda -Xcompiler=-Wall,-Wextra,-pthread,-fno-exceptions,-fno-threadsafe-statics $(GENCODE)
# the runtime is linked in and cuBLAS opened late: the program starts where there is no driver
CUDA_LIBS = -L$(CUDA_HOME)/lib64 -lcudart_static -ldl -lrt
endif

# ---- lists: a room is a folder ----
ROOMS = stream label picture text clip pyramid metric plot decoder ridge train score
PROGRAMS = $(patsubst cmd/%.c,%,$(sort $(wildcard cmd/adds-*.c)))
STREAM_SRC = lib/fail.c $(sort $(wildcard lib/stream/*.c))
CORE_SRC = $(sort $(filter-out lib/train/ranks_$(if $(filter 1,$(MPI)),none,mpi).c,$(foreach r,$(filter-out stream,$(ROOMS)),$(wildcard lib/$(r)/*.c))))
CUDA_OBJ = $(CUDA_SRC:%.cu=$(BUILD)/%.cu.o)
KERN_SRC = $(if $(CUDA_SRC),$(filter-out kernels/nocuda.c,$(wildcard kernels/*.c)),$(wildcard kernels/*.c)) $(sort $(wildcard kernels/cpu/*.c))
# inner loops, compiled once for each instruction set
SIMD_SRC = $(sort $(wildcard kernels/cpu/simd/*.c))
X86 := $(filter x86_64%,$(shell $(CC) -dumpmachine))
SIMD = base $(if $(X86),avx2 avx512)
# whatever CFLAGS say of the machine
SIMD_FLAGS_base = $(if $(X86),-mno-avx2 -mno-avx512f)
SIMD_FLAGS_avx2 = -mavx2 -mfma -mf16c -mno-avx512f
SIMD_FLAGS_avx512 = -mavx512f -mavx512dq -mavx512vl -mavx512bw -mavx2 -mfma -mf16c -mprefer-vector-width=512 -mno-avx512bf16
$(BUILD)/kernels/cpu/simd/bf16.avx512.o: SIMD_MORE = -mavx512bf16
$(BUILD)/kernels/cpu/simd/int8.avx512.o: SIMD_MORE = -mavx512vnni
SIMD_OBJ = $(foreach s,$(SIMD),$(SIMD_SRC:%.c=$(BUILD)/%.$(s).o))
CMD_SRC = $(sort $(filter-out $(wildcard cmd/adds-*.c),$(wildcard cmd/*.c)))
UNIT_SRC = $(sort $(wildcard tests/unit/*.c))
TOOLS = $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(sort $(wildcard tests/tools/*.c)))
FUZZERS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(filter-out tests/fuzz/replay.c,$(sort $(wildcard tests/fuzz/*.c))))
BENCHES = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(sort $(wildcard tests/bench/*.c)))
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIBS = $(BUILD)/libaddscore.a $(BUILD)/libkern.a $(BUILD)/libadds.a

# ---- rules ----
all: $(PROGRAMS:%=$(BUILD)/%)

# what was given when things were built: they are built anew when it changes
stamp = mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' >$@
$(BUILD)/flags: FORCE
	@$(call stamp,$(CC) $(CFLAGS) $(CPPFLAGS) $(OUR_CFLAGS))
$(BUILD)/flags.nvcc: FORCE
	@$(call stamp,$(NVCC_FLAGS))
$(BUILD)/flags.link: FORCE
	@$(call stamp,$(LDFLAGS) $(OUR_LIBS) $(CUDA_SRC))
FORCE:

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo '  CC      $<')
	$(Q)$(CC) $(OUR_CFLAGS) $(EXTRA_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LAST_CFLAGS) -MMD -MP -c -o $@ $<
# a program that ends with an error leaves its objects to the system: LeakSanitizer finds them in main's variables only
# where the compiler keeps those to the end
LAST_CFLAGS =
$(BUILD)/cmd/%.o: LAST_CFLAGS = $(if $(SAN),-O0)

# where CLIP's vocabulary lies: the one object that an installation path goes into
DATA_CFLAGS = -DADDS_DATADIR='"$(PREFIX)/share/adds"' -DADDS_SOURCE_DATADIR='"$(CURDIR)/examples/clip"'
$(BUILD)/paths: FORCE
	@mkdir -p $(@D)
	@echo "$(PREFIX) $(CURDIR)" | cmp -s - $@ || echo "$(PREFIX) $(CURDIR)" >$@
$(BUILD)/lib/text/vocabulary.o: EXTRA_CFLAGS = $(DATA_CFLAGS)
$(BUILD)/lib/text/vocabulary.o: $(BUILD)/paths
$(BUILD)/lib/train/ranks_mpi.o: EXTRA_CFLAGS = $(MPI_CFLAGS)

define simd_rule
$(BUILD)/kernels/cpu/simd/%.$(1).o: kernels/cpu/simd/%.c $(BUILD)/flags
	@mkdir -p $$(@D)
	@$$(if $$(filter 1,$$(V)),,echo '  CC      $$< ($(1))')
	$$(Q)$$(CC) $$(OUR_CFLAGS) $$(CPPFLAGS) $$(CFLAGS) -O3 $$(SIMD_FLAGS_$(1)) $$(SIMD_MORE) -DSIMD=$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach s,$(SIMD),$(eval $(call simd_rule,$(s))))
$(BUILD)/kernels/cpu/simd.o: OUR_CFLAGS += $(if $(X86),-DADDS_X86)

$(BUILD)/libadds.a: $(call obj,$(STREAM_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/libaddscore.a: $(call obj,$(CORE_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/%.cu.o: %.cu $(BUILD)/flags.nvcc
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo '  NVCC    $<')
	$(Q)$(NVCC) $(NVCC_FLAGS) $(NVCC_EXTRA) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<
# where the processor multiplies and adds in two steps, so does the GPU
$(BUILD)/kernels/cuda/adamw.cu.o $(BUILD)/kernels/cuda/elements.cu.o: NVCC_EXTRA = -fmad=false
# flags.link says whether CUDA's objects belong into it
$(BUILD)/libkern.a: $(call obj,$(KERN_SRC)) $(SIMD_OBJ) $(CUDA_OBJ) $(BUILD)/flags.link
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

link = $(CC) $(OUR_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(OUR_LIBS) \
	$(if $(filter %/adds-train %/unit,$@),$(MPI_LIBS))
# a program takes what it needs of cmd/, and with it of the libraries
$(BUILD)/libcmd.a: $(call obj,$(CMD_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/adds-%: $(BUILD)/cmd/adds-%.o $(BUILD)/libcmd.a $(LIBS)
	@$(if $(filter 1,$(V)),,echo '  LINK    $@')
	$(Q)$(link)
$(BUILD)/suites.h: $(UNIT_SRC)
	@mkdir -p $(@D)
	@printf '%s\n' $(patsubst tests/unit/test_%.c,'SUITE(%)',$(filter tests/unit/test_%.c,$(UNIT_SRC))) >$@
$(BUILD)/tests/unit/main.o: $(BUILD)/suites.h
$(BUILD)/tests/unit/main.o: EXTRA_CFLAGS = -I$(BUILD)
$(BUILD)/unit: $(call obj,$(UNIT_SRC)) $(LIBS)
	$(Q)$(link) $$(pkg-config --libs check)
# the same over a device whose memory the host cannot touch: unit tests, and the programs that compute
FOREIGN_OBJ = $(BUILD)/tests/foreign/wrap.o $(BUILD)/tests/unit/foreign.o $(BUILD)/tests/unit/foreign_compute.o
FOREIGN = $(patsubst %,$(BUILD)/foreign/%,unit adds-encode-text adds-pyramid adds-train adds-eval)
$(BUILD)/foreign/unit: $(call obj,$(UNIT_SRC)) $(BUILD)/tests/foreign/wrap.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link) -Wl,--wrap=cpu_open $$(pkg-config --libs check)
$(BUILD)/foreign/adds-%: $(BUILD)/cmd/adds-%.o $(call obj,$(CMD_SRC)) $(FOREIGN_OBJ) $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link) -Wl,--wrap=cpu_open
# the programs with allocations that fail, one after the other
ALLOC = $(PROGRAMS:%=$(BUILD)/alloc/%)
ALLOC_WRAP = -Wl,--wrap=main,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=posix_memalign
$(BUILD)/alloc/adds-%: $(BUILD)/cmd/adds-%.o $(call obj,$(CMD_SRC)) $(BUILD)/tests/alloc/wrap.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link) $(ALLOC_WRAP)
# the programs with calls of the system that fail, or before which they are killed, one after the other
FAULTS = $(PROGRAMS:%=$(BUILD)/faults/%)
FAULTS_WRAP = $(addprefix -Wl$(comma)--wrap=,open mkstemp close write pwrite read pread fsync ftruncate truncate rename linkat symlink \
	mkdir unlink rmdir readdir fopen fdopen)
$(BUILD)/faults/adds-%: $(BUILD)/cmd/adds-%.o $(call obj,$(CMD_SRC)) $(BUILD)/tests/faults/wrap.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link) $(FAULTS_WRAP)
$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link)
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link)
$(BUILD)/libfuzzer/%: $(BUILD)/tests/fuzz/%.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link) -fsanitize=fuzzer
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(link)

# ---- the conformance suite of the kernels: needs a compiler, and oneDNN or nvcc where they are ----
DEVICE_SRC = $(sort $(wildcard tests/device/*.c))
kernel_link = $(CC) $(OUR_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(KERN_LIBS)
$(BUILD)/device: $(call obj,$(DEVICE_SRC)) $(BUILD)/libkern.a $(BUILD)/lib/fail.o
	$(Q)$(kernel_link)
$(BUILD)/bench/kernels: $(BUILD)/tests/bench/kernels.o $(BUILD)/libkern.a $(BUILD)/lib/fail.o
	@mkdir -p $(@D)
	$(Q)$(kernel_link)
# of lib only what computes, which needs no library
TOWER_SRC = lib/clip/image_tower.c lib/clip/blocks.c lib/clip/lanes.c
$(BUILD)/bench/tower: $(BUILD)/tests/bench/tower.o $(call obj,$(TOWER_SRC)) $(BUILD)/libkern.a $(BUILD)/lib/fail.o
	@mkdir -p $(@D)
	$(Q)$(kernel_link)
DECODER_SRC = $(filter-out lib/decoder/checkpoint.c lib/decoder/gate.c lib/decoder/zeroshot.c,$(wildcard lib/decoder/*.c))
$(BUILD)/bench/decoder: $(BUILD)/tests/bench/decoder.o $(call obj,$(DECODER_SRC)) $(BUILD)/libkern.a $(BUILD)/lib/fail.o
	@mkdir -p $(@D)
	$(Q)$(kernel_link)
# the same kernels, compiled for the processor: threads of a block are fibers, cuBLASLt is loops (tests/emulated)
CXX ?= c++
EMULATED_ON := $(if $(X86),$(shell command -v $(CXX) 2>/dev/null))
EMULATED_SRC = $(sort $(wildcard kernels/cuda/*.cu)) $(sort $(wildcard tests/emulated/*.cc))
EMULATED_OBJ = $(EMULATED_SRC:%=$(BUILD)/emulated/%.o)
EMULATED_FLAGS = -std=c++17 -Itests/emulated -Wall -Wextra -pthread -ffp-contract=off -fno-exceptions $(SAN_FLAGS)
EMULATED = $(if $(EMULATED_ON),$(patsubst %,$(BUILD)/emulated/%,device adds-pyramid adds-train adds-eval))
$(BUILD)/emulated/%.o: % $(BUILD)/flags
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo '  CXX     $<')
	$(Q)$(CXX) $(EMULATED_FLAGS) $(CFLAGS) -MMD -MP -c -o $@ -x c++ $<
$(BUILD)/emulated/device: $(call obj,$(DEVICE_SRC)) $(EMULATED_OBJ) $(BUILD)/libkern.a $(BUILD)/lib/fail.o
	@mkdir -p $(@D)
	$(Q)$(CXX) -fopenmp $(SAN_FLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(KERN_LIBS) -Wl,--wrap=dlopen,--wrap=dlsym,--wrap=dlclose
$(BUILD)/emulated/adds-%: $(BUILD)/cmd/adds-%.o $(BUILD)/libcmd.a $(EMULATED_OBJ) $(LIBS)
	@mkdir -p $(@D)
	$(Q)$(CXX) -fopenmp $(SAN_FLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(OUR_LIBS) -Wl,--wrap=dlopen,--wrap=dlsym,--wrap=dlclose
check-device: $(BUILD)/device
	$(BUILD)/device
# the suite under NVIDIA's checkers; without a GPU it says SKIP, with ADDS_REQUIRE=cuda it fails
SANITIZER ?= $(firstword $(shell command -v compute-sanitizer 2>/dev/null) $(wildcard $(CUDA_HOME)/bin/compute-sanitizer))
check-device-sanitize: $(BUILD)/device
	@BUILD='$(BUILD)' SANITIZER='$(SANITIZER)' sh tests/device/sanitize
DEVICE ?= auto
bench-device: $(BUILD)/bench/kernels $(BUILD)/bench/tower $(BUILD)/bench/decoder
	$(BUILD)/bench/kernels $(DEVICE) 0 bf16
	$(BUILD)/bench/tower $(DEVICE)
	$(BUILD)/bench/decoder $(DEVICE) 0 bf16 80 1285 768 64

# ---- check ----
check: all $(BUILD)/device $(EMULATED) $(BUILD)/unit $(FOREIGN) $(ALLOC) $(FAULTS) $(TOOLS) $(FUZZERS)
	@BUILD='$(CURDIR)/$(BUILD)' sh tests/run
# FUZZ_SECONDS for each target of FUZZ (all of them), with clang's fuzzer where it is there; finds are kept in build/finds
FUZZ_SECONDS ?= 60
fuzz:
	@MAKE='$(MAKE)' FUZZ_SECONDS='$(FUZZ_SECONDS)' sh tests/fuzz/run $(FUZZ)
bench: all $(BENCHES) $(TOOLS)
	@BUILD='$(CURDIR)/$(BUILD)' sh tests/bench/run
figures: all $(TOOLS)
	@BUILD='$(CURDIR)/$(BUILD)' sh tests/figures/run

# ---- a fresh machine ----
DEPS = gcc g++ libc6-dev make pkg-config libzstd-dev libcjson-dev libjpeg-dev libpng-dev libwebp-dev libutf8proc-dev \
	libxxhash-dev libssl-dev zlib1g-dev libdnnl-dev check mandoc zstd $(if $(filter 1,$(MPI)),openmpi-bin libopenmpi-dev) $(EXTRA_DEPS)
deps:
	@missing=; for p in $(DEPS); do \
		dpkg-query -W -f='$${Status}\n' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null; then as=sudo; \
	else echo "as root, run: apt-get install$$missing"; exit 1; fi; \
	echo "installing$$missing"; \
	$$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends $$missing >/dev/null
# small pictures, for which a GPU need not be waited for, nor its compiler
demo: deps
	@$(MAKE) --no-print-directory -s -j2 CUDA=0 all
	@BUILD='$(CURDIR)/$(BUILD)' sh examples/demo.sh

# ---- install ----
MAN1 = $(sort $(wildcard man/*.1))
MAN5 = $(sort $(wildcard man/*.5))
MAN7 = $(sort $(wildcard man/*.7))
install: all
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/lib/pkgconfig' '$(DESTDIR)$(PREFIX)/include' \
		'$(DESTDIR)$(PREFIX)/share/adds' '$(DESTDIR)$(MANPREFIX)/man1' '$(DESTDIR)$(MANPREFIX)/man5' '$(DESTDIR)$(MANPREFIX)/man7'
	install -m 755 $(PROGRAMS:%=$(BUILD)/%) '$(DESTDIR)$(PREFIX)/bin'
	install -m 644 $(BUILD)/libadds.a '$(DESTDIR)$(PREFIX)/lib'
	install -m 644 lib/adds.h '$(DESTDIR)$(PREFIX)/include'
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' lib/adds.pc.in >'$(DESTDIR)$(PREFIX)/lib/pkgconfig/adds.pc'
	install -m 644 examples/clip/bpe_simple_vocab_16e6.txt.gz '$(DESTDIR)$(PREFIX)/share/adds'
	install -m 644 $(MAN1) '$(DESTDIR)$(MANPREFIX)/man1'
	install -m 644 $(MAN5) '$(DESTDIR)$(MANPREFIX)/man5'
	install -m 644 $(MAN7) '$(DESTDIR)$(MANPREFIX)/man7'
uninstall:
	rm -f $(PROGRAMS:%='$(DESTDIR)$(PREFIX)/bin/%') '$(DESTDIR)$(PREFIX)/lib/libadds.a' '$(DESTDIR)$(PREFIX)/include/adds.h' \
		'$(DESTDIR)$(PREFIX)/lib/pkgconfig/adds.pc' '$(DESTDIR)$(PREFIX)/share/adds/bpe_simple_vocab_16e6.txt.gz' \
		$(MAN1:man/%='$(DESTDIR)$(MANPREFIX)/man1/%') $(MAN5:man/%='$(DESTDIR)$(MANPREFIX)/man5/%') \
		$(MAN7:man/%='$(DESTDIR)$(MANPREFIX)/man7/%')
	-rmdir '$(DESTDIR)$(PREFIX)/share/adds' 2>/dev/null
dist:
	git archive --prefix=adds-$(VERSION)/ -o adds-$(VERSION).tar.gz HEAD
clean:
	rm -rf build

.PHONY: all check fuzz check-device check-device-sanitize bench-device bench figures deps demo install uninstall dist clean FORCE
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
