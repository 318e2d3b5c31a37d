// Retention and power cuts: each step of giving up a segment, and every way in which the batches of
// a recycled segment may stand beside those of its former life.

#include "assessment.hpp"
#include "reader_core.hpp"
#include "simulated_lab.hpp"
#include "support/test_length.hpp"
#include "verify_core.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

namespace tailrace::journal::retention_crash_test {

namespace {

// Reads everything. Empty when it is dense, of the tags given by sequence, and ends where it
// should.
std::string read_through(SimulatedDisk& disk,
                         const std::vector<std::uint64_t>& tags,
                         Sequence end) {
    auto reader = ReaderCore::open(disk, "/sim");
    if (!reader) return reader.error().message;
    Sequence next = (*reader)->first_sequence();
    while (true) {
        auto step = (*reader)->next_batch();
        if (!step) return step.error().message;
        if (step->kind == ReadKind::end) break;
        if (step->kind != ReadKind::event) return "a gap";
        for (const Event& event : step->batch) {
            if (event.sequence() != next || next >= tags.size()) return "a sequence that can't be";
            if (tag_of(event) != tags[next]) {
                return "event " + std::to_string(next) + " is from the dead";
            }
            ++next;
        }
    }
    return next == end ? std::string() : "ends at " + std::to_string(next);
}

std::string verified(SimulatedDisk& disk) {
    auto report = VerifyCore(disk, "/sim", {}).run();
    if (!report) return report.error().message;
    for (const Finding& finding : report->findings) {
        if (is_damage(finding.kind)) return finding.text;
    }
    return {};
}

struct Lives {
    explicit Lives(std::uint64_t seed) : lab(seed) { lab.options.retain_size_bytes = 3 * kMiB; }

    // One life of a writer that ends in a cut after `stop` operations; 0: in one at its end. With
    // `is_killed` the process alone ends there, and nothing is looked at: what it had on its way
    // may land until the next writer has waited for it. What is wrong afterwards.
    std::string live(std::uint64_t stop, Survival survival, bool is_killed = false) {
        ++lab.tag;
        if (stop != 0) lab.disk.stop_after(stop);
        auto opened = WriterCore::open(lab.options, lab.around);
        if (opened) {
            lab.writer = std::move(*opened);
            const Sequence begin = lab.writer->next_sequence();
            if (was_killed ? begin > tags.size() || begin < acknowledged : begin != tags.size()) {
                return "opened at another end";
            }
            tags.resize(begin);
            was_killed = false;
            lab.fill_segments(3);
            tags.resize(std::max<Sequence>(tags.size(), lab.writer->next_sequence()), lab.tag);
            acknowledged = std::max(acknowledged, lab.writer->durable_sequence());
            recycled += lab.writer->statistics().recycled_segments;
        } else if (!lab.disk.is_stopped()) {
            return "opening failed: " + opened.error().message;
        }
        lab.disk.cut();
        lab.writer.reset();
        if (is_killed) {
            lab.disk.kill_process();
            was_killed = true;
            return {};
        }
        was_killed = false;
        lab.disk.power_on(survival);
        auto found = assess(lab.disk, "/sim", AssessMode::deciding);
        if (!found) return "recovery refused: " + found.error().message;
        if (found->segments.empty()) return tags.empty() || acknowledged == 0 ? "" : "all is gone";
        const Sequence end = found->end.sequence;
        if (end < acknowledged) return "lost acknowledged events";
        // One more segment would have been too much: what is left, without the active one, is more
        // than a segment of the three.
        if (found->report.first_sequence + 15 > end && found->report.first_sequence != 0) {
            return "gave up too much";
        }
        tags.resize(end);
        acknowledged = end;
        disowned += found->disowned_numbers.size();
        if (std::string wrong = read_through(lab.disk, tags, end); !wrong.empty()) return wrong;
        return verified(lab.disk);
    }

