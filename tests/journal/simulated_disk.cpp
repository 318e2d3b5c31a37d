#include "simulated_disk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tailrace::journal {

SimulatedDisk::SimulatedDisk(std::uint64_t seed) : random_(seed) {}

std::uint64_t SimulatedDisk::random_below(std::uint64_t bound) {
    return bound == 0 ? 0 : random_() % bound;
}

bool SimulatedDisk::happens(unsigned in_thousand) {
    if (in_thousand == 0 || random_below(1000) >= in_thousand) return false;
    ++injected_faults_;
    return true;
}

bool SimulatedDisk::is_dead() {
    if (stopped_) return true;
    if (stop_after_ > 0 && --stop_after_ == 0) stopped_ = true;
    return stopped_;
}

SimulatedDisk::Inode* SimulatedDisk::inode_of(FileId file) {
    const auto found = open_.find(file);
    return found == open_.end() ? nullptr : found->second.get();
}

std::uint64_t SimulatedDisk::allocated_bytes() const {
    std::uint64_t total = 0;
    for (const auto& [path, inode] : names_)
        total += inode->allocated_bytes;
    return total;
}

void SimulatedDisk::apply(std::vector<std::byte>& content, const Write& write) const {
    const std::uint64_t end = write.offset + write.bytes.size();
    if (content.size() < end) content.resize(end);
    std::copy(write.bytes.begin(),
              write.bytes.end(),
              content.begin() + static_cast<std::ptrdiff_t>(write.offset));
}

void SimulatedDisk::apply_in_part(std::vector<std::byte>& content, const Write& write) {
    const std::uint64_t kind = random_below(4);
    if (kind == 0) return;
    if (kind == 1) return apply(content, write);
    const std::uint64_t end = write.offset + write.bytes.size();
    if (content.size() < end) content.resize(end);
    for (std::uint64_t at = 0; at < write.bytes.size(); at += faults.sector_bytes) {
        if (random_below(2) == 0) continue;
        const std::uint64_t size =
            std::min<std::uint64_t>(faults.sector_bytes, write.bytes.size() - at);
        std::memcpy(content.data() + write.offset + at, write.bytes.data() + at, size);
    }
}

void SimulatedDisk::apply_name(Names& names, const NameChange& change) const {
    if (!change.from.empty()) names.erase(change.from);
    if (!change.to.empty()) names[change.to] = change.inode;
}

void SimulatedDisk::flush(Inode& inode, std::size_t count) {
    if (inode.stable.size() < inode.visible.size()) inode.stable.resize(inode.visible.size());
    for (std::size_t i = 0; i < count; ++i)
        apply(inode.stable, inode.unflushed[i]);
    inode.unflushed.erase(inode.unflushed.begin(),
                          inode.unflushed.begin() + static_cast<std::ptrdiff_t>(count));
}

void SimulatedDisk::power_on(Survival survival) {
    for (Operation& operation : in_flight_) {
        if (!operation.is_flush) operation.inode->unflushed.push_back(std::move(operation.write));
    }
    in_flight_.clear();
    // Names survive in the order of their changes, as a journaling file system keeps them.
    const std::uint64_t kept = survival == Survival::nothing ? 0
                               : survival == Survival::everything
                                   ? unflushed_names_.size()
                                   : random_below(unflushed_names_.size() + 1);
    for (std::uint64_t i = 0; i < kept; ++i)
        apply_name(stable_names_, unflushed_names_[i]);
    unflushed_names_.clear();
    names_ = stable_names_;
    for (const auto& [path, inode] : names_) {
        std::shuffle(inode->unflushed.begin(), inode->unflushed.end(), random_);
        for (const Write& write : inode->unflushed) {
            if (survival == Survival::everything) apply(inode->stable, write);
            if (survival == Survival::some) apply_in_part(inode->stable, write);
        }
        inode->unflushed.clear();
        inode->visible = inode->stable;
        inode->flush_failed = false;
    }
    open_.clear();
    holds_.clear();
    stopped_ = false;
    stop_after_ = 0;
}

void SimulatedDisk::kill_process() {
    for (Operation& operation : in_flight_) {
        if (operation.is_flush || random_below(2) == 0) continue;
        apply(operation.inode->visible, operation.write);
        operation.inode->unflushed.push_back(std::move(operation.write));
    }
    in_flight_.clear();
    for (const auto& [path, inode] : names_)
        inode->flush_failed = false;  // another descriptor from now on
    open_.clear();
    holds_.clear();
    stopped_ = false;
    stop_after_ = 0;
}

void SimulatedDisk::settle() {
    for (const auto& [path, inode] : names_) {
        inode->stable = inode->visible;
        inode->unflushed.clear();
    }
    stable_names_ = names_;
    unflushed_names_.clear();
}

std::vector<std::byte>& SimulatedDisk::content(const std::string& path) {
    return names_.at(path)->visible;
}

std::vector<std::string> SimulatedDisk::paths() const {
    std::vector<std::string> found;
    for (const auto& [path, inode] : names_)
        found.push_back(path);
    return found;
}

