#include <tailrace/base/check.hpp>
#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>

#include <cstdio>
#include <cstdlib>

namespace tailrace::detail {

void check_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "tailrace: check failed: %s (%s:%d)\n", expression, file, line);
    std::abort();
}

void event_too_small(Sequence sequence,
                     std::uint32_t size_bytes,
                     std::size_t wanted_bytes) noexcept {
    std::fprintf(stderr,
                 "tailrace: event %llu has %u bytes, and was taken for a type of %zu\n"
                 "  try: ask event.is<T>(type) before event.as<T>()\n",
                 static_cast<unsigned long long>(sequence),
                 size_bytes,
                 wanted_bytes);
    std::abort();
}

void no_value(const Error& error) noexcept {
    std::fprintf(stderr, "tailrace: %s\n", error.message.c_str());
    if (!error.hint.empty()) std::fprintf(stderr, "  try: %s\n", error.hint.c_str());
    std::abort();
}

}  // namespace tailrace::detail
