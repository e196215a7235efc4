#include <cstdlib>
#include <malloc.h>
#include <new>
#include <tests/fuzz/heap.hpp>

namespace {

// Targets have one thread.
std::size_t held = 0;
std::size_t peak = 0;

void* allocate(std::size_t size) noexcept {
  void* const memory = std::malloc(size != 0 ? size : 1);
  if (memory == nullptr) return nullptr;
  held += malloc_usable_size(memory);
  if (held > peak) peak = held;
  return memory;
}

void* allocate_or_throw(std::size_t size) {
  void* const memory = allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  held -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }

namespace fuzz {

HeapWatch::HeapWatch() noexcept : before_(held) { peak = held; }

std::size_t HeapWatch::peak_bytes() const noexcept { return peak - before_; }

}  // namespace fuzz
