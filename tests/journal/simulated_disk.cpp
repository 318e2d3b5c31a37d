#include "simulated_disk.hpp"

#include "batch_codec.hpp"

#include <tailrace/base/check.hpp>

#include <algorithm>
#include <cerrno>
#include <numeric>

namespace tailrace::journal {

namespace {

constexpr std::size_t kMaxUnits = 20;  // of an exhaustive search: a million ways
constexpr std::uint64_t kLateChances = 24;

}  // namespace

SimulatedDisk::SimulatedDisk(std::uint64_t seed) : random_(seed) {}

SimulatedDisk::SimulatedDisk(const SimulatedDisk& other)
    : faults(other.faults),
      random_(other.random_),
      stop_after_(other.stop_after_),
      stopped_(other.stopped_),
      next_file_(other.next_file_),
      late_at_(other.late_at_),
      next_order_(other.next_order_),
      wall_ns_(other.wall_ns_),
      elapsed_ns_(other.elapsed_ns_),
      operation_count_(other.operation_count_) {
    std::map<const Inode*, std::shared_ptr<Inode>> copies;
    const auto copy = [&copies](const std::shared_ptr<Inode>& inode) {
        if (!inode) return inode;
        auto& made = copies[inode.get()];
        if (!made) made = std::make_shared<Inode>(*inode);
        return made;
    };
    for (const auto& [path, inode] : other.names_)
        names_[path] = copy(inode);
    for (const auto& [path, inode] : other.stable_names_)
        stable_names_[path] = copy(inode);
    for (const NameChange& change : other.unflushed_names_)
        unflushed_names_.push_back({change.from, change.to, copy(change.inode)});
    for (const auto* from : {&other.in_flight_, &other.late_}) {
        auto& to = from == &other.in_flight_ ? in_flight_ : late_;
        for (const Operation& operation : *from) {
            to.push_back(operation);
            to.back().inode = copy(operation.inode);
        }
    }
}

std::uint64_t SimulatedDisk::random_below(std::uint64_t bound) {
    return bound == 0 ? 0 : random_.below(bound);
}

std::uint64_t SimulatedDisk::injected_faults() const {
    const auto end = fired_.begin() + static_cast<std::ptrdiff_t>(Fault::torn_write);
    return std::accumulate(fired_.begin(), end, std::uint64_t{0});
}

bool SimulatedDisk::happens(Fault fault, unsigned in_thousand) {
    if (in_thousand == 0 || random_below(1000) >= in_thousand) return false;
    ++count_of(fault);
    return true;
}

bool SimulatedDisk::is_dead(const std::string& path) {
    if (stopped_) return true;
    ++operation_count_;
    land_late_writes(kLateChances);
    if (stop_after_ > 0 && --stop_after_ == 0) {
        stopped_ = true;
        stopped_in_ = path;
    }
    return stopped_;
}

SimulatedDisk::Inode* SimulatedDisk::inode_of(FileId file) {
    const auto found = open_.find(file);
    return found == open_.end() ? nullptr : found->second.inode.get();
}

const std::string& SimulatedDisk::path_of(FileId file) const {
    static const std::string none;
    const auto found = open_.find(file);
    return found == open_.end() ? none : found->second.path;
}

std::uint64_t SimulatedDisk::allocated_bytes() const {
    std::uint64_t total = 0;
    for (const auto& [path, inode] : names_)
        total += inode->allocated_bytes;
    return total;
}

SimulatedDisk::Write SimulatedDisk::make_write(std::uint64_t offset,
                                               std::span<const std::byte> bytes) {
    Write write{next_order_++, offset, bytes.size(), nullptr};
    if (!is_zero(bytes)) {
        write.bytes = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
    }
    return write;
}

void SimulatedDisk::apply_part(SparseBytes& content,
                               const Write& write,
                               std::uint64_t from,
                               std::uint64_t size_bytes) {
    if (write.bytes) {
        content.write(write.offset + from, std::span(*write.bytes).subspan(from, size_bytes));
    } else {
        content.zero(write.offset + from, size_bytes);
    }
}

void SimulatedDisk::apply(SparseBytes& content, const Write& write) {
    apply_part(content, write, 0, write.size_bytes);
}

void SimulatedDisk::survive_in_part(SparseBytes& content,
                                    const Write& write,
                                    bool& any,
                                    bool& all) {
    const std::uint64_t kind = random_below(4);
    any = kind > 0;
    all = kind == 1;
    if (kind == 0) return;
    if (kind == 1 || !write.bytes) return apply(content, write);
    any = false;
    all = true;
    for (std::uint64_t at = 0; at < write.size_bytes; at += faults.sector_bytes) {
        if (random_below(2) == 0) {
            all = false;
            continue;
        }
        any = true;
        apply_part(content, write, at, std::min(faults.sector_bytes, write.size_bytes - at));
    }
    if (any && !all) ++count_of(Fault::torn_write);
}

void SimulatedDisk::apply_name(Names& names, const NameChange& change) {
    if (!change.from.empty()) names.erase(change.from);
    if (!change.to.empty()) names[change.to] = change.inode;
}

void SimulatedDisk::change_name(const NameChange& change) {
    ++change_count_;
    apply_name(names_, change);
    unflushed_names_.push_back(change);
}

// False when the device lied.
bool SimulatedDisk::flush(Inode& inode, std::size_t count) {
    if (happens(Fault::lost_flush, faults.lost_flush)) return false;
    if (inode.stable.size() < inode.visible.size()) inode.stable.resize(inode.visible.size());
    for (std::size_t i = 0; i < count; ++i)
        apply(inode.stable, inode.unflushed[i]);
    inode.unflushed.erase(inode.unflushed.begin(),
                          inode.unflushed.begin() + static_cast<std::ptrdiff_t>(count));
    return true;
}

// What was in flight may or may not reach the device, like what was completed and not flushed.
void SimulatedDisk::lose_flight() {
    for (auto* operations : {&in_flight_, &late_}) {
        for (Operation& operation : *operations) {
            if (!operation.is_flush) {
                operation.inode->unflushed.push_back(std::move(operation.write));
            }
        }
        operations->clear();
    }
}

void SimulatedDisk::restart(std::size_t kept_names) {
    for (std::size_t i = 0; i < kept_names; ++i)
        apply_name(stable_names_, unflushed_names_[i]);
    unflushed_names_.clear();
    names_ = stable_names_;
    for (const auto& [path, inode] : names_) {
        inode->unflushed.clear();
        inode->visible = inode->stable;
        inode->flush_failed = false;
    }
    open_.clear();
    holds_.clear();
    stopped_ = false;
    stop_after_ = 0;
}

void SimulatedDisk::power_on(Survival survival) {
    lose_flight();
    // Names survive in the order of their changes, as a journaling file system keeps them.
    const std::uint64_t kept = survival == Survival::nothing ? 0
                               : survival == Survival::everything
                                   ? unflushed_names_.size()
                                   : random_below(unflushed_names_.size() + 1);
    if (kept < unflushed_names_.size()) ++count_of(Fault::lost_name);
    for (const auto& inode : inodes()) {
        if (survival == Survival::nothing) continue;
        const bool is_everything = survival == Survival::everything;
        if (inode->stable.size() < inode->visible.size() &&
            (is_everything || random_below(2) == 0)) {
            inode->stable.resize(inode->visible.size());
        }
        bool one_is_missing = false;
        for (const Write& write : inode->unflushed) {
            bool any = true;
            bool all = true;
            if (is_everything) {
                apply(inode->stable, write);
            } else {
                survive_in_part(inode->stable, write, any, all);
            }
            if (any && one_is_missing) ++count_of(Fault::reordered_write);
            one_is_missing = one_is_missing || !all;
        }
    }
    restart(kept);
}

std::vector<std::shared_ptr<SimulatedDisk::Inode>> SimulatedDisk::inodes() const {
    std::vector<std::shared_ptr<Inode>> all;
    for (const Names* names : {&names_, &stable_names_}) {
        for (const auto& [path, inode] : *names) {
            if (std::find(all.begin(), all.end(), inode) == all.end()) all.push_back(inode);
        }
    }
    return all;
}

std::size_t SimulatedDisk::unflushed_units() const {
    std::uint64_t units = 0;
    const auto count = [&](const Write& write) {
        // Zeroes are given back as a whole, as file systems do it.
        units +=
            write.bytes ? (write.size_bytes + faults.sector_bytes - 1) / faults.sector_bytes : 1;
    };
    for (const auto& inode : inodes()) {
        for (const Write& write : inode->unflushed)
            count(write);
    }
    for (const Operation& operation : late_)
        count(operation.write);
    for (const Operation& operation : in_flight_) {
        if (!operation.is_flush) count(operation.write);
    }
    return units;
}

void SimulatedDisk::power_on_with(std::uint64_t kept, std::size_t kept_names) {
    lose_flight();
    TAILRACE_CHECK(unflushed_units() <= kMaxUnits);
    struct Unit {
        Inode* inode;
        const Write* write;
        std::uint64_t at;
        std::uint64_t size_bytes;
    };
    std::vector<Unit> units;
    for (const auto& inode : inodes()) {
        if (kept != 0) inode->stable.resize(std::max(inode->stable.size(), inode->visible.size()));
        for (const Write& write : inode->unflushed) {
            const std::uint64_t size = write.bytes ? faults.sector_bytes : write.size_bytes;
            for (std::uint64_t at = 0; at < write.size_bytes; at += size)
                units.push_back({inode.get(), &write, at, std::min(size, write.size_bytes - at)});
        }
    }
    std::sort(units.begin(), units.end(), [](const Unit& left, const Unit& right) {
        return left.write->order != right.write->order ? left.write->order < right.write->order
                                                       : left.at < right.at;
    });
    for (std::size_t i = 0; i < units.size(); ++i) {
        if ((kept >> i & 1U) == 0) continue;
        const Unit& unit = units[i];
        apply_part(unit.inode->stable, *unit.write, unit.at, unit.size_bytes);
    }
    restart(std::min(kept_names, unflushed_names_.size()));
}

void SimulatedDisk::kill_process() {
    for (Operation& operation : in_flight_) {
        const std::uint64_t fate = random_below(3);
        if (operation.is_flush || fate == 0) continue;
        if (fate == 1) {
            late_.push_back(std::move(operation));
            continue;
        }
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

void SimulatedDisk::kill_process_with_late_writes(std::uint64_t operations) {
    late_at_ = operation_count_ + operations;
    for (Operation& operation : in_flight_) {
        if (!operation.is_flush) late_.push_back(std::move(operation));
    }
    in_flight_.clear();
    kill_process();
}

void SimulatedDisk::land_late_writes(std::uint64_t one_in) {
    while (!late_.empty()) {
        const bool lands = late_at_ != 0 ? operation_count_ >= late_at_ : random_below(one_in) == 0;
        if (!lands) return;
        land(late_.front());
        late_.pop_front();
    }
}

void SimulatedDisk::land(const Operation& operation) {
    ++count_of(Fault::late_write);
    apply(operation.inode->visible, operation.write);
    operation.inode->unflushed.push_back(operation.write);
}

void SimulatedDisk::settle() {
    land_late_writes(1);
    for (const auto& [path, inode] : names_) {
        inode->stable = inode->visible;
        inode->unflushed.clear();
    }
    stable_names_ = names_;
    unflushed_names_.clear();
}

std::vector<std::string> SimulatedDisk::paths() const {
    std::vector<std::string> found;
    for (const auto& [path, inode] : names_)
        found.push_back(path);
    return found;
}

std::vector<std::byte> SimulatedDisk::look_at(const std::string& path,
                                              std::uint64_t offset,
                                              std::uint64_t size_bytes) const {
    std::vector<std::byte> bytes(size_bytes);
    const auto found = names_.find(path);
    if (found == names_.end() || offset >= found->second->visible.size()) return bytes;
    const SparseBytes& content = found->second->visible;
    content.read(offset, std::span(bytes).first(std::min(size_bytes, content.size() - offset)));
    return bytes;
}

bool SimulatedDisk::survives(const std::string& path,
                             std::uint64_t offset,
                             std::span<const std::byte> bytes) const {
    const auto found = names_.find(path);
    return found != names_.end() && found->second->stable.equals(offset, bytes);
}

void SimulatedDisk::put(const std::string& path, std::span<const std::byte> bytes) {
    auto inode = std::make_shared<Inode>();
    inode->visible.write(0, bytes);
    inode->stable = inode->visible;
    inode->allocated_bytes = bytes.size();
    names_[path] = inode;
    stable_names_[path] = inode;
}

void SimulatedDisk::overwrite(const std::string& path,
                              std::uint64_t offset,
                              std::span<const std::byte> bytes) {
    Inode& inode = *names_.at(path);
    inode.visible.write(offset, bytes);
    inode.stable.write(offset, bytes);
}

void SimulatedDisk::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
    Inode& inode = *names_.at(path);
    for (SparseBytes* content : {&inode.visible, &inode.stable}) {
        std::array<std::byte, 1> byte{};
        content->read(offset, byte);
        byte[0] ^= std::byte{1} << bit;
        content->write(offset, byte);
    }
    ++count_of(Fault::bit_flip);
}

IoOutcome SimulatedDisk::open(const std::string& path, OpenFlags flags) noexcept {
    if (is_dead(path)) return {0, EIO};
    auto found = names_.find(path);
    if (found == names_.end()) {
        if (!flags.create) return {0, ENOENT};
        change_name({"", path, std::make_shared<Inode>()});
        found = names_.find(path);
    } else if (flags.create) {
        ++change_count_;
        *found->second = Inode{};
    }
    open_[next_file_] = {path, found->second};
    return {static_cast<std::uint64_t>(next_file_++), 0};
}

void SimulatedDisk::close(FileId file) noexcept {
    open_.erase(file);
    holds_.erase(file);
}

IoOutcome SimulatedDisk::size_bytes(FileId file) noexcept {
    if (is_dead(path_of(file))) return {0, EIO};
    return {inode_of(file)->visible.size(), 0};
}

IoOutcome SimulatedDisk::hold(FileId file, FileHold hold) noexcept {
    if (is_dead(path_of(file))) return {0, EIO};
    if (faults.refuse_holds) return {0, EOPNOTSUPP};
    if (hold == FileHold::none) {
        holds_.erase(file);
        return {0, 0};
    }
    const bool is_writing = hold == FileHold::writing;
    for (const auto& [other, theirs] : holds_) {
        const bool same =
            other != file && open_.contains(other) && open_[other].inode == open_[file].inode;
        if (!same || (theirs == FileHold::writing) != is_writing) continue;
        if (hold != FileHold::shared || theirs != FileHold::shared) return {0, EAGAIN};
    }
    holds_[file] = hold;
    return {0, 0};
}

// What a dead process had on its way through a file that it held lands before it is waited for.
IoOutcome SimulatedDisk::await_writing(FileId file) noexcept {
    const IoOutcome outcome = hold(file, FileHold::writing);
    if (!outcome.ok()) return outcome;
    const Inode* const inode = inode_of(file);
    const auto is_awaited = [inode](const Operation& operation) {
        return operation.is_held && operation.inode.get() == inode;
    };
    for (const Operation& operation : late_) {
        if (is_awaited(operation)) land(operation);
    }
    std::erase_if(late_, is_awaited);
    return outcome;
}

bool SimulatedDisk::is_named(FileId file, const std::string& path) noexcept {
    const auto found = names_.find(path);
    return found != names_.end() && found->second.get() == inode_of(file);
}

IoOutcome SimulatedDisk::read(FileId file,
                              std::uint64_t offset,
                              std::span<std::byte> into) noexcept {
    if (is_dead(path_of(file))) return {0, EIO};
    if (happens(Fault::read_error, faults.read_error)) return {0, EIO};
    const SparseBytes& content = inode_of(file)->visible;
    if (offset >= content.size()) return {0, 0};
    const std::uint64_t size = std::min<std::uint64_t>(into.size(), content.size() - offset);
    content.read(offset, into.first(size));
    return {size, 0};
}

IoOutcome SimulatedDisk::write(FileId file,
                               std::uint64_t offset,
                               std::span<const std::byte> bytes) noexcept {
    Inode* const inode = inode_of(file);
    if (inode == nullptr) return {0, EIO};
    const bool was_stopped = stopped_;
    const std::string& path = path_of(file);
    const bool dead = is_dead(path);
    if (was_stopped) return {0, EIO};
    if (observer) observer(path, offset, bytes);
    Write write = make_write(offset, bytes);
    ++change_count_;
    // The write in whose middle the machine stopped may have reached the disk in part.
    if (!dead) apply(inode->visible, write);
    inode->unflushed.push_back(std::move(write));
    return dead ? IoOutcome{0, EIO} : IoOutcome{bytes.size(), 0};
}

IoOutcome SimulatedDisk::allocate(FileId file, std::uint64_t size_bytes) noexcept {
    if (is_dead(path_of(file))) return {0, EIO};
    Inode& inode = *inode_of(file);
    if (allocated_bytes() - inode.allocated_bytes + size_bytes > faults.capacity_bytes) {
        ++count_of(Fault::no_space);
        return {0, ENOSPC};
    }
    ++change_count_;
    inode.allocated_bytes = size_bytes;
    if (inode.visible.size() < size_bytes) inode.visible.resize(size_bytes);
    return {0, 0};
}

void SimulatedDisk::deallocate(FileId file,
                               std::uint64_t offset,
                               std::uint64_t size_bytes) noexcept {
    if (is_dead(path_of(file))) return;
    Inode& inode = *inode_of(file);
    const std::uint64_t end = std::min<std::uint64_t>(offset + size_bytes, inode.visible.size());
    if (end <= offset) return;
    ++change_count_;
    const Write zeroes{next_order_++, offset, end - offset, nullptr};
    apply(inode.visible, zeroes);
    inode.unflushed.push_back(zeroes);
}

IoOutcome SimulatedDisk::sync(FileId file) noexcept {
    if (is_dead(path_of(file))) return {0, EIO};
    Inode& inode = *inode_of(file);
    if (inode.flush_failed) ++flushes_after_failed_flush_;
    (void)flush(inode, inode.unflushed.size());
    return {0, 0};
}

void SimulatedDisk::forget_cache(FileId file) noexcept {
    Inode* const inode = inode_of(file);
    if (inode != nullptr && inode->unflushed.empty()) inode->visible = inode->stable;
}

IoOutcome SimulatedDisk::rename(const std::string& from, const std::string& to) noexcept {
    if (is_dead(from)) return {0, EIO};
    const auto found = names_.find(from);
    if (found == names_.end()) return {0, ENOENT};
    const auto inode = found->second;
    change_name({from, to, inode});
    for (auto& [file, open] : open_) {
        if (open.inode == inode) open.path = to;
    }
    return {0, 0};
}

IoOutcome SimulatedDisk::remove(const std::string& path) noexcept {
    if (is_dead(path)) return {0, EIO};
    if (!names_.contains(path)) return {0, ENOENT};
    change_name({path, "", nullptr});
    return {0, 0};
}

IoOutcome SimulatedDisk::sync_directory(const std::string& directory) noexcept {
    if (is_dead(directory)) return {0, EIO};
    if (happens(Fault::lost_flush, faults.lost_flush)) return {0, 0};
    for (const NameChange& change : unflushed_names_)
        apply_name(stable_names_, change);
    unflushed_names_.clear();
    return {0, 0};
}

IoOutcome SimulatedDisk::list(const std::string& directory,
                              std::vector<std::string>& names) noexcept {
    if (is_dead(directory)) return {0, EIO};
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
    const OpenFile& target = open_.at(file);
    if (stopped_) return true;  // reaping tells
    if (observer) observer(target.path, offset, bytes);
    const auto held = holds_.find(file);
    const bool is_held = held != holds_.end() && held->second == FileHold::writing;
    in_flight_.push_back({false, false, is_held, target.inode, make_write(offset, bytes), tag, 0});
    return true;
}

bool SimulatedDisk::submit_durable_write(DurableWrite /*kind*/,
                                         FileId file,
                                         std::uint64_t offset,
                                         std::span<const std::byte> bytes,
                                         std::uint64_t tag) noexcept {
    if (stopped_) return true;
    if (open_.at(file).inode->flush_failed) ++flushes_after_failed_flush_;
    if (!submit_write(file, offset, bytes, tag)) return false;
    in_flight_.back().is_durable_write = true;
    return true;
}

std::span<const DurableWrite> SimulatedDisk::durable_writes() const noexcept {
    static constexpr std::array<DurableWrite, 1> kKinds = {DurableWrite::linked_flush};
    return kKinds;
}

bool SimulatedDisk::submit_flush(FileId file, std::uint64_t tag) noexcept {
    const auto& inode = open_.at(file).inode;
    if (stopped_) return true;
    if (inode->flush_failed) ++flushes_after_failed_flush_;
    in_flight_.push_back({true, false, false, inode, {}, tag, inode->unflushed.size()});
    return true;
}

Completion SimulatedDisk::finish(Operation operation) {
    Inode& inode = *operation.inode;
    ++change_count_;
    if (operation.is_flush) {
        if (happens(Fault::again, faults.again)) return {operation.tag, -EAGAIN, 0};
        if (happens(Fault::flush_error, faults.flush_error)) {
            // As file systems do it: the error is told once, and what could not be kept counts as
            // clean from then on.
            inode.unflushed.clear();
            inode.flush_failed = true;
            return {operation.tag, -faults.error, 0};
        }
        (void)flush(inode, std::min(operation.covered, inode.unflushed.size()));
        return {operation.tag, 0, 0};
    }
    return finish_write(std::move(operation));
}

Completion SimulatedDisk::finish_write(Operation operation) {
    Inode& inode = *operation.inode;
    if (happens(Fault::again, faults.again)) return {operation.tag, -EAGAIN, 0};
    if (happens(Fault::write_error, faults.write_error)) {
        return {operation.tag, -faults.error, 0};
    }
    Write& write = operation.write;
    const std::uint64_t asked_bytes = write.size_bytes;
    if (write.size_bytes > faults.sector_bytes && happens(Fault::short_write, faults.short_write)) {
        const std::uint64_t sectors = write.size_bytes / faults.sector_bytes;
        write.size_bytes = (1 + random_below(sectors - 1)) * faults.sector_bytes;
    }
    const auto written = static_cast<std::int64_t>(write.size_bytes);
    const std::uint64_t blocks = inode.visible.size() / kBlockSizeBytes;
    if (blocks > 2 && happens(Fault::misdirected_write, faults.misdirected_write)) {
        // Never to block 0: what becomes of a header that can't be trusted is another matter.
        write.offset = (1 + random_below(blocks - 1)) * kBlockSizeBytes;
        write.size_bytes = std::min(write.size_bytes, inode.visible.size() - write.offset);
    }
    apply(inode.visible, write);
    inode.unflushed.push_back(std::move(write));
    if (!operation.is_durable_write) return {operation.tag, written, 0};
    const bool is_whole = static_cast<std::uint64_t>(written) == asked_bytes;
    return {operation.tag, written, finish_durable_write(inode, is_whole)};
}

// The write stands last among the unflushed: it alone becomes stable, or its flush fails.
int SimulatedDisk::finish_durable_write(Inode& inode, bool is_whole) {
    if (!is_whole) return ECANCELED;
    if (happens(Fault::again, faults.again)) return EAGAIN;
    if (happens(Fault::flush_error, faults.flush_error)) {
        inode.unflushed.clear();
        inode.flush_failed = true;
        return faults.error;
    }
    if (happens(Fault::lost_flush, faults.lost_flush)) return 0;
    if (inode.stable.size() < inode.visible.size()) inode.stable.resize(inode.visible.size());
    apply(inode.stable, inode.unflushed.back());
    inode.unflushed.pop_back();
    return 0;
}

IoOutcome SimulatedDisk::reap(std::span<Completion> into, std::uint64_t timeout_ns) noexcept {
    elapsed_ns_ += timeout_ns > 0 ? 1'000 : 0;
    if (faults.hold_completions) return {0, stopped_ ? EIO : 0};
    std::uint64_t count = 0;
    std::uint64_t want = random_below(in_flight_.size() + 1);
    if (timeout_ns > 0) want = std::max<std::uint64_t>(want, 1);
    while (count < std::min<std::uint64_t>(want, into.size()) && !in_flight_.empty()) {
        if (is_dead("queue")) break;
        const std::uint64_t nth = random_below(in_flight_.size());
        Operation operation = std::move(in_flight_[nth]);
        in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(nth));
        into[count++] = finish(std::move(operation));
    }
    if (stopped_) return {0, EIO};
    return {count, 0};
}

}  // namespace tailrace::journal
