// Events that are handed out again, alone; that are buried; that nobody can read any more.

#include "group_core.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/ring_bytes.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace tailrace::stream {

namespace {

// Farther than this the reader for single events looks for its place anew.
constexpr std::uint64_t kReadOn = 256;
constexpr std::uint64_t kBurialPauseNs = 100'000'000;

}  // namespace

// All of the window, whatever the hints say: a member may have been killed before it raised them.
void GroupCore::look_for_retries() {
    // Relaxed: a hint; taken before the look, so that what comes behind it is looked for.
    seen_retries_ = file().shared().retries.load(std::memory_order_relaxed);
    retries_.clear();
    const Sequence floor = file().load_floor();
    const bool may_bury = monotonic_ns() >= next_burial_ns_;
    for (std::uint64_t index = file().window_events(); index-- > 0;) {
        const Sequence sequence = floor + index;
        const std::uint64_t word = file().load_unit(sequence);
        const Unit unit = unpack(word);
        if (unit.state != UnitState::again && unit.state != UnitState::lost) continue;
        if (unit.lap != file().lap(sequence)) continue;
        if (unit.state == UnitState::lost) {
            has_lost_ = true;
        } else if (may_bury || unit.tries < file().header().max_tries) {
            retries_.push_back(sequence);
        }
    }
}

// One at a time, and none while this member has anything else in its hands: so that of an event
// that kills its member the tries are counted, and none of its neighbours'.
std::uint64_t GroupCore::hand_out_again(detail::GroupHandler& handler, std::uint64_t limit) {
    std::uint64_t handed = 0;
    while (handed < limit && !retries_.empty()) {
        // Relaxed: leases only end elsewhere; then the next look finds it.
        if (hand_->held.load(std::memory_order_relaxed) != 0) break;
        const Sequence sequence = retries_.back();
        const std::uint64_t word = file().load_unit(sequence);
        Unit unit = unpack(word);
        if (unit.state != UnitState::again || unit.lap != file().lap(sequence)) {
            retries_.pop_back();
            continue;
        }
        // It is read before it is taken: what can't be read just now costs no try.
        const Found found = read_again(sequence);
        if (found == Found::not_yet) break;
        retries_.pop_back();
        if (found == Found::failed) {
            // Told; tried again with the next look.
            retries_.clear();
            break;
        }
        if (found == Found::lost) {
            lose(sequence, word);
            continue;
        }
        const bool is_poison = unit.tries >= file().header().max_tries;
        unit.state = is_poison ? UnitState::dying : UnitState::leased;
        unit.tries = std::min(unit.tries + 1, kMostUnitTries);
        unit.seat = seat_;
        const std::uint64_t own = pack(unit);
        if (!file().swap_unit(sequence, word, own)) continue;
        TAILRACE_STEP("group.taken_again");
        if (is_poison) {
            const std::byte* const record = again_bytes_.data();
            bury(sequence, own, Event(sequence, bus::load_header(record), record));
        } else if (deliver(handler, {sequence, own, 0}, again_bytes_.data(), true)) {
            ++handed;
        }
    }
    // In the journal it would keep a segment from being given up.
    if (retries_.empty()) again_reader_.reset();
    return handed;
}

GroupCore::Found GroupCore::read_again(Sequence sequence) {
    if (again_sequence_ == sequence) return Found::event;
    const bool is_near = again_reader_ && again_reader_->next_sequence() <= sequence &&
                         sequence - again_reader_->next_sequence() <= kReadOn;
    if (!is_near) {
        again_reader_.reset();
        StreamReaderOptions options;
        options.policy = bus::SlowPolicy::observe;
        options.from = Position::at(sequence);
        options.on_damage = on_damage_;
        options.journal_directory = journal_directory_;
        auto reader = StreamReader::attach(region_, options);
        if (!reader) {
            if (reader.error().code == ErrorCode::sequence_gone) return Found::lost;
            error_ = reader.error();
            has_trouble_ = true;
            return Found::failed;
        }
        again_reader_.emplace(std::move(*reader));
    }
    for (;;) {
        bool is_found = false;
        const bus::PollResult result = again_reader_->poll(
            [&](const Event& event) {
                if (event.sequence() != sequence) return;
                const auto payload = event.payload();
                const auto size_bytes =
                    static_cast<std::size_t>(payload.data() + payload.size() - event.record());
                again_bytes_.resize(size_bytes);
                std::memcpy(again_bytes_.data(), event.record(), size_bytes);
                is_found = true;
            },
            1);
        if (is_found) {
            again_sequence_ = sequence;
            return Found::event;
        }
        if (again_reader_->next_sequence() > sequence) return Found::lost;
        if (result.state == bus::PollState::ok || result.state == bus::PollState::gap) continue;
        if (result.state != bus::PollState::idle) {
            error_ = again_reader_->error();
            has_trouble_ =
                result.state == bus::PollState::failed || result.state == bus::PollState::corrupt;
            again_reader_.reset();
            return Found::failed;
        }
        return Found::not_yet;
    }
}

