// Which processor this is, and which of our libraries it can run, asked of the processor itself: in an emulator or a
// container, files such as /proc/cpuinfo may describe another one.  Compiled with openmp.cc for any processor, as a library of
// its own.
#include <cstdio>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace {

char text[256];

#if defined(__x86_64__)
// Name, signature and the features that matter.  __builtin_cpu_supports also asks whether the system saves the wider
// registers when it changes between processes.
void describe() {
  unsigned words[13] = {}, signature = 0, ignored;
  for (unsigned leaf = 0; leaf < 3; ++leaf)
    __get_cpuid(0x80000002 + leaf, &words[4 * leaf], &words[4 * leaf + 1], &words[4 * leaf + 2], &words[4 * leaf + 3]);
  __get_cpuid(1, &signature, &ignored, &ignored, &ignored);
  const char* name = reinterpret_cast<const char*>(words);
  name += std::strspn(name, " ");
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  std::snprintf(text, sizeof text, "%s (%x)\n%s%s", name, signature, avx512 ? "avx512 " : "", avx2 ? "avx2" : "");
}
#elif defined(__aarch64__)
// Every one has NEON.  Where the kernel lets programs read its identification, it is part of the name.
void describe() {
  unsigned long identification = 0;
  if (getauxval(AT_HWCAP) & (1 << 11)) asm("mrs %0, MIDR_EL1" : "=r"(identification));  // HWCAP_CPUID
  std::snprintf(text, sizeof text, "aarch64 (%lx, %lx)\nneon", identification, getauxval(AT_HWCAP));
}
#else
void describe() { std::snprintf(text, sizeof text, "unknown\n"); }
#endif

}  // namespace

// The processor's name, a line end, and the libraries that it can run, the fastest first, with blanks between.
extern "C" __attribute__((visibility("default"))) const char* gluon_deeprnn_processor() {
  describe();
  return text;
}
