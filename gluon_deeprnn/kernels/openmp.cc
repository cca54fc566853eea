// Which OpenMP runtime a loaded library calls.  Part of the library that asks for the processor, not of the kernels.
//
// Names of files do not show it: a process may have several runtimes, and which one a library calls depends on what had
// been loaded before it, and how.  The loader's own tables show it: a library's relocations name the functions that it
// calls, and where each was found.
#include <dlfcn.h>
#include <link.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace {

bool is_of_openmp(const char* symbol) {
  return !std::strncmp(symbol, "GOMP_", 5) || !std::strncmp(symbol, "omp_", 4) || !std::strncmp(symbol, "__kmpc_", 7);
}

struct Tables {
  const ElfW(Rela)* relocations[2] = {};  // of calls and of data
  size_t counts[2] = {};
  const ElfW(Sym)* symbols = nullptr;
  const char* names = nullptr;
};

Tables tables_of(const link_map& library) {
  Tables found;
  for (const ElfW(Dyn)* entry = library.l_ld; entry->d_tag != DT_NULL; ++entry) {
    const auto address = entry->d_un.d_ptr;
    switch (entry->d_tag) {
      case DT_JMPREL: found.relocations[0] = reinterpret_cast<const ElfW(Rela)*>(address); break;
      case DT_RELA: found.relocations[1] = reinterpret_cast<const ElfW(Rela)*>(address); break;
      case DT_PLTRELSZ: found.counts[0] = entry->d_un.d_val / sizeof(ElfW(Rela)); break;
      case DT_RELASZ: found.counts[1] = entry->d_un.d_val / sizeof(ElfW(Rela)); break;
      case DT_SYMTAB: found.symbols = reinterpret_cast<const ElfW(Sym)*>(address); break;
      case DT_STRTAB: found.names = reinterpret_cast<const char*>(address); break;
    }
  }
  return found;
}

}  // namespace

// The file of the OpenMP runtime that a library calls; empty where it is not loaded, calls none, or has not been bound
// to one yet.
extern "C" __attribute__((visibility("default"))) const char* gluon_deeprnn_openmp(const char* path) {
  static thread_local std::string file;
  file.clear();
  void* const handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
  link_map* library = nullptr;
  if (!handle) return file.c_str();
  if (dlinfo(handle, RTLD_DI_LINKMAP, &library) == 0) {
    const Tables tables = tables_of(*library);
    for (int kind = 0; kind < 2 && file.empty() && tables.symbols && tables.names; ++kind) {
      for (size_t i = 0; i < tables.counts[kind] && tables.relocations[kind]; ++i) {
        const ElfW(Rela)& relocation = tables.relocations[kind][i];
        const auto symbol = ELF64_R_SYM(relocation.r_info);
        if (!symbol || !is_of_openmp(tables.names + tables.symbols[symbol].st_name)) continue;
        void* const target = *reinterpret_cast<void**>(library->l_addr + relocation.r_offset);
        Dl_info found;
        // Before the first call, a call that is bound late leads into the library itself.
        if (dladdr(target, &found) && found.dli_fbase != reinterpret_cast<void*>(library->l_addr)) {
          file = found.dli_fname;
          break;
        }
      }
    }
  }
  dlclose(handle);
  return file.c_str();
}