    SimulatedLab lab;
    std::vector<std::uint64_t> tags;  // by sequence
    Sequence acknowledged = 0;
    bool was_killed = false;  // and nobody has opened the journal since
    std::uint64_t recycled = 0;
    std::uint64_t disowned = 0;
};

}  // namespace

TEST_CASE("retention: stopped at every step, the journal opens and is whole",
          "[journal][search][retention][crash]") {
    std::uint64_t recycled = 0;
    std::uint64_t disowned = 0;
    constexpr std::array kSurvivals = {Survival::nothing, Survival::everything, Survival::some};
    const std::uint64_t stride = test::is_full_length() ? 2 : 7;
    const std::uint64_t offset = test::sample_offset(stride);
    CAPTURE(offset);
    for (const Survival survival : kSurvivals) {
        // A life that is cut, often another one that is cut early, in recovery, and a whole one,
        // which has to clean up behind both.
        Lives lives(17);
        REQUIRE(lives.live(0, Survival::everything).empty());
        for (std::uint64_t stop = 1 + offset; stop < 240; stop += stride) {
            INFO("survival " << static_cast<int>(survival) << ", stop after " << stop);
            // Sometimes the writer is killed first: what it did may still be in a cache alone.
            std::string wrong;
            if (stop % 5 == 0) wrong = lives.live(stop + 3, survival, true);
            if (wrong.empty()) wrong = lives.live(stop, survival);
            if (wrong.empty() && stop % 3 != 0) wrong = lives.live(1 + stop % 40, survival);
            if (wrong.empty()) wrong = lives.live(0, survival);
            REQUIRE(wrong == "");
        }
        recycled += lives.recycled;
        disowned += lives.disowned;
    }
    // That the cuts met it.
    CHECK(recycled > 200 / stride);
    CHECK(disowned > 20 / stride);
}

TEST_CASE("retention: whatever is torn over an old segment, nothing of the old one comes back",
          "[journal][search][retention][crash]") {
    SimulatedLab lab(23);
    lab.options.retain_size_bytes = 3 * kMiB;
    lab.open();
    // Old and new batches begin at the same offsets: the most tempting case.
    lab.tag = 1;
    while (lab.writer->statistics().recycled_segments < 2)
        lab.fill_segments(1);
    lab.fill_segments(1);
    const Sequence full = lab.writer->next_sequence();
    REQUIRE(full % 16 == 0);
    lab.disk.settle();
    const auto spare = lab.disk.look_at("/sim/spare", 0, kMiB);  // an old segment, the next one

    lab.tag = 2;
    EventShape shape;
    shape.payload_bytes = 60'000;
    shape.tag = 2;
    constexpr std::uint64_t kDurable = 3;
    constexpr std::uint64_t kInFlight = 5;
    for (std::uint64_t nth = 0; nth < kDurable + kInFlight; ++nth) {
        REQUIRE(lab.writer->append(make_events(full + nth, 1, shape).run()).event_count == 1);
        REQUIRE(lab.writer->sync(kSecondNs));
    }
    const auto listed = assess(lab.disk, "/sim", AssessMode::looking);
    REQUIRE(listed);
    REQUIRE((listed->newest().features_compat & kSegmentRecycled) != 0);
    const std::string path = segment_path("/sim", listed->newest().segment_number);
    const auto written = lab.disk.look_at(path, 0, kMiB);
    const std::uint64_t slot = batch_slot_bytes(event_size_bytes(60'000, 0, 16));
    std::vector<std::uint64_t> tags(full, 1);
    tags.resize(full + kDurable + kInFlight, 2);

    // What each batch that was in flight may have become: old, new, or half.
    enum Fate : std::uint64_t { kept, lost, front, back, kFates };
    const auto put = [&](std::uint64_t nth, std::uint64_t fate) {
        const std::uint64_t from = kBlockSizeBytes + (kDurable + nth) * slot;
        for (std::uint64_t at = 0; at < slot; at += 512) {
            const bool is_new = fate == kept || (fate == front && at < slot / 2) ||
                                (fate == back && at >= slot / 2);
            const auto& source = is_new ? written : spare;
            lab.disk.overwrite(path, from + at, std::span(source).subspan(from + at, 512));
        }
    };
    constexpr std::uint64_t kStates = 1024;  // kFates to the power of kInFlight
    const std::uint64_t stride = test::is_full_length() ? 1 : 4;
    std::uint64_t states = 0;
    for (std::uint64_t state = test::sample_offset(stride); state < kStates; state += stride) {
        std::uint64_t end = full + kDurable + kInFlight;
        std::uint64_t digits = state;
        bool is_promised = false;
        for (std::uint64_t nth = 0; nth < kInFlight; ++nth, digits /= kFates) {
            const std::uint64_t fate = digits % kFates;
            put(nth, fate);
            const Sequence sequence = full + kDurable + nth;
            if (fate != kept) end = std::min(end, sequence);
            // Each was synced before the next was sealed, so its header promises those before.
            const bool has_header = fate == kept || fate == front;
            is_promised = is_promised || (has_header && sequence > end);
        }
        const auto found = assess(lab.disk, "/sim", AssessMode::looking);
        ++states;
        if (is_promised) {
            // Acknowledged and not there: that is damage, and old batches must not patch it.
            if (found || found.error().code != ErrorCode::corrupt) FAIL("state " << state);
            continue;
        }
        if (!found) FAIL("state " << state << ": " << found.error().message);
        if (found->end.sequence != end) FAIL("state " << state << " ends elsewhere");
        if (found->report.discarded_batches != 0) FAIL("state " << state << " found the dead");
        if (states % 25 != 0) continue;
        if (const auto wrong = read_through(lab.disk, tags, end); !wrong.empty()) {
            FAIL("state " << state << ": " << wrong);
        }
        if (const auto wrong = verified(lab.disk); !wrong.empty()) {
            FAIL("state " << state << ": " << wrong);
        }
    }
    CHECK(states == kStates / stride);
}

namespace {

// Eight segments and no room for another one; retention is to keep three from now on.
void fill_disk(SimulatedLab& lab) {
    lab.open();
    lab.fill_segments(8);
    lab.disk.cut();
    lab.writer.reset();
    lab.disk.power_on(Survival::everything);
    for (const std::string name : {"/sim/spare", "/sim/spare.partial"}) {
        if (lab.disk.exists(name)) (void)lab.disk.remove(name);
    }
    lab.disk.settle();
    lab.disk.faults.capacity_bytes = lab.segment_count() * kMiB;
}

}  // namespace

TEST_CASE("retention: a full disk is opened by whoever keeps less", "[journal][retention][space]") {
    SimulatedLab lab(41);
    fill_disk(lab);
    const auto refused = WriterCore::open(lab.options, lab.around);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().os_errno == ENOSPC);

    lab.options.retain_size_bytes = 3 * kMiB;
    const auto before = assess(lab.disk, "/sim", AssessMode::looking);
    REQUIRE(before);
    auto opened = WriterCore::open(lab.options, lab.around);
    INFO((opened ? "" : opened.error().message));
    REQUIRE(opened);
    CHECK((*opened)->next_sequence() == before->end.sequence);
    CHECK(lab.segment_count() == 3);
    CHECK(verified(lab.disk) == "");
}

TEST_CASE("retention: stopped at every step of opening a full disk, the journal is whole",
          "[journal][search][retention][space][crash]") {
    SimulatedLab lab(43);
    fill_disk(lab);
    // With SUPER, with its last slot lost, and without.
    const int lost_slots = GENERATE(0, 1, 2);
    auto super = read_super(lab.disk, "/sim", Access::reading);
    REQUIRE(super);
    const std::vector<std::byte> zeroes(kBlockSizeBytes);
    for (int slot = 0; slot < lost_slots; ++slot) {
        lab.disk.overwrite(
            "/sim/SUPER",
            (super->newest->generation - static_cast<unsigned>(slot)) % 2 * kBlockSizeBytes,
            zeroes);
    }
    const auto before = assess(lab.disk, "/sim", AssessMode::looking);
    REQUIRE(before);
    const std::vector<std::uint64_t> tags(before->end.sequence);
    const std::uint64_t stride = test::is_full_length() ? 1 : 4;
    bool is_done = false;
    std::uint64_t stop = test::sample_offset(stride) + 1 - stride;
    while (!is_done) {  // ends: each round may go further
        stop += stride;
        INFO("stop after " << stop);
        SimulatedDisk disk(lab.disk);
        disk.reseed(stop);
        disk.stop_after(stop);
        JournalOptions options = lab.options;
        options.retain_size_bytes = 3 * kMiB;
        {
            auto opened = WriterCore::open(options, simulated_environment(disk));
            is_done = !disk.is_stopped();
            REQUIRE((opened || !is_done));
            disk.cut();
        }
        disk.power_on(stop % 3 == 0   ? Survival::nothing
                      : stop % 3 == 1 ? Survival::everything
                                      : Survival::some);
        const auto found = assess(disk, "/sim", AssessMode::deciding);
        INFO((found ? "" : found.error().message));
        REQUIRE(found);
        REQUIRE(found->end.sequence == before->end.sequence);
        REQUIRE(read_through(disk, tags, found->end.sequence) == "");
        REQUIRE(verified(disk) == "");
    }
    CHECK(stop > 30);
}

}  // namespace tailrace::journal::retention_crash_test
