// What lies in a stream's two shared files. Bytes and offsets only, no behaviour.
//
// Law: docs/ring_layout.md. `control` holds a page that never changes after create (StreamHeader),
// a page that everybody watches (StreamState), then the tables of publishers, of subscribers, of
// their delivery latencies, of cursors and of identities.
// `events` holds nothing but event bytes, so that subscribers can map it read-only. Words are
// grouped by who writes them, and different writers stand kWriterDistanceBytes apart.
#pragma once

#include <tailrace/base/cache_line.hpp>
#include <tailrace/base/event_header.hpp>
#include <tailrace/base/process_identity.hpp>
#include <tailrace/bus/latency_histogram.hpp>
#include <tailrace/bus/statistics.hpp>
#include <tailrace/bus/value_in_words.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tailrace::bus {

// A non-ASCII byte and CR LF catch files that went through a text-mode copy.
inline constexpr std::array<char, 8> kControlMagic = {'\x89', 'T', 'R', 'B', 'U', 'S', '\r', '\n'};
inline constexpr std::uint16_t kLayoutMajor = 6;  // another major: attach refuses
inline constexpr std::uint16_t kLayoutMinor = 0;  // a higher minor only adds what may be ignored

inline constexpr std::uint64_t kNoPosition = ~std::uint64_t{0};
inline constexpr std::size_t kNameCapacity = 64;  // with the terminating zero
inline constexpr std::size_t kCheckpointCount = 16;
inline constexpr std::uint32_t kMaxSlots = 1024;  // of publishers, and of subscribers
inline constexpr std::uint64_t kHeaderPageBytes = 4096;
inline constexpr std::uint64_t kMinCapacityBytes = 64 * 1024;
inline constexpr std::uint64_t kMaxCapacityBytes = std::uint64_t{16} << 30U;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

enum class Publishing : std::uint8_t { single = 1, multi = 2 };
enum class PublishTime : std::uint8_t { off = 0, per_event = 1, per_batch = 2 };

// What `events` is made of. `transparent`: the kernel joins small pages into huge ones where it
// can.
enum class PageKind : std::uint8_t { small = 1, transparent = 2, huge_2m = 3, huge_1g = 4 };

inline constexpr std::uint32_t kNoGroup = ~std::uint32_t{0};

// StreamHeader::features: publishers wait for what isn't recorded, whether or not anybody records.
inline constexpr std::uint32_t kHoldsForJournal = 1;
inline constexpr std::uint32_t kKnownFeatures = kHoldsForJournal;

// Bytes [0, 4096) of `control`. Written once, before the stream gets its name.
struct StreamHeader {
    std::array<char, 8> magic;
    std::uint16_t layout_major;
    std::uint16_t layout_minor;
    std::uint32_t header_size_bytes;
    std::uint64_t header_checksum;  // XXH3-64 of [24, header_size_bytes), seed 0
    std::uint64_t control_size_bytes;
    std::uint64_t capacity_bytes;  // a power of two; size of `events`
    std::uint64_t salt;
    std::uint64_t stream_id_high;
    std::uint64_t stream_id_low;
    std::uint64_t boot_id_high;
    std::uint64_t boot_id_low;
    std::uint64_t created_ns;
    Sequence first_sequence;  // of this ring; more than 0 when it continues a journal
    std::uint32_t max_payload_bytes;
    std::uint32_t features;  // bits that a reader must know; unknown bits: attach refuses
    std::uint16_t publisher_slots;
    std::uint16_t subscriber_slots;
    Publishing publishing;
    std::uint8_t alignment_bytes;
    PublishTime publish_time;
    PageKind pages;  // in use, whatever was asked for
    std::array<char, kNameCapacity> name;
    std::array<char, 512> journal_directory;  // empty: not journaled
    std::uint32_t mode;                       // permissions of the files
    std::uint32_t group_id;                   // kNoGroup: the creator's
    std::uint64_t reserved;
};
static_assert(sizeof(StreamHeader) == 704 && sizeof(StreamHeader) <= kHeaderPageBytes);
static_assert(offsetof(StreamHeader, header_checksum) == 16);
static_assert(offsetof(StreamHeader, control_size_bytes) == 24);
static_assert(offsetof(StreamHeader, max_payload_bytes) == 96);
static_assert(offsetof(StreamHeader, name) == 112);
static_assert(offsetof(StreamHeader, journal_directory) == 176);
static_assert(offsetof(StreamHeader, mode) == 688);

