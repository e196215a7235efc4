// Asking for memory ahead of its use.
#pragma once

namespace replikv::inline v0_1::detail {

/// Has the cache line at `address` brought near; any address will do.
inline void prefetch(const void* address) noexcept {
  __builtin_prefetch(address);
  // Without this, GCC takes a function that does nothing but prefetch for one without effect, and drops the
  // calls.
  asm volatile("" : : "r"(address));
}

}  // namespace replikv::inline v0_1::detail
