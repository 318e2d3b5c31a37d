// FileStore over the kernel's files; a FileId is a descriptor.
#pragma once

#include "storage.hpp"

namespace tailrace::journal {

class PosixFiles : public FileStore {
public:
    [[nodiscard]] IoOutcome open(const std::string& path, OpenFlags flags) noexcept override;
    void close(FileId file) noexcept override;
    [[nodiscard]] IoOutcome size_bytes(FileId file) noexcept override;
    [[nodiscard]] IoOutcome hold(FileId file, FileHold hold) noexcept override;
    [[nodiscard]] IoOutcome await_writing(FileId file) noexcept override;
    [[nodiscard]] bool is_named(FileId file, const std::string& path) noexcept override;
    [[nodiscard]] bool has_lost_name(FileId file, const std::string& path) noexcept override;
    [[nodiscard]] IoOutcome read(FileId file,
                                 std::uint64_t offset,
                                 std::span<std::byte> into) noexcept override;
    [[nodiscard]] IoOutcome write(FileId file,
                                  std::uint64_t offset,
                                  std::span<const std::byte> bytes) noexcept override;
    [[nodiscard]] IoOutcome copy_range(FileId from,
                                       FileId into,
                                       std::uint64_t offset,
                                       std::uint64_t size_bytes) noexcept override;
    [[nodiscard]] IoOutcome allocate(FileId file, std::uint64_t size_bytes) noexcept override;
    [[nodiscard]] bool overwrites_in_place(FileId file) noexcept override;
    [[nodiscard]] bool allows_size(std::uint64_t size_bytes) noexcept override;
    void deallocate(FileId file, std::uint64_t offset, std::uint64_t size_bytes) noexcept override;
    [[nodiscard]] IoOutcome sync(FileId file) noexcept override;
    void forget_cache(FileId file) noexcept override;
    void will_read(FileId file, std::uint64_t offset, std::uint64_t size_bytes) noexcept override;
    [[nodiscard]] IoOutcome cached_bytes(FileId file,
                                         std::uint64_t offset,
                                         std::uint64_t size_bytes) noexcept override;
    [[nodiscard]] IoOutcome open_past_cache(FileId file) noexcept override;
    [[nodiscard]] std::unique_ptr<ReadQueue> make_read_queue(std::size_t depth) noexcept override;
    [[nodiscard]] IoOutcome rename(const std::string& from,
                                   const std::string& to) noexcept override;
    [[nodiscard]] IoOutcome exchange(const std::string& one,
                                     const std::string& other) noexcept override;
    [[nodiscard]] IoOutcome remove(const std::string& path) noexcept override;
    [[nodiscard]] IoOutcome link(const std::string& from, const std::string& to) noexcept override;
    [[nodiscard]] IoOutcome make_directory(const std::string& path) noexcept override;
    [[nodiscard]] IoOutcome sync_directory(const std::string& directory) noexcept override;
    [[nodiscard]] IoOutcome list(const std::string& directory,
                                 std::vector<std::string>& names) noexcept override;
};

// The one that everybody shares; it has no state.
[[nodiscard]] PosixFiles& posix_files() noexcept;

class SystemTime final : public TimeSource {
public:
    [[nodiscard]] std::uint64_t wall_ns() noexcept override;
    [[nodiscard]] std::uint64_t elapsed_ns() noexcept override;
};

[[nodiscard]] SystemTime& system_time() noexcept;

}  // namespace tailrace::journal
