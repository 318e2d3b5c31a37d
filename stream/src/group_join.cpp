// How a member comes and goes.

#include "group_core.hpp"
#include "journal_of_stream.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <ctime>
#include <span>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kMakingTimeoutNs = 10'000'000'000;
constexpr long kMakingNapNs = 1'000'000;
constexpr std::uint64_t kShortestStallNs = 10'000'000;
constexpr std::uint32_t kMostTries = 1000;

Result<void> check_options(const GroupOptions& options, const std::string& stream) {
    if (auto checked = check_group_name(options.group); !checked) return checked;
    const std::string group = "group '" + options.group + "': ";
    if (!std::has_single_bit(options.window_events) || options.window_events < kMinGroupWindow ||
        options.window_events > kMaxGroupWindow) {
        return invalid_argument(
            group + "a window of " + std::to_string(options.window_events) + " events can't be",
            "a power of two, 1024 to 65536");
    }
    // By the first death of a member all that it had in its hands has had a try.
    if (options.max_tries < 2 || options.max_tries > kMostTries) {
        return invalid_argument(group + std::to_string(options.max_tries) + " tries can't be",
                                "2 to 1000");
    }
    if (options.stall_ns < kShortestStallNs) {
        return invalid_argument(group + "a member can't be taken for stuck so soon",
                                "10 ms or more; kNeverStalls");
    }
    if (options.dead_letters.empty()) return {};
    if (auto checked = bus::check_stream_name(options.dead_letters); !checked) return checked;
    if (options.dead_letters != stream) return {};
    return invalid_argument(
        group + "its dead letters would be its work again: they go to the stream that it reads",
        "tailrace create " + stream + ".dead");
}

std::uint64_t print_of(const bus::EventFilter& filter, ReadLimit limit) {
    std::vector<std::uint64_t> words{
        static_cast<std::uint64_t>(limit), filter.modulus(), filter.remainder()};
    words.push_back(filter.types().size());
    words.insert(words.end(), filter.types().begin(), filter.types().end());
    words.insert(words.end(), filter.keys().begin(), filter.keys().end());
    return checksum64(std::as_bytes(std::span<const std::uint64_t>(words)), 0);
}

GroupSettings settings_of(const GroupOptions& options) {
    return {options.dead_letters,
            options.stall_ns,
            print_of(options.filter, options.limit),
            options.window_events,
            options.max_tries,
            kGroupSeats};
}

std::string other_setting(const GroupSettings& has, const GroupSettings& asked) {
    const auto differs = [](const std::string& what, const auto& ours, const auto& theirs) {
        return what + " " + ours + ", not " + theirs;
    };
    if (has.window_events != asked.window_events) {
        return differs("a window of",
                       std::to_string(has.window_events),
                       std::to_string(asked.window_events) + " events");
    }
    if (has.max_tries != asked.max_tries) {
        return differs("for an event",
                       std::to_string(has.max_tries),
                       std::to_string(asked.max_tries) + " tries");
    }
    if (has.stall_ns != asked.stall_ns)
        return differs(
            "a stall_ns of", std::to_string(has.stall_ns), std::to_string(asked.stall_ns));
    if (has.dead_letters != asked.dead_letters) {
        return differs("for its dead letters the stream",
                       "'" + has.dead_letters + "'",
                       "'" + asked.dead_letters + "'");
    }
    if (has.filter_print != asked.filter_print) return "another filter, or another read limit";
    return {};
}

Result<void> check_settings(const GroupFile& file,
                            const GroupOptions& options,
                            const bus::Region& region) {
    const std::string other = other_setting(file.settings(), settings_of(options));
    if (other.empty()) return {};
    return invalid_argument(
        "group '" + options.group + "' of stream '" + region.name() + "' has " + other,
        "tailrace group show " + region.name() + " " + options.group +
            "; to change it: end all members, then tailrace group set --to");
}

