// ByteSink: where the bytes of a Parquet file go, in their order. One thread.
#pragma once

#include <tailrace/base/result.hpp>

#include <cstddef>
#include <span>

namespace tailrace::parquet {

class ByteSink {
public:
    ByteSink() = default;
    ByteSink(const ByteSink&) = delete;
    ByteSink& operator=(const ByteSink&) = delete;
    virtual ~ByteSink() = default;

    // All of them, or an error; after an error nothing more is written.
    [[nodiscard]] virtual Result<void> write(std::span<const std::byte> bytes) = 0;
};

}  // namespace tailrace::parquet
