// MeddledFiles: the kernel's files, with somebody who acts between the calls, or a kernel that
// refuses one.
#pragma once

#include "posix_files.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::journal {

class MeddledFiles final : public PosixFiles {
public:
    std::function<void(const std::string& path)> before_open;
    std::function<void()> before_hold;
    std::function<void()> before_await;
    std::function<void(std::vector<std::string>& names)> after_list;
    // An errno refuses; 0 lets it happen.
    std::function<int(const std::string& from, const std::string& to)> refuse_rename;
    std::function<int(const std::string& path)> refuse_remove;

    IoOutcome open(const std::string& path, OpenFlags flags) noexcept override {
        if (before_open) before_open(path);
        return PosixFiles::open(path, flags);
    }
    IoOutcome hold(FileId file, FileHold hold) noexcept override {
        if (before_hold) before_hold();
        return PosixFiles::hold(file, hold);
    }
    // Blocks of 4 KiB that can't be read, of the file that has the name now.
    void lose_block(const std::string& path, std::uint64_t offset) {
        struct stat status {};
        if (::stat(path.c_str(), &status) == 0) bad_blocks_.insert({status.st_ino, offset / 4096});
    }
    IoOutcome read(FileId file, std::uint64_t offset, std::span<std::byte> into) noexcept override {
        struct stat status {};
        (void)::fstat(file, &status);
        for (std::uint64_t at = offset / 4096; at * 4096 < offset + into.size(); ++at) {
            if (!bad_blocks_.contains({status.st_ino, at})) continue;
            const std::uint64_t before = at * 4096 > offset ? at * 4096 - offset : 0;
            IoOutcome outcome = PosixFiles::read(file, offset, into.first(before));
            if (outcome.value == before) outcome.os_errno = EIO;
            if (reads_all_or_nothing) outcome.value = 0;
            return outcome;
        }
        return PosixFiles::read(file, offset, into);
    }
    bool reads_all_or_nothing = false;  // as unbuffered reads do
    IoOutcome await_writing(FileId file) noexcept override {
        if (before_await) std::exchange(before_await, nullptr)();
        return PosixFiles::await_writing(file);
    }
    IoOutcome list(const std::string& directory,
                   std::vector<std::string>& names) noexcept override {
        const IoOutcome outcome = PosixFiles::list(directory, names);
        if (after_list) after_list(names);
        return outcome;
    }
    IoOutcome rename(const std::string& from, const std::string& to) noexcept override {
        const int refusal = refuse_rename ? refuse_rename(from, to) : 0;
        return refusal != 0 ? IoOutcome{0, refusal} : PosixFiles::rename(from, to);
    }
    IoOutcome remove(const std::string& path) noexcept override {
        const int refusal = refuse_remove ? refuse_remove(path) : 0;
        return refusal != 0 ? IoOutcome{0, refusal} : PosixFiles::remove(path);
    }

private:
    std::set<std::pair<ino_t, std::uint64_t>> bad_blocks_;
};

}  // namespace tailrace::journal