// Published first: whoever is killed in between leaves it to be buried again, which a reader of
// dead letters may see twice, and nothing is buried that isn't there.
void GroupCore::bury(Sequence sequence, std::uint64_t word, const Event& event) {
    Unit unit = unpack(word);
    unit.seat = 0;
    if (dead_letters_) {
        if (auto published = dead_letters_->publish(event); !published) {
            error_ = published.error();
            has_trouble_ = true;
            next_burial_ns_ = monotonic_ns() + kBurialPauseNs;
            return put_back(sequence, word);
        }
        TAILRACE_STEP("group.buried");
    }
    unit.state = UnitState::done;
    if (!file().swap_unit(sequence, word, pack(unit))) return lose_lease();
    // Relaxed: a figure; a kill in between makes it one too small.
    file().shared().buried.fetch_add(1, std::memory_order_relaxed);
}

void GroupCore::lose(Sequence sequence, std::uint64_t word) {
    Unit unit = unpack(word);
    unit.state = UnitState::lost;
    if (!file().swap_unit(sequence, word, pack(unit))) return;
    TAILRACE_STEP("group.lost");
    has_lost_ = true;
}

// --- counting the lost

// Exactly once each, whoever is killed at it: who counts holds the group's lock, notes what is
// about to be counted and what the sums are then, and does it. A successor does it again. Nobody
// waits for the lock: the floor stands before what isn't counted, and the next poll is soon.
void GroupCore::count_losses() {
    auto lock = FileLock::try_lock(file().lock_path(), kGroupLock);
    if (!lock) return;
    has_lost_ = false;
    end_loss();
    GroupLosses& losses = file().shared().losses;
    const Sequence floor = file().load_floor();
    const Sequence end = floor + file().window_events();
    const auto is_lost = [&](Sequence sequence) {
        const Unit unit = unpack(file().load_unit(sequence));
        return unit.state == UnitState::lost && unit.lap == file().lap(sequence);
    };
    for (Sequence first = floor; first < end; ++first) {
        if (!is_lost(first)) continue;
        Sequence behind = first + 1;
        while (behind < end && is_lost(behind))
            ++behind;
        const std::uint64_t count = behind - first;
        // Relaxed, all: under the lock; carried by `end`.
        losses.first.store(first, std::memory_order_relaxed);
        losses.events_after.store(losses.events.load(std::memory_order_relaxed) + count,
                                  std::memory_order_relaxed);
        losses.listed_after.store(losses.listed.load(std::memory_order_relaxed) + 1,
                                  std::memory_order_relaxed);
        // [sync:group_loss] Release: whoever goes on with it sees all of it.
        losses.end.store(behind, std::memory_order_release);
        TAILRACE_STEP("group.loss_noted");
        end_loss();
        bus::Gap* const last = losses_to_tell_.empty() ? nullptr : &losses_to_tell_.back();
        if (last != nullptr && last->first + last->count == first) {
            last->count += count;
        } else {
            losses_to_tell_.push_back({first, count});
        }
        first = behind;
    }
}

// Requires: the group's lock.
void GroupCore::end_loss() const noexcept {
    GroupLosses& losses = file().shared().losses;
    // [sync:group_loss] Acquire: as its note was written.
    const Sequence noted_end = losses.end.load(std::memory_order_acquire);
    if (noted_end == 0) return;
    // Relaxed, all: under the lock.
    const Sequence first = losses.first.load(std::memory_order_relaxed);
    const std::uint64_t listed = losses.listed_after.load(std::memory_order_relaxed);
    const Sequence end = std::min(noted_end, first + file().window_events());
    for (Sequence sequence = first; sequence < end; ++sequence) {
        const std::uint64_t word = file().load_unit(sequence);
        Unit unit = unpack(word);
        if (unit.state != UnitState::lost || unit.lap != file().lap(sequence)) continue;
        unit.state = UnitState::done;
        static_cast<void>(file().swap_unit(sequence, word, pack(unit)));
        TAILRACE_STEP("group.loss_ended");
    }
    // Relaxed, all: as above.
    ListedLoss& entry = losses.ranges[(listed - 1) % kListedLosses];
    entry.first.store(first, std::memory_order_relaxed);
    entry.end.store(noted_end, std::memory_order_relaxed);
    losses.listed.store(listed, std::memory_order_relaxed);
    losses.events.store(losses.events_after.load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
    TAILRACE_STEP("group.loss_counted");
    // [sync:group_loss] Release: the sums are written before it is over.
    losses.end.store(0, std::memory_order_release);
}

}  // namespace tailrace::stream