[[nodiscard]] constexpr bool holds_for_journal(const StreamHeader& header) noexcept {
    return (header.features & kHoldsForJournal) != 0;
}

// One side sleeps on `wakes`, the other looks at `sleeping` after each step (wait.hpp).
struct WaitCell {
    std::atomic<std::uint32_t> sleeping;
    std::atomic<std::uint32_t> wakes;
};

enum class StreamLife : std::uint32_t {
    open = 1,
    removed = 2,     // by unlink
    files_gone = 3,  // its files were deleted by somebody else
};

enum class JournalState : std::uint32_t {
    none = 0,
    running = 1,
    stopped = 2,
    failed = 3,
    low_space = 4,  // running, but its disk has no room behind what it writes into now
    no_space = 5,   // that is full too: nothing becomes durable until there is room
    opening = 6,    // recovers its journal: nothing here is promised until that has shown it
};

// What the journal writer tells everybody. Written by the holder of the journal lock alone.
struct JournalBoard {
    std::atomic<Sequence> durable_sequence;  // everything below survives power loss
    std::atomic<Sequence> written_sequence;  // everything below was handed to the kernel
    std::atomic<JournalState> state;
    std::atomic<std::uint32_t> os_errno;  // of the failure that froze it, or of the lack of room
    WaitCell durable_wait;
    std::atomic<std::uint64_t> written_bytes;
    std::atomic<std::uint64_t> flushes;
    std::atomic<std::uint64_t> lost_events;  // overwritten before they were journaled
    ValueInWords<ProcessIdentity> writer;
};

inline constexpr std::size_t kListedGaps = 32;

// [first, end); empty when end <= first.
struct JournalGap {
    std::atomic<Sequence> first;
    std::atomic<Sequence> end;
};

// Sequences that are not in the journal although it went on behind them. Written by the holder of
// the journal lock alone, ascending; the oldest entry gives way to the newest.
struct JournalGaps {
    std::atomic<std::uint64_t> count;             // listed so far
    std::atomic<Sequence> listed_from;            // gaps below it are not listed (any more)
    std::atomic<std::uint32_t> writer_thread;     // that writes the journal, as its process counts
    std::atomic<std::uint32_t> writer_lock_turn;  // of the journal lock that it holds
    std::array<JournalGap, kListedGaps> entries;
};
static_assert(sizeof(JournalGaps) == 536);

inline constexpr std::size_t kJournalDirectoryCapacity = 512;

// What was durable, and in which journal: it stays when the journal's writer goes, so that whoever
// comes next and finds another journal in that place, or none, knows it. Written by the holder of
// the journal lock alone.
struct JournalMemory {
    std::atomic<std::uint64_t> id_high;  // of the journal
    std::atomic<std::uint64_t> id_low;
    std::atomic<Sequence> durable_sequence;  // 0: nothing is remembered
    std::uint64_t reserved;
    ValueInWords<std::array<char, kJournalDirectoryCapacity>> directory;
};
static_assert(sizeof(JournalMemory) == 544);

// Whose names the table of identities has.
enum class IdentityScope : std::uint32_t {
    ring = 0,     // of this ring alone, which goes on from a journal that nobody has read yet
    all = 1,      // everybody's who ever published under one
    damaged = 2,  // of those that a damaged ledger still told of
};

