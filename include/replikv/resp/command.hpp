// A command as everyone hands it around: its name and arguments, borrowed from wherever the bytes are.
#pragma once

#include <span>
#include <string_view>

namespace replikv::inline v0_1::resp {

/// The command's name and its arguments; the bytes belong to somebody else.
using Arguments = std::span<const std::string_view>;

}  // namespace replikv::inline v0_1::resp