IoOutcome SimulatedDisk::open(const std::string& path, OpenFlags flags) noexcept {
    if (is_dead()) return {0, EIO};
    auto found = names_.find(path);
    if (found == names_.end()) {
        if (!flags.create) return {0, ENOENT};
        const NameChange change{"", path, std::make_shared<Inode>()};
        apply_name(names_, change);
        unflushed_names_.push_back(change);
        found = names_.find(path);
    } else if (flags.create) {
        found->second->visible.clear();
        found->second->stable.clear();
        found->second->unflushed.clear();
        found->second->allocated_bytes = 0;
    }
    open_[next_file_] = found->second;
    return {static_cast<std::uint64_t>(next_file_++), 0};
}

void SimulatedDisk::close(FileId file) noexcept {
    open_.erase(file);
    holds_.erase(file);
}

IoOutcome SimulatedDisk::size_bytes(FileId file) noexcept {
    if (is_dead()) return {0, EIO};
    return {inode_of(file)->visible.size(), 0};
}

IoOutcome SimulatedDisk::hold(FileId file, FileHold hold) noexcept {
    if (is_dead()) return {0, EIO};
    if (hold == FileHold::none) {
        holds_.erase(file);
        return {0, 0};
    }
    for (const auto& [other, theirs] : holds_) {
        const bool same = other != file && open_.contains(other) && open_[other] == open_[file];
        if (same && (hold == FileHold::alone || theirs == FileHold::alone)) return {0, EAGAIN};
    }
    holds_[file] = hold;
    return {0, 0};
}

bool SimulatedDisk::is_named(FileId file, const std::string& path) noexcept {
    const auto found = names_.find(path);
    return found != names_.end() && found->second.get() == inode_of(file);
}

IoOutcome SimulatedDisk::read(FileId file,
                              std::uint64_t offset,
                              std::span<std::byte> into) noexcept {
    if (is_dead()) return {0, EIO};
    const auto& content = inode_of(file)->visible;
    if (offset >= content.size()) return {0, 0};
    const std::uint64_t size = std::min<std::uint64_t>(into.size(), content.size() - offset);
    std::memcpy(into.data(), content.data() + offset, size);
    return {size, 0};
}

IoOutcome SimulatedDisk::write(FileId file,
                               std::uint64_t offset,
                               std::span<const std::byte> bytes) noexcept {
    Inode* const inode = inode_of(file);
    if (inode == nullptr) return {0, EIO};
    const Write write{offset, {bytes.begin(), bytes.end()}};
    const bool was_stopped = stopped_;
    if (is_dead()) {
        // The write in whose middle the machine stopped may have reached the disk in part.
        if (!was_stopped) inode->unflushed.push_back(write);
        return {0, EIO};
    }
    apply(inode->visible, write);
    inode->unflushed.push_back(write);
    return {bytes.size(), 0};
}

IoOutcome SimulatedDisk::allocate(FileId file, std::uint64_t size_bytes) noexcept {
    if (is_dead()) return {0, EIO};
    Inode& inode = *inode_of(file);
    if (allocated_bytes() - inode.allocated_bytes + size_bytes > faults.capacity_bytes) {
        ++injected_faults_;
        return {0, ENOSPC};
    }
    inode.allocated_bytes = size_bytes;
    if (inode.visible.size() < size_bytes) inode.visible.resize(size_bytes);
    return {0, 0};
}

void SimulatedDisk::deallocate(FileId file,
                               std::uint64_t offset,
                               std::uint64_t size_bytes) noexcept {
    if (is_dead()) return;
    Inode& inode = *inode_of(file);
    const std::uint64_t end = std::min<std::uint64_t>(offset + size_bytes, inode.visible.size());
    const Write zeroes{offset, std::vector<std::byte>(end - offset)};
    apply(inode.visible, zeroes);
    inode.unflushed.push_back(zeroes);
}

IoOutcome SimulatedDisk::sync(FileId file) noexcept {
    if (is_dead()) return {0, EIO};
    Inode& inode = *inode_of(file);
    if (inode.flush_failed) ++flushes_after_failed_flush_;
    flush(inode, inode.unflushed.size());
    return {0, 0};
}

// What a failed flush left in the cache counts as clean, but the device never got it.
void SimulatedDisk::forget_cache(FileId file) noexcept {
    Inode* const inode = inode_of(file);
    if (inode != nullptr && inode->unflushed.empty()) inode->visible = inode->stable;
}

IoOutcome SimulatedDisk::rename(const std::string& from, const std::string& to) noexcept {
    if (is_dead()) return {0, EIO};
    const auto found = names_.find(from);
    if (found == names_.end()) return {0, ENOENT};
    const NameChange change{from, to, found->second};
    apply_name(names_, change);
    unflushed_names_.push_back(change);
    return {0, 0};
}

IoOutcome SimulatedDisk::remove(const std::string& path) noexcept {
    if (is_dead()) return {0, EIO};
    if (!names_.contains(path)) return {0, ENOENT};
    const NameChange change{path, "", nullptr};
    apply_name(names_, change);
    unflushed_names_.push_back(change);
    return {0, 0};
}