// How those who want a cursor to survive power loss and the keeper, who writes cursors to the disk,
// find each other. The keeper lives in the journal writer's process.
struct CursorBoard {
    std::atomic<std::uint32_t> any;        // 1: there is a cursor, or was; never 0 again
    std::atomic<std::uint32_t> requested;  // rounds that were asked for, by anybody
    WaitCell keeper_wait;
    // By the keeper alone: what had been asked for when the last round began that was written, and
    // the last one that could not be, and why.
    alignas(kWriterDistanceBytes) std::atomic<std::uint32_t> kept;
    std::atomic<std::uint32_t> failed;
    std::atomic<std::uint32_t> os_errno;
    std::uint32_t reserved;
    WaitCell kept_wait;
};
static_assert(sizeof(CursorBoard) == 256);

// What is known of those who publish under a name. Written by holders of the registry lock.
struct IdentityBoard {
    std::atomic<std::uint32_t> any;      // 1: there is an identity, or was; never 0 again
    std::atomic<IdentityScope> scope;    // whose names the table has
    std::atomic<std::uint64_t> changes;  // times that one was made, set or removed
};
static_assert(sizeof(IdentityBoard) == 16);

// What holders of the registry lock did, one after the other. The totals hold what the slots of
// owners that have left counted, as of each slot's next owner.
struct RegistryStatistics {
    std::atomic<std::uint64_t> rescued_events;         // tombstones written for dead publishers
    std::atomic<std::uint64_t> rescued_publishers;     // dead publishers whose slots were freed
    std::atomic<std::uint64_t> reclaimed_subscribers;  // dead subscribers whose slots were freed
    std::atomic<std::uint64_t> evicted_subscribers;    // silent ones whose gates were dropped
    std::atomic<std::uint64_t> publisher_attaches;
    std::atomic<std::uint64_t> subscriber_attaches;

    alignas(kWriterDistanceBytes) PublisherStatistics earlier_publishers;
    alignas(kWriterDistanceBytes) SubscriberStatistics earlier_subscribers;
};
static_assert(sizeof(RegistryStatistics) == 384);
static_assert(offsetof(RegistryStatistics, earlier_publishers) == 128);
static_assert(offsetof(RegistryStatistics, earlier_subscribers) == 256);

// Where a journal has everything below. It stays when the journal's writer goes. Written by the
// holder of the journal lock alone, and only where the stream holds for its journal.
struct JournalHold {
    std::atomic<std::uint64_t> position;  // publishers write no further than a ring beyond it
    std::atomic<Sequence> sequence;       // the same as a sequence
};

using ProcessWords = std::array<std::uint64_t, sizeof(ProcessIdentity) / sizeof(std::uint64_t)>;

// Who holds the registry lock, and by which byte. Written by the holder.
struct RegistryHolder {
    std::atomic<std::uint32_t> lock_turn;  // counts take-overs from the dead
    std::atomic<std::uint32_t> change;     // odd: `process` holds the lock, or died with it
    std::array<std::atomic<std::uint64_t>, std::tuple_size_v<ProcessWords>> process;
};
static_assert(sizeof(RegistryHolder) == 48);

// Where attaching begins to look in a table of slots. Both are hints, modulo the number of slots.
struct RegistryRound {
    std::atomic<std::uint32_t> next_look;   // for owners that have died; under the registry lock
    std::atomic<std::uint32_t> first_free;  // hardly a slot below it is free
};

// Bytes [4096, 8192) of `control`.
struct StreamState {
    // The next claim: sequence and position in one word (tail_word.hpp). Single-publisher streams
    // store it after each commit; multi-publisher streams claim by compare-and-swap on it.
    alignas(kWriterDistanceBytes) std::atomic<std::uint64_t> tail;

    // No byte at or beyond this position has been or is being written. Publishers raise it to what
    // the gates leave them, a sixteenth of the capacity at a time, before they write there; readers
    // that don't gate check it after they copied.
    alignas(kWriterDistanceBytes) std::atomic<std::uint64_t> write_limit;
    std::atomic<Sequence> reference_sequence;  // a sequence near the tail, to decode packed words

