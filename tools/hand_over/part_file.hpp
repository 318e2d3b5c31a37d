// PartFile: a file that is being made: under a name of its own until it is whole. What is written
// is summed up on its way (XXH3-64). One thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/parquet/byte_sink.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tailrace::tool {

class PartFile final : public parquet::ByteSink {
public:
    // Makes `name` in that directory. `place` is the directory's path, for messages.
    [[nodiscard]] static Result<std::unique_ptr<PartFile>> create(int directory_fd,
                                                                  const std::string& place,
                                                                  const std::string& name);
    ~PartFile() override;
    PartFile(const PartFile&) = delete;
    PartFile& operator=(const PartFile&) = delete;

    [[nodiscard]] Result<void> write(std::span<const std::byte> bytes) override;
    // Everything is on the disk. Requires: nothing is written any more.
    [[nodiscard]] Result<void> finish();

    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    // Requires: finish().
    [[nodiscard]] const std::string& xxh3() const noexcept { return xxh3_; }

private:
    class Sum;

    PartFile(UniqueFd fd, std::string path);
    [[nodiscard]] Result<void> flush();
    [[nodiscard]] Result<void> put(std::span<const std::byte> bytes);
    [[nodiscard]] Error failed(int os_errno) const;

    UniqueFd fd_;
    std::string path_;
    std::string place_;
    std::unique_ptr<Sum> sum_;
    std::vector<std::byte> buffer_;
    std::uint64_t size_bytes_ = 0;
    std::uint64_t put_bytes_ = 0;
    std::uint64_t pushed_bytes_ = 0;  // the kernel was told to write so many
    std::string xxh3_;
};

}  // namespace tailrace::tool