// What group and member read by.
StreamReaderOptions reading_of(const bus::Region& region, const GroupOptions& options) {
    StreamReaderOptions reading;
    reading.name = cursor_of_group(options.group);
    const bool has_journal =
        !options.journal_directory.empty() || !journal_directory_of(region).empty();
    reading.policy = has_journal ? bus::SlowPolicy::spill : bus::SlowPolicy::gate;
    reading.limit = options.limit;
    reading.on_damage = options.on_damage;
    reading.filter = options.filter;
    reading.wait = options.wait;
    reading.without_recorder = options.without_recorder;
    reading.bus_directory = options.bus_directory;
    reading.journal_directory = options.journal_directory;
    return reading;
}

void nap() noexcept {
    const timespec time{0, kMakingNapNs};
    ::nanosleep(&time, nullptr);
}

// Whoever was about to remove the group may have been killed at it.
void open_again(const GroupFile& file) {
    const auto lock = FileLock::try_lock(file.lock_path(), kGroupLock);
    if (!lock) return;
    GroupLife life = GroupLife::closing;
    // [sync:group_life] Release: nothing hangs on it. Relaxed when it fails.
    static_cast<void>(file.shared().life.compare_exchange_strong(
        life, GroupLife::open, std::memory_order_release, std::memory_order_relaxed));
}

}  // namespace

// The group's cursor is the right to make its file, and says where it begins: where it had come to
// before the ring was made anew, or where this member wants it to.
Result<GroupFile> GroupCore::find_or_make(const std::shared_ptr<bus::Region>& region,
                                          const GroupOptions& options,
                                          std::optional<StreamReader>& maker) {
    const bus::Deadline deadline = bus::Deadline::in_ns(kMakingTimeoutNs);
    for (;; nap()) {
        auto file = GroupFile::open(*region, options.group, MapAccess::read_write);
        if (file && file->life() == GroupLife::open) {
            if (auto checked = check_settings(*file, options, *region); !checked)
                return checked.error();
            return file;
        }
        if (!file && file.error().code != ErrorCode::not_found) return file;
        if (file && file->life() == GroupLife::closing) open_again(*file);
        if (deadline.has_passed()) {
            return make_error(ErrorCode::busy,
                              "group '" + options.group + "' of stream '" + region->name() +
                                  "' is being made or removed by another process",
                              "tailrace cursor ls " + region->name() + " shows by whom");
        }
        if (file) continue;
        StreamReaderOptions making = reading_of(*region, options);
        making.cursor = cursor_of_group(options.group);
        making.new_cursor_at = options.from;
        making.commit = CommitMode::manual;
        auto reader = StreamReader::attach(region, making);
        if (!reader && reader.error().code == ErrorCode::busy) continue;
        if (!reader) return reader.error();
        maker.emplace(std::move(*reader));
        TAILRACE_STEP("group.making");
        auto made = GroupFile::create(
            *region, options.group, settings_of(options), maker->committed_sequence());
        if (!made && made.error().code != ErrorCode::already_exists) return made.error();
    }
}

GroupCore::GroupCore(std::shared_ptr<bus::Region> region,
                     const GroupOptions& options,
                     GroupFile file)
    : region_(std::move(region)),
      journal_directory_(options.journal_directory),
      on_damage_(options.on_damage),
      hand_(std::make_shared<detail::GroupHand>(std::move(file))) {}

Result<std::unique_ptr<GroupCore>> GroupCore::join(std::shared_ptr<bus::Region> region,
                                                   const GroupOptions& options) {
    if (auto checked = check_options(options, region->name()); !checked) return checked.error();
    std::optional<DeadLetters> dead_letters;
    if (!options.dead_letters.empty()) {
        auto opened = DeadLetters::open(options.dead_letters, options.group, options.bus_directory);
        if (!opened) return opened.error();
        dead_letters.emplace(std::move(*opened));
    }
    for (const bus::Deadline deadline = bus::Deadline::in_ns(kMakingTimeoutNs);; nap()) {
        // It holds its place in the ring until this member has its own.
        std::optional<StreamReader> maker;
        auto file = find_or_make(region, options, maker);
        if (!file) return file.error();
        std::unique_ptr<GroupCore> core(new GroupCore(region, options, std::move(*file)));
        if (auto seated = core->sit_down(options.name); !seated) return seated.error();
        // Somebody looked for members before this one sat there, and removes the group.
        if (core->file().life() != GroupLife::open && !deadline.has_passed()) continue;
        if (auto attached = core->attach(options); !attached) return attached.error();
        core->dead_letters_ = std::move(dead_letters);
        return core;
    }
}