    alignas(kWriterDistanceBytes) WaitCell subscribers_wait;
    alignas(kWriterDistanceBytes) WaitCell publishers_wait;
    alignas(kWriterDistanceBytes) std::atomic<StreamLife> life;
    alignas(kWriterDistanceBytes) RegistryStatistics registry;
    alignas(kWriterDistanceBytes) JournalBoard journal;

    // Tail words of places where a claim began, one for each sixteenth of the ring: where a reader
    // may start.
    alignas(
        kWriterDistanceBytes) std::array<std::atomic<std::uint64_t>, kCheckpointCount> checkpoints;

    alignas(kWriterDistanceBytes) JournalGaps journal_gaps;
    alignas(kWriterDistanceBytes) RegistryHolder registry_holder;
    RegistryRound publishers_round;
    RegistryRound subscribers_round;
    alignas(kWriterDistanceBytes) WaitCell registry_wait;  // who waits for the registry lock
    // When one of the publishers that wait for room last asked the kernel whether their holder
    // lives (CLOCK_MONOTONIC).
    alignas(kWriterDistanceBytes) std::atomic<std::uint64_t> holder_looked_ns;
    alignas(kWriterDistanceBytes) JournalMemory journal_memory;
    alignas(kWriterDistanceBytes) CursorBoard cursors;
    alignas(kWriterDistanceBytes) JournalHold journal_hold;
    alignas(kWriterDistanceBytes) IdentityBoard identities;
};
static_assert(sizeof(StreamState) == 3456 && sizeof(StreamState) <= kHeaderPageBytes);
static_assert(offsetof(StreamState, tail) == 0);
static_assert(offsetof(StreamState, write_limit) == 128);
static_assert(offsetof(StreamState, subscribers_wait) == 256);
static_assert(offsetof(StreamState, publishers_wait) == 384);
static_assert(offsetof(StreamState, life) == 512);
static_assert(offsetof(StreamState, registry) == 640);
static_assert(offsetof(StreamState, journal) == 1024);
static_assert(offsetof(StreamState, checkpoints) == 1152);
static_assert(offsetof(StreamState, journal_gaps) == 1280);
static_assert(offsetof(StreamState, registry_holder) == 1920);
static_assert(offsetof(StreamState, publishers_round) == 1968);
static_assert(offsetof(StreamState, subscribers_round) == 1976);
static_assert(offsetof(StreamState, registry_wait) == 2048);
static_assert(offsetof(StreamState, holder_looked_ns) == 2176);
static_assert(offsetof(StreamState, journal_memory) == 2304);
static_assert(offsetof(StreamState, cursors) == 2944);
static_assert(offsetof(StreamState, journal_hold) == 3200);
static_assert(offsetof(StreamState, identities) == 3328);

// Set in PublisherSlot::intent_size_bytes, whose sizes are multiples of 16, by the owner of a batch
// between its swap and its first write into the ring: it has won. Without it, the stamps that a
// batch which died in its commit leaves inside could pass for the event that follows a shorter
// claim of somebody who lost.
inline constexpr std::uint32_t kIntentWon = 1;

// In PublisherSlot::room_asked, whose positions are multiples of 16.
inline constexpr std::uint64_t kAskingMask = 15;

enum class SlotState : std::uint32_t { free = 0, active = 1 };

// Who sits in a slot. Written under the registry lock, before `state` becomes active. Whoever reads
// it without that lock may meet the next owner half-way.
struct SlotOwner {
    std::atomic<SlotState> state;
    std::uint32_t reserved;
    std::atomic<std::uint64_t> attached_ns;
    ValueInWords<ProcessIdentity> process;
    ValueInWords<std::array<char, kNameCapacity>> name;
};
static_assert(sizeof(SlotOwner) == 120);

[[nodiscard]] inline bool is_active(const SlotOwner& owner) noexcept {
    // [sync:slot_owner] Acquire: the owner's identity and name were written before.
    return owner.state.load(std::memory_order_acquire) == SlotState::active;
}

