// GroupCore: what a GroupMember is made of: its seat, its readers, what it has in its hands, and
// its share of what all members do for the group: floor, cursor, the dead, the lost. One thread.
#pragma once

#include "dead_letters.hpp"
#include "group_file.hpp"

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/home_process.hpp>
#include <tailrace/bus/cursor.hpp>
#include <tailrace/stream/group_member.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace tailrace::stream {

namespace detail {

// What its leases share with a member, and may outlive it.
struct GroupHand {
    explicit GroupHand(GroupFile opened) noexcept : file(std::move(opened)) {}

    GroupFile file;
    HomeProcess home;
    std::atomic<std::uint32_t> held{0};
    std::atomic<bool> holds_single{false};  // one that was handed out before
};

// An event in a handler's hands.
struct HandedUnit {
    const std::shared_ptr<GroupHand>& hand;
    Sequence sequence;
    std::uint64_t word;  // as this member has it
    bool is_single;
    bool is_held = false;  // by a lease
};

}  // namespace detail

class GroupCore {
public:
    [[nodiscard]] static Result<std::unique_ptr<GroupCore>> join(
        std::shared_ptr<bus::Region> region, const GroupOptions& options);

    GroupCore(const GroupCore&) = delete;
    GroupCore& operator=(const GroupCore&) = delete;
    ~GroupCore();

    GroupPoll poll(detail::GroupHandler handler, std::uint64_t limit, bus::Deadline deadline);
    void alive() noexcept;

    [[nodiscard]] bool is_dead() const noexcept { return !hand_->home.is_here(); }
    [[nodiscard]] Sequence floor() const noexcept { return file().load_floor(); }
    [[nodiscard]] bus::Gap last_lost() const noexcept { return last_lost_; }
    [[nodiscard]] std::uint64_t lost_leases() const noexcept { return lost_leases_; }
    [[nodiscard]] const Error& error() const noexcept { return error_; }
    [[nodiscard]] std::uint32_t seat() const noexcept { return seat_; }

private:
    // What was read and isn't in anybody's hands for all that this member knows: [first, end).
    struct Passage {
        enum class Kind : std::uint8_t { event, nothing, lost } kind = Kind::nothing;
        Sequence first = 0;
        Sequence end = 0;
        std::uint64_t offset = 0;  // of an event's record in bytes_
    };
    struct Leased {
        Sequence sequence;
        std::uint64_t word;
        std::uint64_t offset;  // in bytes_
    };
    // What became of the attempt to take a free one.
    enum class Taking : std::uint8_t { taken, anothers, not_yet };
    enum class Found : std::uint8_t { event, lost, not_yet, failed };

    GroupCore(std::shared_ptr<bus::Region> region, const GroupOptions& options, GroupFile file);

    [[nodiscard]] static Result<GroupFile> find_or_make(const std::shared_ptr<bus::Region>& region,
                                                        const GroupOptions& options,
                                                        std::optional<StreamReader>& maker);
    [[nodiscard]] Result<void> sit_down(const std::string& name);
    [[nodiscard]] Result<void> attach(const GroupOptions& options);
    [[nodiscard]] const GroupFile& file() const noexcept { return hand_->file; }
    [[nodiscard]] bool is_full(Sequence sequence) const noexcept;

    [[nodiscard]] GroupPoll poll_once(detail::GroupHandler& handler,
                                      std::uint64_t limit,
                                      bus::Deadline deadline);
    [[nodiscard]] bool may_take_new() const noexcept;
    // --- new events
    void fetch(std::uint64_t limit, bus::Deadline deadline);
    void note_outcome(const bus::PollResult& result, Sequence next);
    void take_event(const Event& event);
    void pass_to(Sequence end);
    void let_pass(Passage passage);
    [[nodiscard]] bool settle_passage(Passage& passage);
    [[nodiscard]] Taking take_free(Sequence sequence, std::uint64_t& word) const noexcept;
    [[nodiscard]] Taking end_free(Sequence sequence, UnitState state) const noexcept;
    [[nodiscard]] std::uint64_t keep_record(const Event& event);
    // --- handing out
    [[nodiscard]] std::uint64_t hand_out(detail::GroupHandler& handler);
    bool deliver(detail::GroupHandler& handler,
                 const Leased& leased,
                 const std::byte* record,
                 bool is_single);
    void finish(Sequence sequence, std::uint64_t word, Verdict verdict, const Event& event);
    void put_back(Sequence sequence, std::uint64_t word) noexcept;
    void lose_lease() noexcept;
    // --- handing out again
    void look_for_retries();
    [[nodiscard]] std::uint64_t hand_out_again(detail::GroupHandler& handler, std::uint64_t limit);
    [[nodiscard]] Found read_again(Sequence sequence);
    void bury(Sequence sequence, std::uint64_t word, const Event& event);
    void lose(Sequence sequence, std::uint64_t word);
    // --- what all do for the group
    void look_around(std::uint64_t now_ns);
    void look_at_seats(std::uint64_t now_ns);
    void take_cursor();
    void keep_cursor(Sequence floor) noexcept;
    void settle();
    void raise_frontier() noexcept;
    void raise_floor() noexcept;
    void hold_ring_at(Sequence floor);
    void count_losses();
    void end_loss() const noexcept;
    void leave() noexcept;

    std::shared_ptr<bus::Region> region_;
    const std::string journal_directory_;
    const OnDamage on_damage_;
    std::shared_ptr<detail::GroupHand> hand_;
    FileLock lock_;
    std::uint32_t seat_ = kNoSeat;
    std::optional<StreamReader> reader_;
    std::optional<bus::Subscriber> holder_;  // holds publishers at the floor; without a journal
    std::optional<StreamReader> again_reader_;
    std::optional<bus::Cursor> cursor_;  // one member has it: the group's floor as the stream knows
    std::optional<DeadLetters> dead_letters_;

    bool in_handler_ = false;
    GroupState outcome_ = GroupState::ok;  // of the last fetch
    Sequence place_ = 0;                   // behind what was read
    Sequence frontier_ = 0;                // below it nothing is free, as far as it is known here
    std::deque<Passage> passages_;         // read, and not taken yet: the window was full
    std::vector<Leased> leased_;
    std::size_t next_leased_ = 0;
    std::vector<std::byte> bytes_;
    std::uint64_t last_bytes_ = 0;  // of the last event that was read
    std::vector<std::byte> again_bytes_;
    Sequence again_sequence_ = kNoSequence;  // of what is in them
    std::vector<Sequence> retries_;          // ascending from the back
    std::uint64_t seen_retries_ = 0;
    bool has_lost_ = false;  // some are to be counted
    std::deque<bus::Gap> losses_to_tell_;
    bus::Gap last_lost_{kNoSequence, 0};
    std::uint64_t lost_leases_ = 0;
    std::uint64_t next_look_ns_ = 0;
    std::uint64_t next_long_look_ns_ = 0;
    std::uint64_t next_stall_look_ns_ = 0;
    std::uint64_t next_keeper_look_ns_ = 0;
    std::uint64_t next_burial_ns_ = 0;
    Error error_;
    bool has_trouble_ = false;  // error_ is to be told

    static constexpr std::uint32_t kNoSeat = ~std::uint32_t{0};
};

}  // namespace tailrace::stream
