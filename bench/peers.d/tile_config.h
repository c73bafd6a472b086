// Included before every file of llama.cpp: g++ 12's own _tile_loadconfig tells the compiler that only 8 of
// the configuration's 64 bytes are read, so that the rest may never be written, and the processor faults.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#include <immintrin.h>
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg\t%0" ::"m"(*(const char(*)[64])(config)))
#endif