// Written by its publisher alone; by a rescuer that holds the registry lock once that publisher is
// dead.
struct PublisherSlot {
    // What it is about to claim, noted before the compare-and-swap and cleared after the commit, so
    // that a dead owner's hole has a known place and size. `intent_sequence` is stored last and
    // cleared first; kNoSequence: no intent.
    alignas(kWriterDistanceBytes) std::atomic<Sequence> intent_sequence;
    std::atomic<std::uint64_t> intent_position;
    std::atomic<std::uint32_t> intent_size_bytes;  // with kIntentWon in its lowest bit
    std::atomic<std::uint32_t> intent_count;
    // How far it asks to write, from before its look at the gates until it has raised the write
    // limit; 0: it doesn't ask. The lowest four bits tell one asking from the next.
    std::atomic<std::uint64_t> room_asked;
    // By which identity it publishes, + 1; 0: none. Once its owner is dead that is settled first.
    std::atomic<std::uint32_t> identity;

    alignas(kWriterDistanceBytes) SlotOwner owner;
    alignas(kWriterDistanceBytes) PublisherStatistics statistics;
};
static_assert(sizeof(PublisherSlot) == 384);
static_assert(offsetof(PublisherSlot, owner) == 128);
static_assert(offsetof(PublisherSlot, statistics) == 256);

enum class SlowPolicy : std::uint32_t {
    gate = 1,     // publishers wait for it: lossless, zero copy
    skip = 2,     // never gates; jumps forward and is told the exact gap
    observe = 3,  // as skip, but read-only and unregistered
    spill = 4,    // never gates; reads the journal when the ring has left it behind
    evict = 5,    // gates, but loses its gate when it stays silent for too long
};

// Where a subscriber reads at the moment.
enum class ReadSource : std::uint32_t { ring = 0, journal = 1 };

inline constexpr std::size_t kShownTypes = 16;
inline constexpr std::size_t kShownKeys = 4;

// What a subscriber says of itself when it attaches; publishers and tools read it. A filter is
// shown as far as it fits.
struct SubscriberDeclaration {
    std::atomic<SlowPolicy> policy;
    std::atomic<std::uint32_t> reserved;
    std::atomic<std::uint64_t> evict_after_ns;  // policy evict: how long its gate may stand still
    std::atomic<std::uint32_t> type_count;      // it reads these types alone; 0: all
    std::atomic<std::uint32_t> key_count;       // it reads these keys alone; 0: all
    std::atomic<std::uint64_t> key_modulus;     // it reads keys with key % modulus == remainder;
    std::atomic<std::uint64_t> key_remainder;   // modulus 0: all
    std::array<std::atomic<std::uint16_t>, kShownTypes> types;
    std::array<std::atomic<std::uint64_t>, kShownKeys> keys;
};
static_assert(sizeof(SubscriberDeclaration) == 104);

// Words of a subscriber's slot that others write.
struct SubscriberNotice {
    std::atomic<std::uint32_t> reserved;
    std::atomic<std::uint32_t> evicted_by;  // publisher slot that dropped its gate last
    std::atomic<std::uint64_t> evictions;   // times that its gate was dropped
    std::atomic<std::uint64_t> evicted_position;
    std::atomic<std::uint64_t> evicted_silence_ns;  // how long it had stood there, at least
};
static_assert(sizeof(SubscriberNotice) == 32);

// Written by its subscriber alone; by whoever reclaims it under the registry lock once it is dead.
// `notice` is written by others.
struct SubscriberSlot {
    alignas(kWriterDistanceBytes)
        std::atomic<std::uint64_t> gate_position;  // kNoPosition: doesn't gate
    std::atomic<std::uint64_t> position;           // where it stands, whatever its policy
    std::atomic<Sequence> sequence;
    std::atomic<ReadSource> source;

