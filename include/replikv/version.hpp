// The library's version; CMakeLists.txt reads it from here. The inline namespace v0_1 follows major
// and minor, so that two versions in one program fail to link instead of misbehaving.
#pragma once

namespace replikv::inline v0_1 {

inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;

}  // namespace replikv::inline v0_1