IoOutcome SimulatedDisk::sync_directory(const std::string& /*directory*/) noexcept {
    if (is_dead()) return {0, EIO};
    for (const NameChange& change : unflushed_names_)
        apply_name(stable_names_, change);
    unflushed_names_.clear();
    return {0, 0};
}

IoOutcome SimulatedDisk::list(const std::string& directory,
                              std::vector<std::string>& names) noexcept {
    if (is_dead()) return {0, EIO};
    names.clear();
    for (const auto& [path, inode] : names_) {
        if (path.starts_with(directory + "/")) names.push_back(path.substr(directory.size() + 1));
    }
    return {0, 0};
}

bool SimulatedDisk::submit_write(FileId file,
                                 std::uint64_t offset,
                                 std::span<const std::byte> bytes,
                                 std::uint64_t tag) noexcept {
    in_flight_.push_back(
        {false, false, open_.at(file), {offset, {bytes.begin(), bytes.end()}}, tag, 0});
    return true;
}

bool SimulatedDisk::submit_durable_write(DurableWrite /*kind*/,
                                         FileId file,
                                         std::uint64_t offset,
                                         std::span<const std::byte> bytes,
                                         std::uint64_t tag) noexcept {
    const auto& inode = open_.at(file);
    if (inode->flush_failed) ++flushes_after_failed_flush_;
    in_flight_.push_back({false, true, inode, {offset, {bytes.begin(), bytes.end()}}, tag, 0});
    return true;
}

std::span<const DurableWrite> SimulatedDisk::durable_writes() const noexcept {
    static constexpr std::array<DurableWrite, 1> kKinds = {DurableWrite::linked_flush};
    return kKinds;
}

bool SimulatedDisk::submit_flush(FileId file, std::uint64_t tag) noexcept {
    const auto& inode = open_.at(file);
    if (inode->flush_failed) ++flushes_after_failed_flush_;
    in_flight_.push_back({true, false, inode, {}, tag, inode->unflushed.size()});
    return true;
}

Completion SimulatedDisk::finish(Operation operation) {
    Inode& inode = *operation.inode;
    if (operation.is_flush) {
        if (happens(faults.again)) return {operation.tag, -EAGAIN, 0};
        if (happens(faults.flush_error)) {
            // As file systems do it: the error is told once, and what could not be kept counts as
            // clean from then on.
            inode.unflushed.clear();
            inode.flush_failed = true;
            return {operation.tag, -faults.error, 0};
        }
        flush(inode, std::min(operation.covered, inode.unflushed.size()));
        return {operation.tag, 0, 0};
    }
    return finish_write(std::move(operation));
}

Completion SimulatedDisk::finish_write(Operation operation) {
    Inode& inode = *operation.inode;
    if (happens(faults.again)) return {operation.tag, -EAGAIN, 0};
    if (happens(faults.write_error)) return {operation.tag, -faults.error, 0};
    Write& write = operation.write;
    const std::size_t asked_bytes = write.bytes.size();
    if (write.bytes.size() > faults.sector_bytes && happens(faults.short_write)) {
        const std::uint64_t sectors = write.bytes.size() / faults.sector_bytes;
        write.bytes.resize((1 + random_below(sectors - 1)) * faults.sector_bytes);
    }
    apply(inode.visible, write);
    const auto written = static_cast<std::int64_t>(write.bytes.size());
    inode.unflushed.push_back(std::move(write));
    if (!operation.is_durable_write) return {operation.tag, written, 0};
    const bool is_whole = static_cast<std::size_t>(written) == asked_bytes;
    return {operation.tag, written, finish_durable_write(inode, is_whole)};
}

// The write stands last among the unflushed: it alone becomes stable, or its flush fails.
int SimulatedDisk::finish_durable_write(Inode& inode, bool is_whole) {
    if (!is_whole) return ECANCELED;
    if (happens(faults.again)) return EAGAIN;
    if (happens(faults.flush_error)) {
        inode.unflushed.clear();
        inode.flush_failed = true;
        return faults.error;
    }
    if (inode.stable.size() < inode.visible.size()) inode.stable.resize(inode.visible.size());
    apply(inode.stable, inode.unflushed.back());
    inode.unflushed.pop_back();
    return 0;
}

IoOutcome SimulatedDisk::reap(std::span<Completion> into, std::uint64_t timeout_ns) noexcept {
    std::uint64_t count = 0;
    std::uint64_t want = random_below(in_flight_.size() + 1);
    if (timeout_ns > 0) want = std::max<std::uint64_t>(want, 1);
    while (count < std::min<std::uint64_t>(want, into.size()) && !in_flight_.empty()) {
        if (is_dead()) break;
        const std::uint64_t nth = random_below(in_flight_.size());
        Operation operation = std::move(in_flight_[nth]);
        in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(nth));
        into[count++] = finish(std::move(operation));
    }
    if (stopped_) return {0, EIO};
    elapsed_ns_ += timeout_ns > 0 ? 1'000 : 0;
    return {count, 0};
}

}  // namespace tailrace::journal