    alignas(kWriterDistanceBytes) SlotOwner owner;
    alignas(kWriterDistanceBytes) SubscriberDeclaration declared;
    alignas(kWriterDistanceBytes) SubscriberNotice notice;
    alignas(kWriterDistanceBytes) SubscriberStatistics statistics;
};
static_assert(sizeof(SubscriberSlot) == 640);
static_assert(offsetof(SubscriberSlot, source) == 24);
static_assert(offsetof(SubscriberSlot, owner) == 128);
static_assert(offsetof(SubscriberSlot, declared) == 256);
static_assert(offsetof(SubscriberSlot, notice) == 384);
static_assert(offsetof(SubscriberSlot, statistics) == 512);

inline constexpr std::uint32_t kCursorSlots = 128;

enum class CursorUse : std::uint32_t { free = 0, used = 1 };

// A named place in the stream that outlives whoever reads by it.
struct CursorSlot {
    // Everything below is done. Written by its owner alone; while it has none, under the registry
    // lock.
    alignas(kWriterDistanceBytes) std::atomic<Sequence> sequence;
    std::atomic<std::uint32_t> moves_seen;  // of `moves`

    // Under the registry lock. The owner's name is the cursor's, and stays while it is used.
    alignas(kWriterDistanceBytes) SlotOwner owner;
    alignas(kWriterDistanceBytes) std::atomic<CursorUse> use;
    std::atomic<std::uint32_t> moves;  // how often somebody else moved it
    std::atomic<Sequence> move_to;
    std::atomic<std::uint64_t> hold_bytes;  // of the journal that it may hold back; 0: none

    // By the keeper alone: where it is on the disk. kNoSequence: nowhere.
    alignas(kWriterDistanceBytes) std::atomic<Sequence> durable_sequence;
};
static_assert(sizeof(CursorSlot) == 512);

[[nodiscard]] inline bool is_used(const CursorSlot& slot) noexcept {
    // [sync:slot_owner] Acquire: its name and place were written before.
    return slot.use.load(std::memory_order_acquire) == CursorUse::used;
}

// Where somebody has moved it, until its owner has gone there.
[[nodiscard]] inline std::optional<Sequence> pending_move(const CursorSlot& slot) noexcept {
    // [sync:cursor_moved] Acquire: the place was written before the count. Relaxed, both: whoever
    // has gone there has stored the same place.
    const std::uint32_t moves = slot.moves.load(std::memory_order_acquire);
    if (moves == slot.moves_seen.load(std::memory_order_relaxed)) return std::nullopt;
    return slot.move_to.load(std::memory_order_relaxed);
}

// Where it stands: a move that its owner hasn't seen yet counts.
[[nodiscard]] inline Sequence place_of(const CursorSlot& slot) noexcept {
    // [sync:cursor_committed] Acquire: as whoever resumes there.
    const Sequence sequence = slot.sequence.load(std::memory_order_acquire);
    return pending_move(slot).value_or(sequence);
}
static_assert(offsetof(CursorSlot, owner) == 128);
static_assert(offsetof(CursorSlot, use) == 256);
static_assert(offsetof(CursorSlot, durable_sequence) == 384);

inline constexpr std::uint32_t kIdentitySlots = 128;

enum class IdentityUse : std::uint32_t { free = 0, used = 1 };

// The name of somebody who numbers what it publishes, and how far its numbers have come.
struct IdentitySlot {
    // Written by its owner alone, behind the stamp of what it publishes and before its note is
    // cleared (single: before the tail); once it is dead, by a rescuer that holds the registry
    // lock.
    alignas(kWriterDistanceBytes) std::atomic<OwnSequence> last_own;
    std::atomic<std::uint64_t> duplicates;  // that it dropped

    // Under the registry lock. The owner's name is the identity's, and stays while it is used.
    alignas(kWriterDistanceBytes) SlotOwner owner;
    alignas(kWriterDistanceBytes) std::atomic<IdentityUse> use;
    std::uint32_t reserved;
    std::atomic<std::uint64_t> id;    // of its events
    std::atomic<Sequence> set_at;     // the tail when it was made or set: events below don't count
    std::atomic<OwnSequence> set_to;  // and where it stood then
};
static_assert(sizeof(IdentitySlot) == 384);
static_assert(offsetof(IdentitySlot, owner) == 128);
static_assert(offsetof(IdentitySlot, use) == 256);

