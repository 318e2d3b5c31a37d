// What a handle says that was moved from, or is its parent's in a forked child. Cold.
#pragma once

#include <tailrace/base/error.hpp>

#include <string>

namespace tailrace::bus {

[[nodiscard]] inline Error dead_handle_error(const std::string& what) {
    return make_error(ErrorCode::invalid_argument,
                      "this " + what +
                          " is dead: it was moved from, or this is a forked child and it belongs "
                          "to the parent",
                      "attach in the child, after fork()");
}

}  // namespace tailrace::bus
