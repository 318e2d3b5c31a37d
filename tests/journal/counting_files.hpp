// CountingFiles: a FileStore that notes every read on its way to another one. One thread.
#pragma once

#include "storage.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tailrace::journal {

struct NotedRead {
    std::string path;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;

    [[nodiscard]] bool is_of(const std::string& ending) const { return path.ends_with(ending); }
};

class CountingFiles final : public FileStore {
public:
    explicit CountingFiles(FileStore& files) : files_(files) {}

    std::vector<NotedRead> reads;
    [[nodiscard]] std::size_t count_of(const std::string& ending) const {
        std::size_t count = 0;
        for (const NotedRead& read : reads)
            count += read.is_of(ending) ? 1U : 0U;
        return count;
    }

    IoOutcome open(const std::string& path, OpenFlags flags) noexcept override {
        const IoOutcome outcome = files_.open(path, flags);
        if (outcome.ok()) paths_[static_cast<FileId>(outcome.value)] = path;
        return outcome;
    }
    void close(FileId file) noexcept override { files_.close(file); }
    IoOutcome size_bytes(FileId file) noexcept override { return files_.size_bytes(file); }
    IoOutcome hold(FileId file, FileHold hold) noexcept override { return files_.hold(file, hold); }
    bool is_named(FileId file, const std::string& path) noexcept override {
        return files_.is_named(file, path);
    }
    IoOutcome read(FileId file, std::uint64_t offset, std::span<std::byte> into) noexcept override {
        reads.push_back({paths_[file], offset, into.size()});
        return files_.read(file, offset, into);
    }
    IoOutcome write(FileId file,
                    std::uint64_t offset,
                    std::span<const std::byte> bytes) noexcept override {
        return files_.write(file, offset, bytes);
    }
    IoOutcome allocate(FileId file, std::uint64_t size_bytes) noexcept override {
        return files_.allocate(file, size_bytes);
    }
    void deallocate(FileId file, std::uint64_t offset, std::uint64_t size_bytes) noexcept override {
        files_.deallocate(file, offset, size_bytes);
    }
    IoOutcome sync(FileId file) noexcept override { return files_.sync(file); }
    void forget_cache(FileId file) noexcept override { files_.forget_cache(file); }
    IoOutcome rename(const std::string& from, const std::string& to) noexcept override {
        return files_.rename(from, to);
    }
    IoOutcome remove(const std::string& path) noexcept override { return files_.remove(path); }
    IoOutcome sync_directory(const std::string& directory) noexcept override {
        return files_.sync_directory(directory);
    }
    IoOutcome list(const std::string& directory,
                   std::vector<std::string>& names) noexcept override {
        return files_.list(directory, names);
    }

private:
    FileStore& files_;
    std::map<FileId, std::string> paths_;
};

}  // namespace tailrace::journal
