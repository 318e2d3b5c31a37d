#include <tailrace/base/checksum.hpp>

#include <xxhash.h>

namespace tailrace {

std::uint64_t checksum64(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace tailrace