Result<void> GroupCore::sit_down(const std::string& name) {
    for (std::uint32_t index = 0; index < file().header().seats; ++index) {
        if (file().see(index).is_taken() && !file().is_deserted(index, false)) continue;
        auto lock = FileLock::try_lock(file().lock_path(), kGroupSeatLocks + index);
        if (!lock && lock.error().code == ErrorCode::busy) continue;
        if (!lock) return lock.error();
        TAILRACE_STEP("group.seat_locked");
        GroupSeat& seat = file().seat(index);
        // What a dead one had there, before anything is in this one's hands.
        file().take_back_own(index);
        lock_ = std::move(*lock);
        seat_ = index;
        std::array<char, bus::kNameCapacity> text{};
        std::copy_n(name.begin(), std::min(name.size(), text.size() - 1), text.begin());
        seat.process.write(current_process());
        seat.name.write(text);
        // Relaxed, all: carried by the turn.
        seat.joined_ns.store(wall_clock_ns(), std::memory_order_relaxed);
        seat.progress_ns.store(monotonic_ns(), std::memory_order_relaxed);
        seat.handed.store(0, std::memory_order_relaxed);
        seat.lost_leases.store(0, std::memory_order_relaxed);
        std::uint32_t keeper = seat_ + 1;
        // The cursor isn't this one's.
        file().shared().keeper.compare_exchange_strong(keeper, 0, std::memory_order_relaxed);
        TAILRACE_STEP("group.named_in_seat");
        // [sync:group_seat] Release: whoever finds an event in its hands finds its name and its
        // sign of life.
        seat.turn.store((file().see(index).turn / 2 + 1) * 2 + 1, std::memory_order_release);
        TAILRACE_STEP("group.seated");
        return {};
    }
    return make_error(ErrorCode::busy,
                      "all " + std::to_string(file().header().seats) + " seats of group '" +
                          file().group() + "' are taken",
                      "tailrace group show " + region_->name() + " " + file().group());
}

Result<void> GroupCore::attach(const GroupOptions& options) {
    StreamReaderOptions reading = reading_of(*region_, options);
    frontier_ = file().load_frontier();
    if (reading.policy == bus::SlowPolicy::gate) {
        bus::SubscriberOptions holding;
        holding.name = cursor_of_group(options.group) + " floor";
        holding.start = bus::Start::at(file().load_floor());
        auto holder = bus::Subscriber::attach(region_, holding);
        if (!holder && holder.error().code == ErrorCode::sequence_gone) {
            holding.start = bus::Start::oldest();
            holder = bus::Subscriber::attach(region_, holding);
        }
        if (!holder) return holder.error();
        holder_.emplace(std::move(*holder));
    }
    reading.from = Position::at(frontier_);
    auto reader = StreamReader::attach(region_, reading);
    if (!reader && reader.error().code == ErrorCode::sequence_gone) {
        reading.from = Position::start();
        reader = StreamReader::attach(region_, reading);
    }
    if (!reader) return reader.error();
    reader_.emplace(std::move(*reader));
    place_ = frontier_;
    const Sequence next = reader_->next_sequence();
    if (next > place_) {
        let_pass({Passage::Kind::lost, place_, next, 0});
        place_ = next;
    }
    return {};
}

GroupCore::~GroupCore() {
    if (!is_dead() && lock_.is_held()) leave();
}

void GroupCore::leave() noexcept {
    // What its leases hold too: they are told that it is gone.
    file().take_back_own(seat_);
    TAILRACE_STEP("group.leaving");
    // What its leases ended since its last poll.
    raise_floor();
    std::atomic<std::uint64_t>& turn = file().seat(seat_).turn;
    // [sync:group_seat] Release: it has nothing in its hands any more. Relaxed load: its own.
    turn.store(turn.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    std::uint32_t keeper = seat_ + 1;
    // Relaxed: a hint.
    file().shared().keeper.compare_exchange_strong(keeper, 0, std::memory_order_relaxed);
    keep_cursor(file().load_floor());
}

}  // namespace tailrace::stream