[[nodiscard]] inline bool is_used(const IdentitySlot& slot) noexcept {
    // [sync:slot_owner] Acquire: its name and its number were written before.
    return slot.use.load(std::memory_order_acquire) == IdentityUse::used;
}

// Bytes of `control` beyond its end are locked, never written: a held lock is a living owner.
inline constexpr std::uint64_t kLockBase = std::uint64_t{1} << 40U;
inline constexpr std::uint64_t kRegistryLock = kLockBase;
inline constexpr std::uint64_t kJournalLock = kLockBase + 1;
inline constexpr std::uint64_t kPublisherLocks = kLockBase + 0x1000;
inline constexpr std::uint64_t kSubscriberLocks = kLockBase + 0x10000;
inline constexpr std::uint64_t kCursorLocks = kLockBase + 0x20000;
inline constexpr std::uint64_t kIdentityLocks = kLockBase + 0x30000;

// A dead owner may leave a child that still holds its lock. The next one then locks the byte of the
// turn after, and says so beside its identity.
inline constexpr std::uint64_t kLockTurnDistance = 0x100000;
inline constexpr std::uint32_t kLockTurns = 64;

[[nodiscard]] constexpr std::uint64_t lock_of_turn(std::uint64_t lock,
                                                   std::uint32_t turn) noexcept {
    return lock + turn % kLockTurns * kLockTurnDistance;
}

inline constexpr std::uint64_t kStateOffset = kHeaderPageBytes;
inline constexpr std::uint64_t kPublisherTableOffset = 2 * kHeaderPageBytes;

[[nodiscard]] constexpr std::uint64_t subscriber_table_offset(
    std::uint64_t publisher_slots) noexcept {
    return kPublisherTableOffset + publisher_slots * sizeof(PublisherSlot);
}

[[nodiscard]] constexpr std::uint64_t latency_table_offset(
    std::uint64_t publisher_slots, std::uint64_t subscriber_slots) noexcept {
    return subscriber_table_offset(publisher_slots) + subscriber_slots * sizeof(SubscriberSlot);
}

[[nodiscard]] constexpr std::uint64_t cursor_table_offset(std::uint64_t publisher_slots,
                                                          std::uint64_t subscriber_slots) noexcept {
    return latency_table_offset(publisher_slots, subscriber_slots) +
           subscriber_slots * sizeof(LatencyHistogram);
}

[[nodiscard]] constexpr std::uint64_t identity_table_offset(
    std::uint64_t publisher_slots, std::uint64_t subscriber_slots) noexcept {
    return cursor_table_offset(publisher_slots, subscriber_slots) +
           kCursorSlots * sizeof(CursorSlot);
}

[[nodiscard]] constexpr std::uint64_t control_size_bytes(std::uint64_t publisher_slots,
                                                         std::uint64_t subscriber_slots) noexcept {
    return align_up(identity_table_offset(publisher_slots, subscriber_slots) +
                        kIdentitySlots * sizeof(IdentitySlot),
                    kHeaderPageBytes);
}
static_assert(control_size_bytes(16, 32) == 225280);

// How far ahead of the tail publishers may write without looking at the readers again.
[[nodiscard]] constexpr std::uint64_t grant_step_bytes(std::uint64_t capacity_bytes) noexcept {
    return capacity_bytes / kCheckpointCount;
}

// A claim (one event or a batch) spans at most this much, so that two of them always fit, and that
// an intent's 32 bits can hold its size.
[[nodiscard]] constexpr std::uint64_t max_claim_bytes(std::uint64_t capacity_bytes) noexcept {
    constexpr std::uint64_t kLargest = (std::uint64_t{1} << 32U) - kHeaderPageBytes;
    const std::uint64_t share = capacity_bytes / 4;
    return share < kLargest ? share : kLargest;
}
static_assert(max_claim_bytes(kMaxCapacityBytes) <= UINT32_MAX);

}  // namespace tailrace::bus
