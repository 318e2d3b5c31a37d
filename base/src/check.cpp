#include <tailrace/base/check.hpp>

#include <cstdio>
#include <cstdlib>

namespace tailrace::detail {

void check_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "tailrace: check failed: %s (%s:%d)\n", expression, file, line);
    std::abort();
}

}  // namespace tailrace::detail
